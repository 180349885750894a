//! The proxy with its decisions, beside an nginx that makes none: the same upstream, certificate and protocol, in turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use reqwest::header::{COOKIE, ORIGIN};
use reqwest::{Client, RequestBuilder, Response};
use tokio::io::AsyncReadExt as _;

use crate::door::{Door, NAME};
use crate::figure::{Figures, Goal, percentile};
use crate::nginx::Nginx;
use crate::process::{family, raise_open_files, resident_megabytes};
use crate::upstream::KEY;

const ROUNDS: usize = 5;
const CONNECTIONS: usize = 32;
/// Of each connection, in each round.
const REQUESTS: usize = 150;
/// In one go, in bytes.
const LARGE: usize = 256 << 20;
const IDLE: usize = 2_000;

/// One way to the upstream.
struct Way {
    origin: String,
    cookie: String,
    pid: u32,
}

impl Way {
    fn get(&self, client: &Client, path: &str) -> RequestBuilder {
        client.get(format!("{}{path}", self.origin)).header(COOKIE, &self.cookie)
    }

    async fn socket(&self, client: &Client, bytes: usize) -> anyhow::Result<reqwest::Upgraded> {
        let asked = self.get(client, &format!("/socket?{bytes}")).header(ORIGIN, &self.origin);
        let asked = asked.header("connection", "Upgrade").header("upgrade", "websocket");
        let asked = asked.header("sec-websocket-version", "13").header("sec-websocket-key", KEY);
        let answer = asked.send().await?;
        ensure!(answer.status() == 101, "no socket: {}", answer.status());
        Ok(answer.upgrade().await?)
    }
}

#[derive(Default)]
struct Samples {
    /// Requests a second, of each round.
    rates: Vec<f64>,
    latencies: Vec<Duration>,
    /// MB/s, of each round.
    download: Vec<f64>,
    socket: Vec<f64>,
    /// KiB.
    idle: f64,
}

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    raise_open_files()?;
    let door = Door::open(1).await?;
    let proxy = &door.proxies[0];
    let cookie = door.visitor().await?.enter(proxy, door.port()).await?;
    let nginx = Nginx::start(&door.site.dir.path().join("nginx"), proxy.dir(), door.upstream.address).await?;
    let host = proxy.host(door.port(), NAME);
    let through = [
        Way { origin: proxy.origin(door.port(), NAME), cookie: cookie.clone(), pid: proxy.process().pid },
        Way { origin: format!("https://{host}:{}", nginx.address.port()), cookie, pid: nginx.pid },
    ];
    let mut samples = [Samples::default(), Samples::default()];
    for _ in 0..ROUNDS {
        for (way, samples) in through.iter().zip(&mut samples) {
            small(&door, way, samples).await?;
            samples.download.push(large(&door, way).await?);
            samples.socket.push(talking(&door, way).await?);
        }
    }
    for (way, samples) in through.iter().zip(&mut samples) {
        samples.idle = idle(&door, way).await?;
    }
    let [mut ours, mut floor] = samples;
    let rates = (median(&mut ours.rates), median(&mut floor.rates));
    figures.add("proxy, requests/s (floor: nginx)", "1/s", rates.0, Some(rates.1), Goal::ShareOfFloor(0.9));
    for (share, name, goal) in [(0.5, "p50", Goal::None), (0.99, "p99", Goal::TimesFloor(1.2))] {
        let (ours, floor) = (percentile(&mut ours.latencies, share), percentile(&mut floor.latencies, share));
        let what = format!("proxy, {CONNECTIONS} connections, {name} (floor: nginx)");
        figures.add(what, "ms", ours, Some(floor), goal);
    }
    for (what, ours, floor) in [
        ("proxy, one large download (floor: nginx)", &mut ours.download, &mut floor.download),
        ("proxy, one WebSocket (floor: nginx)", &mut ours.socket, &mut floor.socket),
    ] {
        figures.add(what, "MB/s", median(ours), Some(median(floor)), Goal::ShareOfFloor(0.9));
    }
    let what = format!("proxy, memory of each of {IDLE} idle WebSockets (floor: nginx)");
    figures.add(what, "KiB", ours.idle, Some(floor.idle), Goal::AtMost(32.0));
    Ok(())
}

/// Each connection asks one thing after the other.
async fn small(door: &Door, way: &Way, samples: &mut Samples) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = door.client()?;
        whole(way.get(&client, "/small").send().await?, 1_024).await?;
        clients.push(client);
    }
    let begun = Instant::now();
    let latencies = try_join_all(clients.iter().map(async |client| {
        let mut latencies = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let asked = Instant::now();
            whole(way.get(client, "/small").send().await?, 1_024).await?;
            latencies.push(asked.elapsed());
        }
        anyhow::Ok(latencies)
    }));
    let latencies = latencies.await?.concat();
    samples.rates.push(per_second(latencies.len(), begun.elapsed()));
    samples.latencies.extend(latencies);
    Ok(())
}

async fn large(door: &Door, way: &Way) -> anyhow::Result<f64> {
    let client = door.client()?;
    let begun = Instant::now();
    whole(way.get(&client, &format!("/bytes?{LARGE}")).send().await?, LARGE).await?;
    Ok(per_second(LARGE, begun.elapsed()) / 1e6)
}

/// Reads an answer to its end.
async fn whole(mut response: Response, length: usize) -> anyhow::Result<()> {
    ensure!(response.status() == 200, "{}", response.status());
    let mut read = 0;
    while let Some(chunk) = response.chunk().await? {
        read += chunk.len();
    }
    ensure!(read == length, "{read} bytes instead of {length}");
    Ok(())
}

async fn talking(door: &Door, way: &Way) -> anyhow::Result<f64> {
    let client = door.client()?;
    let begun = Instant::now();
    let mut socket = way.socket(&client, LARGE).await?;
    let (mut buffer, mut read) = (vec![0; 256 * 1_024], 0);
    while read < LARGE {
        let more = socket.read(&mut buffer).await?;
        ensure!(more > 0, "the socket ended after {read} bytes");
        read += more;
    }
    Ok(per_second(LARGE, begun.elapsed()) / 1e6)
}

/// What each of many sockets costs on which nothing is said, in KiB.
async fn idle(door: &Door, way: &Way) -> anyhow::Result<f64> {
    let client = Arc::new(door.client()?);
    let before = resident(way.pid)?;
    let mut sockets = Vec::new();
    for _ in 0..IDLE / 100 {
        sockets.extend(try_join_all((0..100).map(|_| way.socket(&client, 0))).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = resident(way.pid)?;
    drop(sockets);
    #[allow(clippy::cast_precision_loss, reason = "a count")]
    Ok((after - before) * 1e6 / 1_024.0 / IDLE as f64)
}

/// Of a process and all that it has started.
fn resident(pid: u32) -> anyhow::Result<f64> {
    family(pid)?.into_iter().map(resident_megabytes).sum::<anyhow::Result<f64>>().context("a process ended")
}

#[allow(clippy::cast_precision_loss, reason = "a count")]
fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}
