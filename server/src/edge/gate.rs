//! Whether a request is served now, later or not at all, before anything is known of whoever sends it.
//!
//! A token that was proven lately is charged to whom it is of, before the database hears of it. Everything else is charged to its
//! address, and what proves itself is given its charge back: honest clients behind the address of an attacker keep their speed. The
//! wait for the proof, too, is fair among addresses, and takes few of the database's connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, web};
use berth_framing::{REFUSED, Refusal};
use ipnet::IpNet;

use super::answered::is_encrypted;
use super::connection::Connection;
use super::connections::Connections;
use super::known::{Known, Whom};
use super::{Edge, MAX_HEAD, source};
use crate::Error;
use crate::config::EdgeOptions;
use crate::http::cookies;
use crate::pace::{Accounts, Verdict};
use crate::routes::is_probe;
use crate::services::tokens;
use crate::turns::{Turn, Turns};

/// How long a request waits for its turn before it is refused, and for how long a refusal is held back: on one connection there
/// is no faster way to be refused again.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(1);
/// A probe is slowed by no more than this, and never refused: an orchestrator would restart the server.
const PROBE_PAUSE: Duration = Duration::from_millis(250);
/// For so long a token passes after its last proof, and so many do.
const MEMORY: Duration = Duration::from_secs(600);
const MAX_REMEMBERED: usize = 65_536;

/// The SHA-256 of a token.
type Digest = [u8; 32];

/// Shared by all workers; the clones are one.
#[derive(Clone, Debug)]
pub struct Gate {
    accounts: Arc<Mutex<Accounts<IpAddr>>>,
    known: Arc<Mutex<Known>>,
    /// When each token was proven last, and as whose. It saves no proof, only the wait for one.
    proven: Arc<Mutex<HashMap<Digest, (Instant, Whom)>>>,
    strangers: Turns<IpAddr>,
    trusted: Arc<[IpNet]>,
    connections: Connections,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    /// For a database with so many connections.
    pub(super) fn new(options: &EdgeOptions, connections: Connections, database: usize) -> Self {
        let accounts = Accounts::new(options.strangers(), PATIENCE, Instant::now());
        Self {
            accounts: Arc::new(Mutex::new(accounts)),
            known: Arc::new(Mutex::new(Known::new(options.known(), PATIENCE, Instant::now()))),
            proven: Arc::default(),
            strangers: Turns::new((database / 8).max(1)),
            trusted: options.trusted_proxies.clone().into(),
            connections,
        }
    }

    fn proven_as(&self, digest: &Digest, now: Instant) -> Option<Whom> {
        let proven = lock(&self.proven);
        proven.get(digest).filter(|(then, _)| now.duration_since(*then) < MEMORY).map(|(_, whom)| *whom)
    }

    fn remember(&self, digest: Digest, whom: Whom, now: Instant) {
        let mut proven = lock(&self.proven);
        if proven.len() >= MAX_REMEMBERED && !proven.contains_key(&digest) {
            proven.retain(|_, (then, _)| now.duration_since(*then) < MEMORY);
            if proven.len() >= MAX_REMEMBERED {
                return;
            }
        }
        proven.insert(digest, (now, whom));
    }

    /// Charges a request of somebody who has proven nothing; `Err`: when it may be tried again.
    fn ask(&self, address: IpAddr) -> Result<Duration, Duration> {
        match lock(&self.accounts).ask(address, 1, Instant::now()) {
            Verdict::After(wait) => Ok(wait),
            Verdict::TooLong(wait) => Err(wait),
        }
    }
}

/// What the gate knows of a request.
#[derive(Clone, Debug)]
pub struct Admission {
    gate: Gate,
    source: IpAddr,
    address: IpAddr,
    digest: Option<Digest>,
    was_proven: bool,
    connection: Option<Arc<Connection>>,
}

impl Admission {
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Where the request comes from: the peer, or whom trusted proxies name.
    pub fn source(&self) -> IpAddr {
        self.source.to_canonical()
    }

    /// The same as it is counted.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Waits until it may be looked who it is. Fair among addresses, and nothing for who was proven lately.
    pub async fn turn(&self) -> Result<Option<Turn<IpAddr>>, Error> {
        if self.was_proven { Ok(None) } else { self.gate.strangers.take(self.address).await.map(Some) }
    }

