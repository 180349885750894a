//! One running workspace `w`, and what its agent asks for.

use std::time::Instant;

use berth_schema::git::CredentialBundle;
use berth_schema::kubernetes::{GIT_RENEW_AT, GIT_VERSION};
use berth_schema::reconcile::{
    Action as Wish, DeploymentInfo, ErrorDetails, ErrorType, ReconcileResponse, WorkspaceDirective,
};
use berth_schema::variables::SecretValue;
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, WorkspaceId, WorkspaceName,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::{MAX_WORKSPACES, Renewals};
use crate::facts::{DeploymentFact, Fact, ObjectKey, Observed, Watched};
use crate::sealing::Credentials;
use crate::{Agent, Identity, Kind, Opened, Outcome, Plan, Prepared, Task};

const W: WorkspaceId = WorkspaceId::from_uuid(uuid::Uuid::from_u128(1));

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn identity() -> Identity {
    Identity::of(AgentId::from_uuid(uuid::Uuid::from_u128(2)))
}

fn name() -> WorkspaceName {
    WorkspaceName::new("w").expect("a name")
}

fn namespace() -> NamespaceName {
    NamespaceName::new(berth_schema::kubernetes::own_namespace(&name(), W)).expect("a name")
}

/// An agent that has heard of version 1 of the hosts, and sees the Deployment with that many replicas.
fn agent(replicas: i32) -> Agent {
    let mut agent = Agent::new(identity());
    show(&mut agent, replicas);
    answer(&mut agent, 1, None);
    agent
}

fn show(agent: &mut Agent, replicas: i32) {
    let info = DeploymentInfo {
        resource_version: Some("1".into()),
        generation: None,
        replicas: Some(replicas),
        status: None,
    };
    let fact = DeploymentFact {
        applied_generation: Some(Generation::of(1)),
        info,
        secrets: None,
        gated: false,
        alone: true,
        record: None,
        changed: false,
    };
    let watched = Watched::Applied(Kind::Deployment);
    let key = ObjectKey { watched, namespace: namespace().to_string(), name: "w".to_owned() };
    let fact = Fact::Deployment(Box::new(fact));
    agent.index_mut().apply(Observed { key, workspace: W, workspace_name: Some(name()), uid: None, fact });
}

/// The watches show the Secret as it was written.
fn show_secret(agent: &mut Agent, annotations: &Value) {
    let metadata: ObjectMeta = serde_json::from_value(json!({
        "name": "w-git", "namespace": namespace(), "annotations": annotations,
        "labels": { "berth.dev/workspace-id": W, "app.kubernetes.io/name": "w" },
    }))
    .expect("metadata");
    let observed = Observed::metadata(Watched::Applied(Kind::Secret), &metadata).expect("usable");
    agent.index_mut().apply(observed);
}

fn wanted(agent: &mut Agent, now: Timestamp) -> Vec<WorkspaceId> {
    agent.ask_for_credentials(now).wanted
}

fn directive() -> WorkspaceDirective {
    WorkspaceDirective {
        workspace_id: W,
        name: name(),
        namespace: namespace(),
        action: Wish::None,
        desired_state: DesiredState::Running,
        actual_state: ActualState::Running,
        deployment_resource_version: None,
        generation: Generation::of(1),
        config_to_apply: None,
        variables: None,
        credentials: None,
    }
}

fn answer(agent: &mut Agent, git_version: i64, credentials: Option<Credentials>) -> Plan {
    let mut opened = Opened::default();
    let workspaces = credentials.is_some().then(directive).into_iter().collect();
    opened.credentials.extend(credentials.map(|credentials| (W, credentials)));
    let response = ReconcileResponse { workspaces, git_version, ..ReconcileResponse::default() };
    agent.respond(&[], response, opened, Instant::now(), &mut || 0.0)
}

fn credentials(renew_at: Option<Timestamp>) -> Credentials {
    let files = [("https-git.a".to_owned(), SecretValue::new(b"password=hunter2\n".to_vec()))].into();
    Credentials { bundle: CredentialBundle { version: 1, renew_after_seconds: None, files }, renew_at }
}

#[test]
fn what_is_missing_is_asked_for_and_not_again_before_an_answer_had_its_time() {
    let mut agent = agent(1);
    assert_eq!(agent.next_renewal(), Some(Timestamp::MIN));
    assert_eq!(wanted(&mut agent, at(0)), [W]);
    assert_eq!(agent.next_renewal(), Some(at(30)));
    assert_eq!(wanted(&mut agent, at(29)), []);
    assert_eq!(wanted(&mut agent, at(30)), [W]);
    show_secret(&mut agent, &json!({ GIT_VERSION: "1" }));
    assert_eq!(wanted(&mut agent, at(100)), []);
    assert_eq!(agent.next_renewal(), None, "what does not expire is not renewed");
}

