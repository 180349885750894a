//! Whether a request is served now, later or not at all, before anything is known of whoever sends it.
//!
//! A token that was proven lately passes. Everything else is charged to its address, and what proves itself is given its
//! charge back: honest clients behind the address of an attacker keep their speed. The wait for the proof, too, is fair among
//! addresses, and takes few of the database's connections.

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
    /// When each token was proven last. It saves no proof, only the wait for one.
    proven: Arc<Mutex<HashMap<Digest, Instant>>>,
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
            proven: Arc::default(),
            strangers: Turns::new((database / 8).max(1)),
            trusted: options.trusted_proxies.clone().into(),
            connections,
        }
    }

    fn was_proven(&self, digest: &Digest, now: Instant) -> bool {
        lock(&self.proven).get(digest).is_some_and(|then| now.duration_since(*then) < MEMORY)
    }

    fn remember(&self, digest: Digest, now: Instant) {
        let mut proven = lock(&self.proven);
        if proven.len() >= MAX_REMEMBERED && !proven.contains_key(&digest) {
            proven.retain(|_, then| now.duration_since(*then) < MEMORY);
            if proven.len() >= MAX_REMEMBERED {
                return;
            }
        }
        proven.insert(digest, now);
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

    /// It was proven who it is.
    pub fn proven(&self) {
        if !self.was_proven {
            lock(&self.gate.accounts).refund(self.address);
        }
        if let Some(digest) = self.digest {
            self.gate.remember(digest, Instant::now());
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
    let was_proven = digest.is_some_and(|digest| gate.was_proven(&digest, Instant::now()));
    if !was_proven {
        match gate.ask(address) {
            Ok(wait) if is_probe(request.path()) => tokio::time::sleep(wait.min(PROBE_PAUSE)).await,
            Err(_) if is_probe(request.path()) => tokio::time::sleep(PROBE_PAUSE).await,
            Ok(wait) if wait.is_zero() => {}
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(wait) => {
                tokio::time::sleep(PAUSE).await;
                let seconds = wait.as_secs() + 1;
                return Ok(request.error_response(Error::TooManyRequests { seconds }));
            }
        }
    }
    if let Some(refusal) = refusal(&request) {
        return Ok(request.error_response(refusal));
    }
    let is_readable = !is_encrypted(request.request()) && !source::is_near(&gate.trusted, peer.ip());
    // What probes are told is nobody's secret, and an orchestrator's come from its node.
    if is_readable && !is_probe(request.path()) {
        return Ok(request.error_response(Error::InTheClear));
    }
    let admission = Admission { gate: gate.clone(), source, address, digest, was_proven, connection };
    request.extensions_mut().insert(admission);
    next.call(request).await
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
