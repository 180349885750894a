//! The port of plain `ssh`. Whoever comes shows a key here; what they say from then on is between them and the workspace's sshd, but for
//! the keys under which it goes. See decision 0092.

mod coming;
mod relay;
mod room;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_ssh::KeyPair;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::authorise::without_answer;
use crate::listen::DRAIN;
use crate::shared::Shared;
use coming::Coming;
use room::Room;

/// How long to wait before the server is asked for the host's key again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// So many questions about keys are under way at once.
const QUESTIONS: usize = 8;

pub(crate) struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

impl Listener {
    pub(crate) async fn bind(address: SocketAddr, shared: Arc<Shared>, most: u32) -> anyhow::Result<Self> {
        let socket =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let places = Arc::new(Semaphore::new(most.try_into().unwrap_or(usize::MAX >> 3)));
        Ok(Self { socket, shared, places })
    }

    /// Takes connections until it is told to stop, and lets what is open go on for a while. Before the server has said by which key it is
    /// known, nobody is answered.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Some(key) = stop.run_until_cancelled(host_key(&self.shared)).await else { return Ok(()) };
        tracing::info!(key = %key.public(), "plain ssh is answered");
        let (connections, room) = (TaskTracker::new(), Room::default());
        let questions = Arc::new(Semaphore::new(QUESTIONS));
        loop {
            let place = tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => place.context("no more connections")?,
                () = stop.cancelled() => break,
            };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    let waiting = room.enter(peer);
                    let (shared, key) = (Arc::clone(&self.shared), key.clone());
                    let coming = Coming { shared, peer, questions: Arc::clone(&questions) };
                    connections.spawn(async move {
                        coming.shared.metrics.ssh.inc();
                        if let Err(error) = coming.serve(stream, key, waiting).await {
                            tracing::debug!(%error, %peer, "a connection of ssh ended badly");
                        }
                        coming.shared.metrics.ssh.dec();
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        drop(self.socket);
        connections.close();
        if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
            tracing::info!(open = connections.len(), "stopping with connections of ssh that did not end");
        }
        Ok(())
    }
}

/// By what all copies of this proxy are known, as the server says.
async fn host_key(shared: &Shared) -> KeyPair {
    let mut pause = FIRST_PAUSE;
    loop {
        match shared.server.ssh_host_key().await {
            Ok(given) => {
                if let Some(key) = read(given.seed.expose()) {
                    return key;
                }
                tracing::warn!("the server gives no key for ssh that can be read");
            }
            Err(error) => without_answer(&error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

fn read(seed: &str) -> Option<KeyPair> {
    let seed = Zeroizing::new(STANDARD.decode(seed).ok()?);
    KeyPair::of_seed(seed.as_slice().try_into().ok()?).ok()
}
