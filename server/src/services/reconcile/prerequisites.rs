//! What an agent's cluster has, and what the server wants to be in it beside workspaces.

use berth_db::{Epoch, Hold, Leader};
use berth_planner::{AgentConfig, ProxyConfig};
use berth_schema::FieldError;
use berth_schema::prerequisites::Prerequisites;
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};

use crate::identity::AgentIdentity;
use crate::services::agent_tokens;
use crate::{Error, Op};

/// Stores what the agent says and answers with the proxy's objects.
pub(super) async fn answer(
    op: &Op<AgentIdentity>,
    request: &ReconcileRequest,
) -> Result<ReconcileResponse, Error> {
    // 1. Bounds (pure).
    let said = check(request)?;
    // 2. Who leads, and what it has (one transaction).
    let (written, network_check) = op
        .round("prerequisites", async |conn| {
            let leader = Leader { epoch: request.epoch, term: request.term };
            match conn.agents().shown(op.who.secret_hash).raise_epoch(op.who.agent, leader).await? {
                Epoch::Stale { current } => Err(Error::StaleEpoch { given: request.epoch, current }),
                Epoch::Current(standing) => {
                    let mut events = Vec::new();
                    if let Some(deposed) = &standing.deposed {
                        let taken =
                            agent_tokens::note_leader(conn, op.who.agent, deposed, leader, op.now).await?;
                        events.push(taken);
                    }
                    conn.agent_prerequisites().store(op.who.agent, said, op.now).await?;
                    if let Some(report) = &request.network_check {
                        conn.network_checks().finish(op.who.agent, report, op.now).await?;
                    }
                    let network_check = conn.network_checks().wanted(op.who.agent).await?;
                    let written = conn.agents().configuration(op.who.agent, Hold::Nothing).await?.document();
                    Ok(((written, network_check), events))
                }
            }
        })
        .await?;
    // 3. What shall be there (pure).
    // What is there stays as it is where the configuration cannot be read.
    let defaults = op.context.agent_defaults.as_ref();
    let manifests = written.ok().map(|written| {
        let runs = ProxyConfig::new(&written, defaults, op.context.public_url.as_deref());
        berth_planner::objects::proxy(op.who.agent, &AgentConfig::new(&written, defaults), runs.as_ref())
    });
    Ok(ReconcileResponse {
        manifests,
        network_check,
        settings: op.context.protocol.settings,
        ..ReconcileResponse::default()
    })
}

/// What no agent of ours sends.
fn check(request: &ReconcileRequest) -> Result<&Prerequisites, Error> {
    let wrong = |message: &str| Error::Invalid(vec![FieldError::new("prerequisites", message)]);
    let said = request.prerequisites.as_ref().ok_or_else(|| wrong("is missing"))?;
    if *said != said.clone().bounded() {
        return Err(wrong("has more entries, or longer ones, than a message of this type may hold"));
    }
    Ok(said)
}
