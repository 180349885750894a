//! An agent's configuration: looked at, tried, set.

use berth_db::{Changed, ChangedBy, ConfigurationRow, Hold, OrganizationConn, Standing};
use berth_planner::{AgentConfig, ProxyConfig, config};
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::configuration::{ConfigurationView, everywhere};
use berth_schema::{AgentConfiguration, AgentId};
use serde_json::Value;
use tracing::info;
use uuid::Uuid;

use super::{admission, agents};
use crate::identity::Member;
use crate::{Error, Op};

/// How a new configuration is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Only if the configuration is still of this version.
    pub seen: Option<i64>,
    /// Check it and say what it would do, and leave everything as it is.
    pub dry_run: bool,
}

pub async fn get(op: &Op<Member>, agent: &str) -> Result<ConfigurationView, Error> {
    let row = op
        .read("get_configuration", async |conn| {
            let agent = agents::find(conn, agent).await?.row;
            conn.agents().configuration(agent.id, Hold::Nothing).await.map_err(Error::from)
        })
        .await?;
    show(op, row, None)
}

/// Replaces the configuration whole. Where it changes what is in the cluster, every living workspace of the agent gets a
/// new generation in the same transaction, and the agent is woken.
pub async fn set(
    op: &Op<Member>,
    agent: &str,
    document: &Value,
    change: Change,
) -> Result<ConfigurationView, Error> {
    let defaults = op.context.agent_defaults.as_ref();
    let wanted =
        AgentConfiguration::read_under(document, defaults, &op.context.guardrails).map_err(Error::Invalid)?;
    let (row, effect) =
        op.change("set_configuration", async |conn| store(conn, op, (agent, &wanted), change).await).await?;
    show(op, row, Some(effect))
}

/// What a configuration does to workspaces, and what of it means nothing.
struct Effect {
    rendered: i64,
    not_taken: i64,
    unknown_groups: Vec<String>,
}

async fn store(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    (agent, wanted): (&str, &AgentConfiguration),
    change: Change,
) -> Result<Changed<(ConfigurationRow, Effect)>, Error> {
    let defaults = op.context.agent_defaults.as_ref();
    let (by, now) = (ChangedBy::User(op.who.author()), op.now);
    let agent = agents::find(conn, agent).await?.row;
    let before = conn.agents().configuration(agent.id, Hold::Exclusive).await?;
    if change.seen.is_some_and(|seen| seen != before.version) {
        return Err(Error::ConfigurationMismatch { current: before.version });
    }
    // What cannot be read is replaced like nothing: whatever it said, everything is rendered anew.
    let unreadable = before.configuration.is_err();
    let document = before.clone().document().unwrap_or_default();
    // What exists keeps its UID: its files belong to it.
    let user = config::user(&document.over(defaults));
    let unsettled =
        user != config::user(&wanted.over(defaults)) && conn.agents().count_without_user(agent.id).await? > 0;
    let not_taken = admission::left_out(conn, agent.id, wanted.allowed_groups.clone()).await?;
    let unknown_groups = admission::named(conn, op, wanted.allowed_groups.clone()).await?.unknown;
    let renders = unsettled || unreadable || config::renders_differently(&document, wanted, defaults);
    if change.dry_run {
        let rendered = if renders { conn.agents().count_rendered(agent.id).await? } else { 0 };
        let tried = ConfigurationRow { configuration: Ok(Some(wanted.clone())), ..before };
        return Ok(Changed::Not((tried, Effect { rendered, not_taken, unknown_groups })));
    }
    if before.configuration.as_ref() == Ok(&Some(wanted.clone())) {
        return Ok(Changed::Not((before, Effect { rendered: 0, not_taken, unknown_groups })));
    }
    if unsettled {
        conn.agents().settle_user(agent.id, user).await?;
    }
    let stored = conn.agents().set_configuration(agent.id, wanted, now).await?;
    if unreadable || wanted.lifecycle_rules() != document.lifecycle_rules() {
        conn.workspaces().look_again_at_all_of(agent.id, now).await?;
    }
    let raised = if renders { conn.agents().raise_generations(agent.id, by, now).await? } else { 0 };
    let installs = unreadable || installs_differently(&document, wanted, defaults);
    if installs {
        // With its full report the agent is told what is to be in the proxy's namespace.
        let standing = conn.agents().standing(agent.id).await?;
        conn.agents().set_standing(agent.id, &Standing { full_wanted: true, ..standing }).await?;
    }
    if raised > 0 || installs {
        conn.notifications().notify_agent(agent.id).await?;
    }
    info!(agent = %agent.id, version = stored.version, raised, "configuration set");
    let details = Details::Configured {
        before: before.version,
        version: stored.version,
        raised: u64::try_from(raised).unwrap_or(u64::MAX),
    };
    let event = Event::new(Resource::agent(agent.id), details);
    let rendered = i64::try_from(raised).unwrap_or(i64::MAX);
    Ok(Changed::So((stored, Effect { rendered, not_taken, unknown_groups }), event))
}

/// Whether another proxy is to be installed under the one than under the other, whoever asks for it.
fn installs_differently(
    one: &AgentConfiguration,
    other: &AgentConfiguration,
    defaults: &AgentConfiguration,
) -> bool {
    let objects = |written: &AgentConfiguration| {
        let runs = ProxyConfig::new(written, defaults, None);
        let config = AgentConfig::new(written, defaults);
        berth_planner::objects::proxy(AgentId::from(Uuid::nil()), &config, runs.as_ref())
    };
    objects(one) != objects(other)
}

fn show(op: &Op<Member>, row: ConfigurationRow, effect: Option<Effect>) -> Result<ConfigurationView, Error> {
    let (version, changed_at) = (row.version, row.changed_at);
    let configuration = row.document()?;
    let mut effective = configuration.over(&op.context.agent_defaults);
    let egress = &mut effective.network_policy.egress;
    if effective.network_policy.enabled != Some(false) {
        egress.get_or_insert_with(config::the_internet);
    }
    effective.proxy.egress.get_or_insert_with(everywhere);
    effective.lifecycle = effective.lifecycle_rules().into();
    let (rendered_again, not_taken) =
        effect.as_ref().map(|effect| (effect.rendered, effect.not_taken)).unzip();
    let unknown_groups = effect.map(|effect| effect.unknown_groups).unwrap_or_default();
    Ok(ConfigurationView {
        version,
        changed_at,
        rendered_again,
        not_taken,
        unknown_groups,
        configuration,
        effective,
    })
}
