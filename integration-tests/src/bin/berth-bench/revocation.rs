//! From the end of somebody's session to the end of what they have open, on two proxies at once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::header::{COOKIE, ORIGIN};
use tokio::io::AsyncReadExt as _;

use crate::door::{Door, NAME};
use crate::figure::{Figures, Goal, percentile};
use crate::upstream::KEY;

const TRIES: usize = 100;
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let door = Door::open(2).await?;
    let (mut cut, mut signing_out) = (Vec::new(), Vec::new());
    for _ in 0..TRIES {
        let visitor = door.visitor().await?;
        let mut open = Vec::new();
        for proxy in &door.proxies {
            let cookie = visitor.enter(proxy, door.port()).await?;
            let origin = proxy.origin(door.port(), NAME);
            let asked = door.client()?.get(format!("{origin}/socket?0"));
            let asked = asked.header(COOKIE, cookie).header(ORIGIN, origin);
            let asked = asked.header("connection", "Upgrade").header("upgrade", "websocket");
            let asked = asked.header("sec-websocket-version", "13").header("sec-websocket-key", KEY);
            let answer = asked.send().await?;
            ensure!(answer.status() == 101, "no socket: {}", answer.status());
            let mut socket = answer.upgrade().await?;
            open.push(tokio::spawn(async move {
                let mut rest = [0; 64];
                while matches!(socket.read(&mut rest).await, Ok(read) if read > 0) {}
                Instant::now()
            }));
        }
        let begun = Instant::now();
        visitor.sign_out().await?;
        let done = Instant::now();
        signing_out.push(done - begun);
        for socket in open {
            let ended = tokio::time::timeout(LIMIT, socket).await.context("a socket goes on")??;
            // It may be cut before the answer has arrived.
            cut.push(ended.saturating_duration_since(done));
        }
    }
    for (share, name, goal) in [(0.5, "p50", Goal::None), (0.99, "p99", Goal::AtMost(2_000.0))] {
        let floor = Some(percentile(&mut signing_out, share));
        let what = format!("from sign-out to cut, two proxies, {name} (floor: signing out)");
        figures.add(what, "ms", percentile(&mut cut, share), floor, goal);
    }
    Ok(())
}
