//! File descriptors: each connection needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// What is kept for files, the database and listeners.
const RESERVE: u64 = 128;

/// Raises the process' soft limit to its hard one, and tells how many connections that leaves room for.
pub fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            warn!(error = berth_logging::causes(&error), "the limit of open files cannot be raised");
            current
        }
    };
    let room = raised.map_or(u64::MAX, |limit| limit.saturating_sub(RESERVE).max(limit / 2));
    usize::try_from(room).unwrap_or(usize::MAX)
}