    /// It was proven whose the token is.
    pub fn proven(&self, whom: Whom) {
        self.passed();
        let now = Instant::now();
        if !self.was_proven {
            // A token of which nothing was known costs the same: others could be made without an end.
            lock(&self.gate.known).charge(whom, now);
        }
        if let Some(digest) = self.digest {
            self.gate.remember(digest, whom, now);
        }
    }

    /// It has proven something that opens once: a link, a code, the word of a provider.
    pub fn passed(&self) {
        if !self.was_proven {
            lock(&self.gate.accounts).refund(self.address);
        }
        if let Some(connection) = &self.connection {
            self.gate.connections.prove(connection);
        }
    }

    /// The token proves nothing, or nothing any more.
    pub fn refused(&self) {
        if self.was_proven {
            lock(&self.gate.accounts).charge(self.address, Instant::now());
            if let Some(digest) = &self.digest {
                lock(&self.gate.proven).remove(digest);
            }
        }
    }
}

/// The middleware: lets a request in, at once or in its turn.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    let (Some(edge), Some(peer)) = (request.app_data::<web::Data<Edge>>().cloned(), request.peer_addr())
    else {
        return Ok(request.error_response(Error::internal("the server has no edge")));
    };
    let gate = &edge.gate;
    let source = source::of(peer.ip(), request.headers(), &gate.trusted);
    let address = source::counted(source);
    let digest = digest(&request);
    let whom = digest.and_then(|digest| gate.proven_as(&digest, Instant::now()));
    if let Err(error) = wait(gate, (whom, address), is_probe(request.path())).await {
        return Ok(request.error_response(error));
    }
    if let Some(refusal) = refusal(&request) {
        return Ok(request.error_response(refusal));
    }
    let is_readable = !is_encrypted(request.request()) && !source::is_near(&gate.trusted, peer.ip());
    // What probes are told is nobody's secret, and an orchestrator's come from its node.
    if is_readable && !is_probe(request.path()) {
        return Ok(request.error_response(Error::InTheClear));
    }
    let admission =
        Admission { gate: gate.clone(), source, address, digest, was_proven: whom.is_some(), connection };
    request.extensions_mut().insert(admission);
    next.call(request).await
}

/// Waits until it is the request's time, which is charged to whom it is of, or to its address.
async fn wait(gate: &Gate, (whom, address): (Option<Whom>, IpAddr), is_probe: bool) -> Result<(), Error> {
    let verdict = match whom {
        Some(whom) => lock(&gate.known).ask(whom, Instant::now()),
        None => gate.ask(address).map_err(|wait| Error::TooManyRequests { seconds: wait.as_secs() + 1 }),
    };
    match verdict {
        Ok(wait) if is_probe => tokio::time::sleep(wait.min(PROBE_PAUSE)).await,
        Err(_) if is_probe => tokio::time::sleep(PROBE_PAUSE).await,
        Ok(wait) if wait.is_zero() => {}
        Ok(wait) => tokio::time::sleep(wait).await,
        Err(error) => {
            tokio::time::sleep(PAUSE).await;
            return Err(error);
        }
    }
    Ok(())
}

/// Of a request that stands in for one that was refused: why it was.
pub(super) fn refusal(request: &ServiceRequest) -> Option<Error> {
    if request.method().as_str() != REFUSED {
        return None;
    }
    let refusal = request.conn_data::<Arc<Connection>>().and_then(|connection| connection.refusal());
    Some(match refusal.unwrap_or(Refusal::Malformed("the request cannot be understood")) {
        Refusal::Malformed(why) => Error::MalformedRequest(why.to_owned()),
        Refusal::TooLarge => Error::HeadTooLarge { limit: MAX_HEAD },
        Refusal::Slow => Error::SlowHead,
    })
}

/// The digest of the one token that a request brings, in the header or in the cookie, whatever it is worth.
fn digest(request: &ServiceRequest) -> Option<Digest> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return cookies::session(request.headers()).map(|token| tokens::hash(token.expose()));
    };
    if values.next().is_some() {
        return None;
    }
    let (_, token) = value.to_str().ok()?.split_once(' ')?;
    Some(tokens::hash(token))
}
