//! What users ask of the server: the order of steps is that of `berth-server`'s `services::workspaces`.

use std::rc::Rc;

use berth_planner::Workspace;
use berth_planner::intent::{Transition, TransitionError, Wish, transition};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, WorkspaceId, WorkspaceName, WorkspaceSpec,
};

use super::ServerProcess;
use crate::store::{Intent, Row, Store as _, StoreError, Transaction as _};

/// How often a change is decided anew when the workspace changed between looking and storing.
const ATTEMPTS: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Transition(#[from] TransitionError),
}

/// What identifies a new workspace.
#[derive(Clone, Debug)]
pub struct New {
    pub agent: AgentId,
    pub id: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub spec: WorkspaceSpec,
}

/// Creates a workspace.
pub async fn create(server: Rc<ServerProcess>, new: New) -> Result<Row, UserError> {
    let row = Row {
        agent: new.agent,
        workspace: Workspace {
            id: new.id,
            name: new.name,
            namespace: new.namespace,
            desired_state: DesiredState::Running,
            actual_state: ActualState::CreationRequested,
            reason: None,
            generation: Generation::FIRST,
            applied_generation: Generation::default(),
            variables_generation: Generation::default(),
            deployment_resource_version: None,
            reported: None,
            spec: new.spec,
            unreadable: false,
        },
        intent_changed_at: server.clock.wall(),
    };
    let mut transaction = server.store.begin().await?;
    transaction.insert(row.clone()).await?;
    transaction.notify_agent(new.agent);
    transaction.commit().await?;
    Ok(row)
}

/// Changes what is wanted of a workspace. With `seen`, only if it is still at that generation.
pub async fn change(
    server: Rc<ServerProcess>,
    id: WorkspaceId,
    wish: Wish,
    spec: WorkspaceSpec,
    seen: Option<Generation>,
) -> Result<Row, UserError> {
    for _ in 0..ATTEMPTS {
        match once(&server, id, wish, &spec, seen).await {
            // Somebody else was faster; without a generation to insist on, their change is looked at first.
            Err(UserError::Store(StoreError::Generation { .. })) if seen.is_none() => {}
            result => return result,
        }
    }
    Err(StoreError::Unavailable.into())
}

async fn once(
    server: &ServerProcess,
    id: WorkspaceId,
    wish: Wish,
    spec: &WorkspaceSpec,
    seen: Option<Generation>,
) -> Result<Row, UserError> {
    let mut transaction = server.store.begin().await?;
    let row = transaction.find(id).await?.ok_or(StoreError::NotFound)?;
    let workspace = &row.workspace;
    if seen.is_some_and(|seen| seen != workspace.generation) {
        return Err(StoreError::Generation { current: workspace.generation }.into());
    }
    if workspace.unreadable && wish != Wish::Terminate {
        return Err(TransitionError::Unreadable.into());
    }
    let intent = match transition(workspace.desired_state, workspace.actual_state, wish)? {
        Transition::AlreadySo => return Ok(row),
        Transition::Change(_) if wish == Wish::Rebuild => Intent::Rebuild(Box::new(spec.clone())),
        Transition::Change(_) if wish == Wish::ChangeVariables => Intent::Variables,
        Transition::Change(desired) => Intent::Desired(desired),
    };
    let now = server.clock.wall();
    let changed = transaction.change_intent(id, Some(workspace.generation), intent, now).await?;
    transaction.notify_agent(row.agent);
    transaction.commit().await?;
    server.env.trace.say("server", || {
        format!("{wish:?} of {id}: {} at {}", changed.workspace.desired_state, changed.workspace.generation)
    });
    Ok(changed)
}
