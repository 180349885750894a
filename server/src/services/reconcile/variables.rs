//! The variables that go with a plan: opened here, sealed to the agent's key, sent once.

use std::collections::BTreeMap;

use berth_db::{OrganizationConn, SealedVariables};
use berth_planner::{AGENT_HAS_NO_KEY, CONFIGURATION_UNREADABLE, Plan, Workspace, WorkspaceUpdate};
use berth_schema::api::StateReason;
use berth_schema::audit::Event;
use berth_schema::git::CredentialBundle;
use berth_schema::reconcile::{Action, Received, WorkspaceDirective};
use berth_schema::sealing::{Binding, Encapsulation, PublicKey};
use berth_schema::variables::{VariableBundle, VariableKind};
use berth_schema::{ActualState, AgentId, Generation, WorkspaceId};
use tracing::error;

use super::{credentials, record, ssh};
use crate::crypto::{self, CryptoError, KeyRing, Owner, Sealer};
use crate::identity::AgentIdentity;
use crate::{Error, Op};

/// The variables and Git credentials that directives want, in the clear for as long as it takes to seal them, and to whom they go.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Something was wanted, and there is no key to seal it to.
    pub(super) lacks_key: bool,
    recipient: Option<PublicKey>,
    bundles: BTreeMap<WorkspaceId, VariableBundle>,
    credentials: BTreeMap<WorkspaceId, CredentialBundle>,
}

/// A workspace that cannot run, because what it needs cannot be given to its agent.
pub(super) struct Unreadable {
    pub(super) workspace: WorkspaceId,
    generation: Generation,
    cause: Cause,
}

#[derive(Clone, Debug)]
enum Cause {
    /// They cannot be opened here.
    Locked(CryptoError),
    /// They could be opened by nobody there.
    NoKey,
    /// Nothing can be rendered: this version cannot read its agent's configuration.
    NoConfiguration,
}

/// What waits until its agent's configuration can be read: everything that would be rendered by it.
pub(super) fn unrendered(plan: &Plan) -> Vec<Unreadable> {
    let rendered = plan.directives.iter().map(|planned| &planned.directive);
    let rendered = rendered.filter(|directive| directive.config_to_apply.is_some());
    rendered.map(|directive| unreadable(directive, Cause::NoConfiguration)).collect()
}

const fn unreadable(directive: &WorkspaceDirective, cause: Cause) -> Unreadable {
    Unreadable { workspace: directive.workspace_id, generation: directive.generation, cause }
}

/// Opens the variables that directives want. A workspace whose variables do not open is answered for by itself and holds
/// up no other. An agent without a key gets none.
pub(super) async fn open_wanted(
    op: &Op<AgentIdentity>,
    conn: &OrganizationConn<'_>,
    (plan, has_sshd): (&Plan, bool),
) -> Result<(Wanted, Vec<Unreadable>), Error> {
    let directives: Vec<&WorkspaceDirective> = plan
        .directives
        .iter()
        .filter(|planned| planned.variables_wanted)
        .map(|planned| &planned.directive)
        .collect();
    let credentials = credentials::issue(op, conn, plan).await?;
    if directives.is_empty() && credentials.is_empty() {
        return Ok((Wanted::default(), Vec::new()));
    }
    let Some(key) = conn.sealing_keys().current(op.who.agent).await? else {
        let all = directives.into_iter().map(|directive| unreadable(directive, Cause::NoKey));
        return Ok((Wanted { lacks_key: true, ..Wanted::default() }, all.collect()));
    };
    let ids: Vec<WorkspaceId> = directives.iter().map(|directive| directive.workspace_id).collect();
    let sealed = conn.variables().load(op.who.agent, &ids).await?;
    let recipient = Some(PublicKey::new(key.public_key));
    let mut wanted = Wanted { recipient, credentials, ..Wanted::default() };
    let mut locked = Vec::new();
    let ssh = if has_sshd && !directives.is_empty() { ssh::root(op, conn).await? } else { None };
    for directive in directives {
        let owner = Owner::of_workspace(op.organization(), directive.workspace_id);
        let opened = match sealed.get(&directive.workspace_id) {
            Some(sealed) => op.context.keys.with_newest(|keys| open(keys, owner, sealed)),
            None => Ok(VariableBundle::default()),
        };
        match opened {
            Ok(mut bundle) => {
                if let Some(root) = &ssh {
                    ssh::add(&mut bundle, root, directive.workspace_id);
                }
                wanted.bundles.insert(directive.workspace_id, bundle);
            }
            Err(cause) => {
                error!(workspace = %directive.workspace_id, %cause, "the variables of a workspace do not open");
                wanted.credentials.remove(&directive.workspace_id);
                locked.push(unreadable(directive, Cause::Locked(cause)));
            }
        }
    }
    Ok((wanted, locked))
}

