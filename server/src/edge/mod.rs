//! What stands in front of the framework: every connection passes here before anything of it is a request.
//!
//! - [`Guarded`](stream): heads are checked, bodies delimited and both timed, one request at a time.
//! - [`Connections`]: how many there may be, and who makes room.
//! - [`Gate`]: how fast those are served who have proven nothing, and those who have.
//!
//! The reasons are in `docs/decisions/0033-strangers.md`.

mod answered;
mod connection;
mod connections;
mod descriptors;
mod gate;
mod known;
mod listen;
mod socket;
mod source;
mod stream;

use std::sync::Arc;

use ipnet::IpNet;

pub(crate) use answered::{around as answered, is_encrypted, refused};
pub use connection::Connection;
pub use connections::{Connections, Room};
pub use descriptors::raise as raise_descriptors;
pub(crate) use gate::admit;
pub use gate::{Admission, Gate};
pub use known::Whom;
pub(crate) use listen::{bind, listen};
pub use stream::Times;

use crate::config::HttpOptions;

/// The largest head, in bytes.
pub const MAX_HEAD: usize = 32 * 1024;

/// The edge of one set of listeners. The clones are one.
#[derive(Clone, Debug)]
pub struct Edge {
    pub(crate) gate: Gate,
    pub(crate) connections: Connections,
    times: Times,
    trusted: Arc<[IpNet]>,
}

impl Edge {
    /// For a database with so many connections.
    pub fn new(options: &HttpOptions, database: usize) -> Self {
        let connections = Connections::new(options.edge.room());
        Self {
            gate: Gate::new(&options.edge, connections.clone(), database),
            connections,
            times: options.times(),
            trusted: options.edge.trusted_proxies.clone().into(),
        }
    }
}
