//! When Git credentials go to whom.

use berth_schema::git::GitAsk;
use berth_schema::reconcile::{Action, ReconcileRequest};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use jiff::Timestamp;

use super::reconcile;
use crate::config::AgentConfig;
use crate::model::{Cause, Plan, Snapshot, Workspace};

/// Version 2 of the hosts.
const VERSION: i64 = 2;

fn workspace(desired_state: DesiredState, generation: i64, applied: i64) -> Workspace {
    Workspace {
        id: WorkspaceId::random(),
        name: WorkspaceName::new("dev").expect("a name"),
        namespace: NamespaceName::new("berth-dev-0").expect("a name"),
        desired_state,
        actual_state: ActualState::Running,
        reason: None,
        generation: Generation::of(generation),
        applied_generation: Generation::of(applied),
        variables_generation: Generation::default(),
        deployment_resource_version: None,
        reported: None,
        spec: WorkspaceSpec::from_image("registry.example/dev:1"),
        unreadable: false,
    }
}

fn plan(workspace: &Workspace, git_version: i64, git: impl Into<Option<GitAsk>>) -> Plan {
    let (organization, agent) = (OrganizationId::random(), AgentId::random());
    let snapshot = Snapshot::new(organization, agent, AgentConfig::default(), vec![workspace.clone()]);
    let request = ReconcileRequest { git: git.into(), ..ReconcileRequest::default() };
    reconcile(&Snapshot { git_version, ..snapshot }, &request, Timestamp::UNIX_EPOCH)
}

fn ask(workspace: &Workspace, wanted: bool) -> GitAsk {
    let wanted = wanted.then_some(workspace.id).into_iter().collect();
    GitAsk { version: VERSION, wanted }
}

#[test]
fn they_go_with_a_configuration_that_starts_a_pod() {
    let new = workspace(DesiredState::Running, 1, 0);
    let given = plan(&new, VERSION, ask(&new, false));
    assert!(
        given.directives[0].credentials_wanted && given.directives[0].directive.config_to_apply.is_some()
    );
    let stopping = workspace(DesiredState::Stopped, 2, 1);
    assert!(!plan(&stopping, VERSION, ask(&stopping, false)).directives[0].credentials_wanted);
}

#[test]
fn they_go_alone_to_who_asks_and_change_nothing_else() {
    for desired in [DesiredState::Running, DesiredState::Stopped] {
        let workspace = workspace(desired, 3, 3);
        let given = plan(&workspace, VERSION, ask(&workspace, true));
        let directive = &given.directives[0];
        assert!(directive.credentials_wanted && !directive.variables_wanted);
        assert_eq!(
            (directive.directive.action, given.report[0].cause),
            (Action::None, Cause::CredentialsWanted)
        );
        assert!(given.has_news && given.updates.is_empty() && directive.directive.config_to_apply.is_none());
        assert!(plan(&workspace, VERSION, ask(&workspace, false)).directives.is_empty());
    }
}

#[test]
fn who_is_to_be_gone_gets_none() {
    let workspace = workspace(DesiredState::Terminated, 3, 3);
    assert!(!plan(&workspace, VERSION, ask(&workspace, true)).directives[0].credentials_wanted);
}

#[test]
fn where_there_never_was_a_host_and_for_an_agent_that_writes_none_there_are_none() {
    let new = workspace(DesiredState::Running, 1, 0);
    assert!(!plan(&new, 0, GitAsk::default()).directives[0].credentials_wanted);
    assert!(!plan(&new, VERSION, None).directives[0].credentials_wanted);
}

#[test]
fn another_version_than_the_agent_knows_is_news() {
    let workspace = workspace(DesiredState::Running, 3, 3);
    let given = plan(&workspace, VERSION + 1, ask(&workspace, false));
    assert!(given.has_news && given.directives.is_empty());
    assert_eq!(given.git_version, VERSION + 1);
    assert!(!plan(&workspace, VERSION, ask(&workspace, false)).has_news);
    assert!(!plan(&workspace, VERSION, None).has_news);
}