impl Wanted {
    /// What is on record of the secrets that go with a plan. What does not fit into the message is on record as well: it was
    /// opened.
    pub(super) fn handed_out(&self, agent: AgentId, plan: &Plan) -> Vec<Event> {
        if self.recipient.is_none() {
            return Vec::new();
        }
        let directives = plan.directives.iter().map(|planned| &planned.directive);
        let told: Vec<(WorkspaceId, Generation)> =
            directives.map(|directive| (directive.workspace_id, directive.generation)).collect();
        let mut events = Vec::new();
        for (workspace, generation) in &told {
            let bundle = self.bundles.get(workspace);
            let count = bundle.map_or(0, |bundle| bundle.environment.len() + ssh::foreign(bundle).count());
            if count > 0 {
                events.push(record::variables(agent, *workspace, *generation, count as u64));
            }
        }
        let issued = told.iter().filter_map(|(workspace, _)| {
            let bundle = self.credentials.get(workspace)?;
            (!bundle.files.is_empty()).then_some((*workspace, bundle.version))
        });
        events.extend(record::credentials(agent, issued));
        events
    }

    /// Seals each bundle to its place: one exchange of keys for all of them, in the order of the directives.
    pub(super) fn seal(
        mut self,
        agent: &AgentIdentity,
        epoch: i64,
        directives: &mut [WorkspaceDirective],
    ) -> Result<Option<Encapsulation>, CryptoError> {
        let Some(recipient) = self.recipient else { return Ok(None) };
        let mut sealer = Sealer::new(recipient)?;
        for directive in directives {
            let variables = self.bundles.remove(&directive.workspace_id);
            let credentials = self.credentials.remove(&directive.workspace_id);
            let binding = Binding {
                agent: agent.agent,
                epoch,
                workspace: directive.workspace_id,
                generation: directive.generation,
            };
            if let Some(bundle) = variables {
                directive.variables = Some(sealer.seal(&bundle, &binding.associated_data())?);
            }
            if let Some(bundle) = credentials {
                let associated = binding.associated_data_of_credentials();
                directive.credentials = Some(sealer.seal(&bundle, &associated)?);
            }
        }
        Ok(Some(sealer.encapsulation()))
    }
}

impl Cause {
    fn reason(&self) -> StateReason {
        match self {
            Self::Locked(cause) => StateReason {
                reason: "VariablesUnreadable".into(),
                message: format!("its variables cannot be decrypted, so it cannot run: {cause}").into(),
            },
            Self::NoConfiguration => StateReason {
                reason: CONFIGURATION_UNREADABLE.into(),
                message: "this version of the server cannot read the configuration of its agent, so nothing is applied by it"
                    .into(),
            },
            Self::NoKey => StateReason {
                reason: AGENT_HAS_NO_KEY.into(),
                message: "its agent has registered no key to seal variables to, so it cannot run: look at the agent's log, \
                          and whether it is as new as the server"
                    .into(),
            },
        }
    }
}

fn open(keys: &KeyRing, owner: Owner, sealed: &SealedVariables) -> Result<VariableBundle, CryptoError> {
    let mut bundle = VariableBundle::default();
    crypto::open_variables(keys, owner, sealed, |variable, value| {
        let values = match variable.kind {
            VariableKind::Environment => &mut bundle.environment,
            VariableKind::File => &mut bundle.files,
        };
        values.insert(variable.name.clone(), value);
    })?;
    Ok(bundle)
}

impl Unreadable {
    /// As if the agent held the directive already.
    pub(super) const fn as_received(&self) -> Received {
        Received { workspace_id: self.workspace, generation: self.generation }
    }

    /// Makes the plan say so: nothing is applied, and the workspace is in error with this reason.
    pub(super) fn record(&self, row: Option<&Workspace>, plan: &mut Plan) {
        let reason = self.cause.reason();
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
                variables_generation: row.variables_generation,
                deployment_resource_version: row.deployment_resource_version.clone(),
                intent: None,
            });
        }
    }
}
