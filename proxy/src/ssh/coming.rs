//! One connection of plain `ssh`: who comes, whether they may, and the way on to the workspace's sshd.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use berth_proxy_core::{Carried, Place, Visit};
use berth_schema::WorkspaceName;
use berth_schema::connected::ConnectionKind;
use berth_schema::connection::{OpenBySsh, SshEntry};
use berth_schema::kubernetes::SSH_PORT;
use berth_schema::ssh::PublicKey;
use berth_schema::ssh::user_key::fingerprint;
use berth_ssh::{Fault, Guests, KeyPair, Shown, Transport, Visitor};
use ring::digest;
use ring::rand::SystemRandom;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use zeroize::Zeroizing;

use super::relay::{End, carry};
use super::room::Waiting;
use super::socket::{Ended, flush, prepare, read};
use crate::authorise::{Begun, TRIES, without_answer};
use crate::server::Target;
use crate::shared::Shared;
use crate::streams::Stream;

/// How long somebody may take to be let in.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long they wait for a no, whatever it is because of: by its time nobody learns what there is.
const REFUSAL: Duration = Duration::from_secs(1);
/// How long the workspace's sshd may take.
const CONNECT: Duration = Duration::from_secs(10);
/// RFC 4253, 11.1: the application's own word.
const BY_APPLICATION: u32 = 11;
const TOO_MANY_ATTEMPTS: u32 = 14;

pub(super) struct Coming {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: IpAddr,
    /// Turns to ask the server about keys.
    pub(super) questions: Arc<Semaphore>,
}

/// Somebody who may, and what gets us there.
struct Entry {
    stream: Stream,
    given: SshEntry,
    key: KeyPair,
    places: Vec<SocketAddr>,
}

impl Coming {
    pub(super) async fn serve(&self, stream: TcpStream, key: KeyPair, waiting: Waiting) -> Result<(), Ended> {
        prepare(&stream)?;
        let (mut reader, mut writer) = stream.into_split();
        let mut guests = Guests::new(Transport::server(key, Arc::new(SystemRandom::new()))?);
        let let_in = timeout(PATIENCE, self.let_in(&mut guests, (&mut reader, &mut writer)));
        let let_in = waiting.gone().run_until_cancelled(let_in).await;
        let metrics = &self.shared.metrics;
        let entry = match let_in {
            Some(Ok(Ok(entry))) => entry,
            Some(Ok(Err(Ended::Fault(Fault::TooManyAttempts)))) => {
                metrics.refused_ssh("keys");
                let text = "Too many keys were shown that open nothing here: `IdentitiesOnly yes` with an IdentityFile shows the one.";
                return goodbye(guests.transport(), &mut writer, (TOO_MANY_ATTEMPTS, text)).await;
            }
            Some(Ok(Err(ended))) => {
                metrics.refused_ssh("protocol");
                return Err(ended);
            }
            Some(Err(_)) => {
                metrics.refused_ssh("slow");
                return Err(Ended::TooSlow);
            }
            None => {
                metrics.refused_ssh("crowded");
                return Err(Ended::Crowded);
            }
        };
        let inside = match timeout(CONNECT, inside(&entry)).await {
            Ok(Ok(inside)) => inside,
            other => {
                let cause = other.map(|inside| inside.err().map(|error| error.to_string()));
                tracing::debug!(workspace = %entry.given.workspace, ?cause, "no sshd lets anybody in");
                let text = if entry.places.is_empty() {
                    "The workspace does not run, or is not ready yet: berth start, berth why."
                } else {
                    "No sshd answers in the workspace, or it does not know this server: berth restart."
                };
                return goodbye(guests.transport(), &mut writer, (BY_APPLICATION, text)).await;
            }
        };
        let mut person = End { reader, writer, transport: guests.admit()? };
        // Whoever is in takes none of the room of those who are not.
        drop(waiting);
        let (transport, from_sshd, to_sshd) = inside;
        let meter = entry.stream.connection(Carried::Tunnel);
        let (reader, writer) = (meter.reads(from_sshd), meter.writes(to_sshd));
        let mut workspace = End { reader, writer, transport };
        let cut = entry.stream.cut().clone();
        match cut.run_until_cancelled(carry(&mut person, &mut workspace)).await {
            Some(Ended::Fault(Fault::Ended)) => Ok(()),
            Some(ended) => Err(ended),
            None => {
                let text = "This connection was ended: the key, the session or the right that it was begun by is gone.";
                goodbye(&mut person.transport, &mut person.writer, (BY_APPLICATION, text)).await
            }
        }
    }

