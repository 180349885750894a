//! What every part of the proxy uses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use berth_proxy_core::{Decisions, Directory, NONCE_BYTES, Sealer, Zones};
use berth_schema::ProxyCopyId;
use jiff::Timestamp;
use kube::Client;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Notify, Semaphore};

use crate::identity::Identity;
use crate::logs::{Cluster, Readers};
use crate::metrics::Metrics;
use crate::server::Server;
use crate::streams::Streams;
use crate::upstream::Connections;

/// So many questions about people who have not signed in are under way at once: whoever has, does not wait for them.
const STRANGERS: usize = 4;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    /// What this copy calls itself, until it ends.
    pub(crate) copy: ProxyCopyId,
    pub(crate) zones: Zones,
    /// Where browsers find the server: an origin.
    pub(crate) public_origin: String,
    pub(crate) server: Server,
    pub(crate) sealer: Sealer,
    pub(crate) streams: Streams,
    /// To workspaces.
    pub(crate) connections: Connections,
    /// To the API server.
    pub(crate) cluster: Cluster,
    /// Of what workspaces write.
    pub(crate) readers: Readers,
    pub(crate) metrics: Metrics,
    directory: Mutex<Directory>,
    decisions: Mutex<Decisions>,
    random: SystemRandom,
    /// Questions about somebody who has not signed in.
    pub(crate) strangers: Semaphore,
    /// Told when something that is open is to be asked about at once.
    pub(crate) doubt: Notify,
    /// Whether each kind of object has been listed once.
    pub(crate) services_listed: AtomicBool,
    pub(crate) slices_listed: AtomicBool,
    /// Whether the program was told to stop.
    pub(crate) stopping: AtomicBool,
}

/// The system has no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random numbers")]
pub(crate) struct NoRandom;

impl Shared {
    pub(crate) fn new(
        (identity, zones): (Identity, Zones),
        public_origin: String,
        (server, cluster): (Server, Client),
        sealer: Sealer,
    ) -> Self {
        Self {
            directory: Mutex::new(Directory::new(identity.agent, zones.clone())),
            identity,
            copy: ProxyCopyId::random(),
            zones,
            public_origin,
            server,
            sealer,
            streams: Streams::default(),
            connections: Connections::default(),
            cluster: cluster.into(),
            readers: Readers::default(),
            metrics: Metrics::default(),
            decisions: Mutex::default(),
            random: SystemRandom::new(),
            strangers: Semaphore::new(STRANGERS),
            doubt: Notify::new(),
            services_listed: AtomicBool::new(false),
            slices_listed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        }
    }

    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn decisions(&self) -> MutexGuard<'_, Decisions> {
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of one request: everything in it is decided by that.
    pub(crate) fn now() -> Timestamp {
        Timestamp::now()
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], NoRandom> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|_| NoRandom)?;
        Ok(bytes)
    }

    pub(crate) fn nonce(&self) -> Result<[u8; NONCE_BYTES], NoRandom> {
        self.random()
    }

    /// Why browsers should not be sent here yet.
    pub(crate) fn unready(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            return Some("it was told to stop");
        }
        let listed = |listed: &AtomicBool| listed.load(Ordering::Acquire);
        let all = listed(&self.services_listed) && listed(&self.slices_listed);
        (!all).then_some("the cluster's workspaces are not listed yet")
    }
}
