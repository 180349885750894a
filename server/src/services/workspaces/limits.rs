//! What an agent's configuration allows: how large one workspace may be, and how much there may be of all.

use berth_db::{Hold, OrganizationConn, Owner};
use berth_devfile::Options;
use berth_planner::quota::{self, Change, Usage};
use berth_schema::configuration::Quotas;
use berth_schema::{AgentConfiguration, AgentId, FieldError};

use super::form::NewSpec;
use crate::Error;

/// An agent's configuration, held as its quotas need it, over the server's options.
pub(super) async fn configuration(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    defaults: &AgentConfiguration,
) -> Result<AgentConfiguration, Error> {
    let limited = |written: &AgentConfiguration| written.quotas != Quotas::default();
    let seen = conn.agents().configuration(agent, Hold::Nothing).await?.document()?;
    // One at a time where it is counted; without quotas creations go side by side.
    let hold = if limited(&seen) { Hold::Exclusive } else { Hold::Shared };
    let written = conn.agents().configuration(agent, hold).await?.document()?;
    if limited(&written) && hold == Hold::Shared {
        return Err(Error::Unavailable("the agent's quotas were set at the same moment".into()));
    }
    Ok(written.over(defaults))
}

/// What is too large in a devfile, told at the field of the component that asks for it.
pub(super) fn size(new: &NewSpec, configuration: &AgentConfiguration) -> Vec<FieldError> {
    let (max_cpu, max_memory) = configuration.max_resources.amounts();
    if max_cpu.is_none() && max_memory.is_none() {
        return Vec::new();
    }
    let (default_cpu, default_memory) = configuration.default_limits();
    let bound = |amount: Option<u128>| amount.map(|amount| u64::try_from(amount).unwrap_or(u64::MAX));
    let options = Options {
        max_cpu_millis: bound(max_cpu),
        max_memory_bytes: bound(max_memory),
        default_cpu_millis: bound(default_cpu),
        default_memory_bytes: bound(default_memory),
    };
    // A lone image gets the defaults, which were held against the maximum when that was set.
    new.beyond(&options)
}

/// Refuses a change that a quota has no room for. The agent's row is held by [`configuration`], so that nobody else counts
/// at the same time.
pub(super) async fn quotas(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    owner: Owner,
    configuration: &AgentConfiguration,
    change: Change,
) -> Result<(), Error> {
    if configuration.quotas == Quotas::default() {
        return Ok(());
    }
    let defaults = &configuration.default_resources;
    let others = conn.workspaces().usage(agent, owner).await?;
    let used = |usage: &berth_db::Usage| Usage {
        workspaces: usage.workspaces.into(),
        running: usage.running.into(),
        ..Usage::amounts(&usage.demand, defaults)
    };
    let (own, foreign) = (used(&others.own), used(&others.foreign));
    let errors = quota::check(&configuration.quotas, own.and(foreign), own, change);
    if errors.is_empty() { Ok(()) } else { Err(Error::QuotaExceeded(errors)) }
}
