//! The variables that go with a plan, opened here and sent once.

use berth_db::{OrganizationConn, SealedVariables};
use berth_planner::{Plan, Workspace, WorkspaceUpdate};
use berth_schema::api::StateReason;
use berth_schema::reconcile::{Action, Received};
use berth_schema::variables::{VariableBundle, VariableKind};
use berth_schema::{ActualState, Generation, WorkspaceId};
use tracing::error;

use crate::crypto::{CryptoError, DataKey, KeyRing, Label, Owner, SealedValue};
use crate::http::identity::AgentIdentity;
use crate::{Context, Error};

/// A workspace that cannot run, because what it needs does not open.
pub(super) struct Unreadable {
    pub(super) workspace: WorkspaceId,
    generation: Generation,
    cause: CryptoError,
}

/// Opens the variables that directives want. A workspace whose variables do not open is answered for by itself and holds
/// up no other.
pub(super) async fn attach(
    context: &Context,
    agent: &AgentIdentity,
    conn: &OrganizationConn<'_>,
    plan: &mut Plan,
) -> Result<Vec<Unreadable>, Error> {
    let wanted: Vec<WorkspaceId> = plan
        .directives
        .iter()
        .filter(|planned| planned.variables_wanted)
        .map(|planned| planned.directive.workspace_id)
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let sealed = conn.variables().load(agent.agent, &wanted).await?;
    let mut unreadable = Vec::new();
    for directive in plan
        .directives
        .iter_mut()
        .filter(|planned| planned.variables_wanted)
        .map(|planned| &mut planned.directive)
    {
        let owner = Owner { organization: agent.organization, workspace: directive.workspace_id };
        let opened = match sealed.get(&directive.workspace_id) {
            Some(sealed) => open(&context.keys, owner, sealed),
            None => Ok(VariableBundle::default()),
        };
        match opened {
            Ok(bundle) => directive.variables = Some(bundle),
            Err(cause) => {
                error!(workspace = %directive.workspace_id, %cause, "the variables of a workspace do not open");
                let (workspace, generation) = (directive.workspace_id, directive.generation);
                unreadable.push(Unreadable { workspace, generation, cause });
            }
        }
    }
    Ok(unreadable)
}

fn open(keys: &KeyRing, owner: Owner, sealed: &SealedVariables) -> Result<VariableBundle, CryptoError> {
    let opened = sealed.keys.iter().map(|wrapped| DataKey::unwrap(keys, owner, wrapped));
    let data_keys = opened.collect::<Result<Vec<_>, _>>()?;
    let mut bundle = VariableBundle::default();
    for variable in &sealed.variables {
        let key =
            data_keys.iter().find(|key| key.id() == variable.data_key_id).ok_or(CryptoError::DataKey)?;
        let label = Label { name: &variable.name, kind: variable.kind, version: variable.version };
        let sealed = SealedValue { nonce: variable.nonce, ciphertext: variable.ciphertext.clone() };
        let value = key.open(label, &sealed)?;
        let values = match variable.kind {
            VariableKind::Environment => &mut bundle.environment,
            VariableKind::File => &mut bundle.files,
        };
        values.insert(variable.name.clone(), value);
    }
    Ok(bundle)
}

impl Unreadable {
    /// As if the agent held the directive already.
    pub(super) const fn as_received(&self) -> Received {
        Received { workspace_id: self.workspace, generation: self.generation }
    }

    /// Makes the plan say so: nothing is applied, and the workspace is in error with this reason.
    pub(super) fn record(&self, row: Option<&Workspace>, plan: &mut Plan) {
        let reason = StateReason {
            reason: "VariablesUnreadable".to_owned(),
            message: format!("its variables cannot be decrypted, so it cannot run: {}", self.cause),
        };
        for planned in &mut plan.directives {
            if planned.directive.workspace_id == self.workspace {
                planned.directive.action = Action::None;
                planned.directive.config_to_apply = None;
                planned.directive.actual_state = ActualState::Error;
            }
        }
        let planned = plan.updates.iter_mut().find(|update| update.workspace_id == self.workspace);
        if let Some(update) = planned {
            update.actual_state = ActualState::Error;
            update.reason = Some(reason);
        } else if let Some(row) = row {
            plan.updates.push(WorkspaceUpdate {
                workspace_id: row.id,
                seen_generation: row.generation,
                actual_state: ActualState::Error,
                reason: Some(reason),
                applied_generation: row.applied_generation,
                deployment_resource_version: row.deployment_resource_version.clone(),
                intent: None,
            });
        }
    }
}