    /// Until somebody has shown a key that lets them in.
    async fn let_in(
        &self,
        guests: &mut Guests,
        (reader, writer): (&mut OwnedReadHalf, &mut OwnedWriteHalf),
    ) -> Result<Entry, Ended> {
        loop {
            flush(writer, guests.transport()).await?;
            match guests.receive()? {
                Some(shown) => {
                    let told = Instant::now() + REFUSAL;
                    if let Some(entry) = self.decide(&shown).await {
                        return Ok(entry);
                    }
                    self.shared.metrics.refused_ssh("key");
                    tracing::info!(peer = %self.peer, "a key of ssh opens nothing");
                    sleep_until(told).await;
                    guests.refuse()?;
                }
                // What was answered goes out before anything is waited for.
                None if !guests.transport().output().is_empty() => {}
                None => read(reader, guests.transport().input()).await?,
            }
        }
    }

    /// Whether that key lets them into the workspace whose name they have come by. Each time the server is asked, whether or not there is
    /// one: who has no key of its owner's learns nothing.
    async fn decide(&self, shown: &Shown) -> Option<Entry> {
        let shared = &self.shared;
        let name = WorkspaceName::new(&shown.user).ok()?;
        let mut seed = Zeroizing::new([0; 32]);
        *seed = shared.random().ok()?;
        let key = KeyPair::of_seed(&seed).ok()?;
        let asked = OpenBySsh {
            name: name.clone(),
            fingerprint: fingerprint(digest::digest(&digest::SHA256, shown.key.blob()).as_ref()),
            ssh_public_key: key.public().to_string(),
        };
        for _ in 0..TRIES {
            let turn = self.questions.acquire().await.ok()?;
            let answer = shared.server.open_by_ssh(&asked).await;
            drop(turn);
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    without_answer(&error);
                    shared.metrics.decided("none");
                    return None;
                }
            };
            let workspace = answer.entry.as_ref().map(|entry| entry.workspace);
            let port = workspace.map(|workspace| Target { workspace, name: name.clone(), port: SSH_PORT });
            let (question, grant) = match shared.begins(answer.opened, port.as_ref()) {
                Begun::So(question, grant) => (question, grant),
                Begun::Not => return None,
                Begun::Overtaken => continue,
            };
            let (given, port) = (answer.entry?, port?);
            let visit = Visit { kind: ConnectionKind::Ssh, address: self.peer };
            let stream = shared.open(question, &grant, &port, visit);
            let places = self.places(&port);
            return Some(Entry { stream, given, key, places });
        }
        None
    }

    /// Where the workspace's sshd answers.
    fn places(&self, port: &Target) -> Vec<SocketAddr> {
        let directory = self.shared.directory();
        let found =
            self.shared.zones.addresses(&port.name).find_map(|address| match directory.find_ssh(&address) {
                Place::Workspace(workspace, places) if workspace == port.workspace => Some(places),
                _ => None,
            });
        found.unwrap_or_default()
    }
}

/// The way on: as whom the server says, to the sshd that is known by the key that it says.
async fn inside(entry: &Entry) -> Result<(Transport, OwnedReadHalf, OwnedWriteHalf), Ended> {
    let place = entry.places.first().ok_or(Fault::NotLetIn)?;
    let sshd = TcpStream::connect(place).await?;
    prepare(&sshd)?;
    let (mut reader, mut writer) = sshd.into_split();
    let given = &entry.given.ssh;
    let host: PublicKey = given.host_key.parse().map_err(|_| Fault::Malformed)?;
    let transport = Transport::client(host, Arc::new(SystemRandom::new()))?;
    let mut visitor = Visitor::new(transport, &given.user, (entry.key.clone(), &given.certificate))?;
    loop {
        flush(&mut writer, visitor.transport()).await?;
        if visitor.receive()? {
            return Ok((visitor.into_transport(), reader, writer));
        }
        if visitor.transport().output().is_empty() {
            read(&mut reader, visitor.transport().input()).await?;
        }
    }
}

/// The last words to somebody, as their `ssh` shows them.
async fn goodbye(
    transport: &mut Transport,
    writer: &mut OwnedWriteHalf,
    (reason, text): (u32, &str),
) -> Result<(), Ended> {
    transport.disconnect(reason, text)?;
    timeout(CONNECT, flush(writer, transport)).await.map_err(|_| Ended::TooSlow)?
}