#[test]
fn what_expires_is_asked_for_when_its_secret_says_so() {
    let mut agent = agent(1);
    show_secret(&mut agent, &json!({ GIT_VERSION: "1", GIT_RENEW_AT: at(300).to_string() }));
    assert_eq!(wanted(&mut agent, at(299)), []);
    assert_eq!(agent.next_renewal(), Some(at(300)));
    assert_eq!(wanted(&mut agent, at(300)), [W]);
    // Somebody has damaged the time: as if it were over.
    show_secret(&mut agent, &json!({ GIT_VERSION: "1", GIT_RENEW_AT: "soon" }));
    assert_eq!(wanted(&mut agent, at(400)), [W]);
}

#[test]
fn what_is_of_another_version_is_asked_for_even_in_a_stopped_workspace() {
    let mut agent = agent(0);
    assert_eq!(wanted(&mut agent, at(0)), [], "which lacks none");
    show_secret(&mut agent, &json!({ GIT_VERSION: "1", GIT_RENEW_AT: at(0).to_string() }));
    assert_eq!(wanted(&mut agent, at(1)), [], "and renews none");
    answer(&mut agent, 2, None);
    assert_eq!(wanted(&mut agent, at(1)), [W]);
}

#[test]
fn where_no_host_was_ever_set_nothing_is_asked_for() {
    let mut agent = agent(1);
    answer(&mut agent, 0, None);
    assert_eq!((wanted(&mut agent, at(0)), agent.next_renewal()), (vec![], None));
}

#[test]
fn credentials_alone_are_written_into_their_secret_and_nothing_else_is_touched() {
    let mut agent = agent(1);
    let plan = answer(&mut agent, 1, Some(credentials(Some(at(300)))));
    let Prepared(Task::Deliver(secret)) = &plan.actions[0].stage else { panic!("{plan:?}") };
    assert!(!format!("{plan:?}").contains("hunter2"));
    let written = serde_json::to_value(secret.new_one()).expect("JSON");
    assert_eq!(written["metadata"]["name"], "w-git");
    assert_eq!(written["metadata"]["annotations"][GIT_VERSION], "1");
    assert_eq!(written["metadata"]["annotations"][GIT_RENEW_AT], at(300).to_string());
    assert_eq!(written["data"], json!({ "https-git.a": "cGFzc3dvcmQ9aHVudGVyMgo=" }));
    // One at a time.
    assert!(answer(&mut agent, 1, Some(credentials(None))).actions.is_empty());
    assert_eq!(wanted(&mut agent, at(0)), []);
    agent.finish(plan.actions[0].done(Outcome::Delivered), Instant::now(), 0.0);
    assert!(agent.received().is_empty());
    assert_eq!(wanted(&mut agent, at(0)), [W], "the watches have not shown it");
}

#[test]
fn a_secret_that_the_cluster_refuses_is_the_workspaces_error() {
    let mut agent = agent(1);
    let plan = answer(&mut agent, 1, Some(credentials(None)));
    let error_message = "applying Secret/w-git: Forbidden".into();
    let details = ErrorDetails { error_type: ErrorType::Kubernetes, error_message };
    agent.finish(plan.actions[0].done(Outcome::Failed(details.clone())), Instant::now(), 0.0);
    assert_eq!(agent.news()[0].error_details, Some(details));
}

#[test]
fn nothing_is_written_for_a_workspace_that_is_not_there_or_elsewhere() {
    let mut agent = Agent::new(identity());
    assert!(answer(&mut agent, 1, Some(credentials(None))).actions.is_empty());
    let mut agent = Agent::new(Identity { namespace: namespace().to_string(), ..identity() });
    show(&mut agent, 1);
    assert!(answer(&mut agent, 1, Some(credentials(None))).actions.is_empty());
}

#[test]
fn no_more_is_asked_for_at_once_than_a_message_is_about_and_what_was_awaited_is_forgotten() {
    let mut renewals = Renewals::default();
    let many = || (0..=MAX_WORKSPACES).map(|_| WorkspaceId::random()).collect::<Vec<_>>();
    assert_eq!(renewals.asked(many(), at(0)).wanted.len(), MAX_WORKSPACES);
    assert_eq!(renewals.waiting.len(), MAX_WORKSPACES, "the one that is left is asked for next");
    renewals.asked(vec![W], at(30));
    assert_eq!(renewals.waiting.keys().collect::<Vec<_>>(), [&W]);
}
