//! An honest agent and an administrator, while strangers flood the server: beside the same two on a quiet one.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_harness::{Postgres, Server, ServerOptions};
use berth_schema::{AccessToken, OpaqueAccessToken, OrganizationId, TokenId};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::figure::{Figures, Goal, percentile};
use crate::population::{Owner, nothing_new};
use crate::process::{raise_open_files, resident_megabytes};
use crate::wire::{Wire, list, reconcile};

const WORKSPACES: i32 = 61;
/// Of each of the two, one every 10 ms.
const ASKED: usize = 1_000;
const FORGERS: usize = 200;
const SILENT: usize = 10_000;
/// What one address has in the server.
const ROOM: usize = 2_048;
/// A silent one that was closed comes back after this.
const PAUSE: Duration = Duration::from_secs(10);

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    raise_open_files()?;
    let postgres = Postgres::start(None).await?;
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
    let owner = Owner::connect(&url).await?;
    let agent = owner.populate(1, WORKSPACES).await?.remove(0);
    owner.settle().await?;
    let token = secrecy::ExposeSecret::expose_secret(&server.first_token()?).parse::<AccessToken>()?;
    let (round, page) = (reconcile(&agent, &nothing_new(0))?, list(token.expose(), token.organization(), ""));
    let (address, pid) = (server.address(), server.process().pid);

    let mut honest = Honest { round: Wire::connect(address).await?, list: Wire::connect(address).await? };
    honest.ask(&round, &page, pid).await?;
    let [mut quiet_rounds, mut quiet_lists] = honest.ask(&round, &page, pid).await?.times;
    let floors = [percentile(&mut quiet_rounds, 0.99), percentile(&mut quiet_lists, 0.99)];
    for (who, flood) in [
        (format!("{FORGERS} connections of forged tokens"), Flood::Forged(token.organization())),
        (format!("{SILENT} silent and dripping connections"), Flood::Silent),
    ] {
        let attack = Attack::begin(address, flood);
        // Until it is in full swing.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let Asked { times: [mut rounds, mut lists], memory } = honest.ask(&round, &page, pid).await?;
        // Whoever comes anew is let in, too.
        let reply = Wire::connect(address).await?.ask(&page).await?;
        ensure!(reply.status == 200, "a new connection: status {}", reply.status);
        attack.end()?;
        let p99 = [percentile(&mut rounds, 0.99), percentile(&mut lists, 0.99)];
        figures.add(
            format!("{who}: an agent's round, p99"),
            "ms",
            p99[0],
            Some(floors[0]),
            Goal::TimesFloor(2.0),
        );
        figures.add(format!("{who}: a list, p99"), "ms", p99[1], Some(floors[1]), Goal::TimesFloor(2.0));
        figures.add(format!("{who}: server, resident at most"), "MB", memory, None, Goal::AtMost(150.0));
    }
    // What the strangers cost by being on the same machine, whoever lets them in.
    let attack = Attack::begin(elsewhere()?, Flood::Silent);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let Asked { times: [mut rounds, mut lists], .. } = honest.ask(&round, &page, pid).await?;
    attack.end()?;
    for (what, times, floor) in
        [("an agent's round", &mut rounds, floors[0]), ("a list", &mut lists, floors[1])]
    {
        let name = format!("{SILENT} silent ones at a bare listener beside the server: {what}, p99");
        figures.add(name, "ms", percentile(times, 0.99), Some(floor), Goal::None);
    }
    Ok(())
}

/// A listener that does nothing but let in and, like the server, close the oldest beyond so many.
fn elsewhere() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let mut open = std::collections::VecDeque::new();
        while let Ok((stream, _)) = listener.accept() {
            if open.len() >= ROOM {
                open.pop_front();
            }
            open.push_back(stream);
        }
    });
    Ok(address)
}

struct Honest {
    round: Wire,
    list: Wire,
}

struct Asked {
    times: [Vec<Duration>; 2],
    memory: f64,
}

impl Honest {
    async fn ask(&mut self, round: &[u8], list: &[u8], pid: u32) -> anyhow::Result<Asked> {
        let mut asked = Asked { times: [vec![], vec![]], memory: 0.0 };
        for _ in 0..ASKED {
            for (place, (wire, request)) in
                [(&mut self.round, round), (&mut self.list, list)].into_iter().enumerate()
            {
                let started = Instant::now();
                let status = wire.ask(request).await?.status;
                ensure!(status == 200, "status {status}");
                asked.times[place].push(started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            asked.memory = asked.memory.max(resident_megabytes(pid)?);
        }
        Ok(asked)
    }
}

#[derive(Clone, Copy)]
enum Flood {
    Forged(OrganizationId),
    Silent,
}

/// Strangers on a thread of their own, so that they do not stand in the way of whoever measures.
struct Attack {
    over: CancellationToken,
    thread: thread::JoinHandle<anyhow::Result<()>>,
}

impl Attack {
    fn begin(server: SocketAddr, flood: Flood) -> Self {
        let over = CancellationToken::new();
        let ends = over.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut strangers = JoinSet::new();
                let count = if matches!(flood, Flood::Forged(_)) { FORGERS } else { SILENT };
                for number in 0..count {
                    strangers.spawn(async move {
                        loop {
                            // Whatever becomes of it, the next one follows.
                            match flood {
                                Flood::Forged(organization) => drop(forge(server, organization).await),
                                Flood::Silent => {
                                    drop(be_silent(server, number % 2 == 0).await);
                                    tokio::time::sleep(PAUSE).await;
                                }
                            }
                        }
                    });
                }
                ends.cancelled().await;
                strangers.shutdown().await;
            });
            Ok(())
        });
        Self { over, thread }
    }

    fn end(self) -> anyhow::Result<()> {
        self.over.cancel();
        self.thread.join().ok().context("the strangers broke")?
    }
}

/// One connection that asks with another token each time, as fast as it is answered.
async fn forge(server: SocketAddr, organization: OrganizationId) -> anyhow::Result<()> {
    let mut wire = Wire::connect(server).await?;
    loop {
        let token = OpaqueAccessToken::new(organization, TokenId::random(), &[7; 32]);
        wire.ask(&list(token.expose(), organization, "?actual_state=Running")).await?;
    }
}

/// One connection that says nothing, or one byte a second, until it is closed.
async fn be_silent(server: SocketAddr, drips: bool) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    let mut byte = [0];
    loop {
        tokio::select! {
            read = stream.read(&mut byte) => if read? == 0 { return Ok(()) },
            () = tokio::time::sleep(Duration::from_secs(1)) => if drips { stream.write_all(b"G").await? },
        }
    }
}
