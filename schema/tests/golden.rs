//! The JSON shapes that processes of different versions must agree on. Each type is written, compared with its golden file,
//! read back from it and written again. `BLESS=1 cargo test -p berth-schema` rewrites the files: look at the difference. What was
//! released is held beside them, and is not rewritten.

#[path = "golden/compare.rs"]
mod compare;
#[path = "golden/kinds.rs"]
mod kinds;
#[path = "golden/reconcile.rs"]
mod reconcile;
#[path = "golden/released.rs"]
mod released;
#[path = "golden/rest.rs"]
mod rest;

use std::collections::BTreeMap;
use std::path::Path;

use berth_schema::activity::IdleStop;
use berth_schema::agents::{
    AdoptWorkspaces, AgentCredential, AgentEvent, AgentEventKind, AgentTakes, AllowedGroup, NarrowedTo,
    RotateAgentToken, WorkspacesAdopted,
};
use berth_schema::api::shape::{ContainerSize, Endpoint};
use berth_schema::api::{
    self, Agent, AgentCreated, ConfirmLoss, CreateWorkspace, LossConfirmed, Paged, ProjectInput, SealingKey,
    StateReason, SuspectedLoss, VariableInput, VariableName, Workspace,
};
use berth_schema::git::{
    CredentialBundle, GitAsk, GitCredential, GitHost, GitMethod, GitUser, PutGitCredential,
    RemoveGitCredential, SetGitCredential, token_audience,
};
use berth_schema::idle::{IdleAfter, IdleBy, IdleInForce, IdleSaid};
use berth_schema::lifecycle::{Deadline, LifecycleAction, LifecycleRule};
use berth_schema::members::MemberRef;
use berth_schema::network_check::{NetworkCheck, NetworkCheckReport, NetworkCheckResult, NetworkVerdict};
use berth_schema::prerequisites::{ManifestReport, Nodes, Prerequisites, StorageClass, Stray};
use berth_schema::projects::{ProjectPath, ProjectRef};
use berth_schema::reconcile::{
    Action, DeploymentCondition, DeploymentInfo, DeploymentStatus, ErrorDetails, ErrorType, MessageType,
    Orphan, OrphanVerdict, Page, PodProblem, Received, ReconcileRequest, ReconcileResponse, Settings,
    TerminationProgress, UpdateType, WorkspaceAgentInfo, WorkspaceDirective,
};
use berth_schema::scope::{ScopeId, Secret};
use berth_schema::sealing::{Encapsulation, PublicKey, RegisterKey, RegisteredKey, SealedBundle};
use berth_schema::state::TransitionCause;
use berth_schema::timeline::Transition;
use berth_schema::variables::{SecretValue, VariableBundle, VariableKind};
use berth_schema::why::{Actor, GitProblem, NextStep, Situation, Why, WhyAgent};
use berth_schema::{
    ActualState, AgentId, AgentName, DesiredState, FieldError, FoundIn, Generation, GitReference, GroupId,
    NamespaceName, NetworkCheckId, OrganizationId, Problem, ProjectId, ProjectSpec, ProjectUrl, SubjectId,
    TermId, TokenId, Warning, WorkspaceId, WorkspaceName,
};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

fn check<T: Serialize + DeserializeOwned>(name: &str, value: &T) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(value).expect("JSON") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("a golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).expect("a golden file");
    assert_eq!(text, golden, "{name}");
    let back: T = serde_json::from_str(&golden).expect("the golden file can be read");
    assert_eq!(serde_json::to_string_pretty(&back).expect("JSON") + "\n", golden, "{name} read and written");
    let listed = kinds::kind(name).expect("it is listed")(&golden).expect("read by the type that is listed");
    assert_eq!(listed, golden, "{name} by the type that is listed");
}

fn workspace_id() -> WorkspaceId {
    WorkspaceId::from(Uuid::from_u128(1))
}

fn workspace_name() -> WorkspaceName {
    WorkspaceName::new("calm-blue-bay").expect("a name")
}

fn namespace() -> NamespaceName {
    NamespaceName::new("berth-calm-blue-bay-00000000").expect("a name")
}

fn info() -> WorkspaceAgentInfo {
    WorkspaceAgentInfo {
        workspace_id: workspace_id(),
        name: workspace_name(),
        namespace: namespace(),
        applied_generation: Some(Generation::of(3)),
        latest_k8s_deployment_info: Some(DeploymentInfo {
            resource_version: Some("815".into()),
            generation: Some(2),
            replicas: Some(1),
            status: Some(DeploymentStatus {
                observed_generation: Some(2),
                replicas: Some(1),
                updated_replicas: Some(1),
                available_replicas: Some(0),
                unavailable_replicas: Some(1),
                conditions: vec![DeploymentCondition {
                    kind: "Progressing".into(),
                    status: "True".into(),
                    reason: Some("ReplicaSetUpdated".into()),
                    message: Some("ReplicaSet is progressing".into()),
                }],
            }),
        }),
        pod_problems: vec![PodProblem {
            container: Some("main".into()),
            reason: "ImagePullBackOff".into(),
            message: "Back-off pulling image".into(),
            since: Some(Timestamp::UNIX_EPOCH),
        }],
        termination_progress: Some(TerminationProgress::Terminating),
        error_details: Some(ErrorDetails {
            error_type: ErrorType::Kubernetes,
            error_message: "admission webhook denied the request".into(),
        }),
        live_pods: 1,
        variables_missing: true,
        drift: vec![],
        lost: None,
    }
}

fn prerequisites() -> Prerequisites {
    Prerequisites {
        agent_version: "0.1.0".into(),
        cluster_id: Some("5d1f3b8e-0000-4000-8000-000000000000".into()),
        adopts: vec![AgentId::from(Uuid::from_u128(9))],
        kubernetes_version: Some("v1.34.2".into()),
        storage_classes: vec![StorageClass { name: "fast".into(), default: true, expandable: true }],
        runtime_classes: vec!["gvisor".into()],
        ingress_classes: vec!["nginx".into()],
        network_policy_engines: vec!["cilium".into()],
        user_namespaces: Some(true),
        nodes: Some(Nodes { count: 1, cpu_millis: 2_000, memory_bytes: 1 << 33, pods: 110 }),
        manifests: vec![ManifestReport {
            kind: "Namespace".into(),
            name: "berth-proxy".into(),
            error: Some("it belongs to somebody else".into()),
        }],
        strays: vec![Stray {
            workspace_id: workspace_id(),
            namespace: "restored".into(),
            kind: "ConfigMap".into(),
            name: "w-scripts".into(),
        }],
        unreadable: vec!["nodes".into()],
    }
}

#[test]
fn the_rest_bodies_keep_their_shape() {
    let agent = Agent {
        id: AgentId::from(Uuid::from_u128(2)),
        name: AgentName::new("berlin").expect("a name"),
        created_at: Timestamp::UNIX_EPOCH,
        revoked_at: None,
        last_contact_at: Some(Timestamp::UNIX_EPOCH),
        workspaces: 3,
        sealing_keys: vec![SealingKey {
            public_key: PublicKey::new([1; 32]),
            registered_at: Timestamp::UNIX_EPOCH,
            superseded_at: None,
        }],
        suspected_loss: Some(SuspectedLoss {
            since: Timestamp::UNIX_EPOCH,
            missing: 7,
            applied: 9,
            needs_confirmation: false,
            fingerprint: Uuid::from_u128(10),
        }),
        credential: Some(AgentCredential {
            made_at: Timestamp::UNIX_EPOCH,
            previous_valid_until: Some(Timestamp::UNIX_EPOCH),
        }),
        events: vec![AgentEvent {
            at: Timestamp::UNIX_EPOCH,
            kind: AgentEventKind::EpochJumped,
            message: "A leader came in epoch 4611686018427387904, after 7.".to_owned(),
            by: None,
            warning: true,
        }],
        takes: Some(AgentTakes {
            organization: false,
            groups: vec![AllowedGroup {
                id: GroupId::from(Uuid::from_u128(11)),
                path: "platform/payments".parse().expect("a path"),
            }],
            partial: true,
            narrowed: Some(NarrowedTo {
                groups: vec!["platform".parse().expect("a path")],
                unknown: vec!["old/name".to_owned()],
            }),
        }),
        prerequisites: Some(prerequisites()),
        network_check: Some(NetworkCheck {
            requested_at: Some(Timestamp::UNIX_EPOCH),
            result: Some(NetworkCheckResult {
                verdict: NetworkVerdict::Enforced,
                reason: "seen".into(),
                checked_at: Timestamp::UNIX_EPOCH,
            }),
        }),
    };
    check("rotate-agent-token", &RotateAgentToken::default());
    check("adopt-workspaces", &AdoptWorkspaces { from: "berlin".to_owned() });
    let adopted = WorkspacesAdopted { from: AgentId::from(Uuid::from_u128(2)), workspaces: 3 };
    check("workspaces-adopted", &adopted);
    let orphan = api::Orphan {
        workspace_id: workspace_id(),
        name: workspace_name(),
        namespace: namespace(),
        first_seen_at: Timestamp::UNIX_EPOCH,
        kept_until: Timestamp::UNIX_EPOCH,
        removal_allowed: true,
    };
    check("orphans", &api::Orphans { items: vec![orphan] });
    check("confirm-loss", &ConfirmLoss { fingerprint: Uuid::from_u128(10) });
    check("loss-confirmed", &LossConfirmed { workspaces: 7 });
    check("agent-created", &AgentCreated { agent, token: Some("berth_agt_…".to_owned()) });
    let input = |name: &str, kind, value: Option<&str>, encoded: Option<&str>| VariableInput {
        name: name.to_owned(),
        kind,
        value: value.map(|text| text.to_owned().into()),
        value_base64: encoded.map(|text| text.to_owned().into()),
    };
    check(
        "create-workspace",
        &CreateWorkspace {
            idle_after: Some(IdleAfter::Minutes(480)),
            name: Some(workspace_name()),
            agent: Some("berlin".to_owned()),
            devfile: Some("schemaVersion: 2.2.0\n".to_owned()),
            devcontainer: None,
            image: None,
            git_user: Some(GitUser { name: "Ada".to_owned(), email: "ada@example.com".to_owned() }),
            project: Some(ProjectInput {
                url: "https://git.example/group/site.git".to_owned(),
                reference: Some("main".to_owned()),
                devfile_path: Some(".devfile/ruby.yaml".to_owned()),
            }),
            variables: vec![
                input("GREETING", VariableKind::Environment, Some("hello"), None),
                input("key.bin", VariableKind::File, None, Some("AP8=")),
            ],
        },
    );
    let workspace = Workspace {
        id: workspace_id(),
        name: workspace_name(),
        agent_id: AgentId::from(Uuid::from_u128(2)),
        agent: AgentName::new("berlin").expect("a name"),
        namespace: namespace(),
        desired_state: DesiredState::Running,
        actual_state: ActualState::Failed,
        agent_silent_since: None,
        reason: Some(StateReason { reason: "ErrImagePull".into(), message: "not found".into() }),
        generation: Generation::of(2),
        applied_generation: Generation::of(1),
        image: "registry.example/dev:1".to_owned(),
        project: Some(ProjectSpec {
            url: ProjectUrl::new("https://git.example/group/site.git").expect("a URL"),
            reference: Some(GitReference::new("main").expect("a reference")),
        }),
        found: Some(FoundIn { commit: "0a".repeat(20), path: ".devfile/ruby.yaml".parse().ok() }),
        belongs_to: Some(ProjectRef {
            id: ProjectId::from(Uuid::from_u128(11)),
            path: ProjectPath::new("platform/site").expect("a path"),
        }),
        creator: Some(MemberRef {
            id: SubjectId::from(Uuid::from_u128(12)),
            name: "Ada Lovelace".to_owned(),
        }),
        variables: vec![VariableName { name: "GREETING".to_owned(), kind: VariableKind::Environment }],
        created_at: Timestamp::UNIX_EPOCH,
        desired_state_changed_at: Timestamp::UNIX_EPOCH,
        actual_state_changed_at: Timestamp::UNIX_EPOCH,
        last_active_at: Some(Timestamp::UNIX_EPOCH),
        idle_stop: Some(IdleStop { minutes: 30, at: Some(Timestamp::UNIX_EPOCH) }),
        idle_rule: Some(IdleInForce {
            said: IdleSaid {
                stop_after: IdleAfter::Minutes(30),
                by: IdleBy::Agent(AgentName::new("berlin").expect("a name")),
            },
            in_place_of: None,
            max: None,
        }),
        lifecycle: Some(Deadline {
            action: LifecycleAction::Stop,
            rule: LifecycleRule::MaxActiveHoursBeforeStop,
            at: Timestamp::UNIX_EPOCH,
            extended_hours: 2,
            extendable_hours: 34,
        }),
        warnings: vec![Warning {
            line: 3,
            column: 5,
            path: "customizations".to_owned(),
            what: "is passed over".to_owned(),
            why: "Berth installs no extensions".to_owned(),
        }],
        endpoints: vec![Endpoint {
            name: "editor".to_owned(),
            port: 60_001,
            url: "https://60001-calm-blue-bay.workspaces.example/".to_owned(),
        }],
        sizes: vec![ContainerSize {
            container: "main".to_owned(),
            image: "registry.example/dev:1".to_owned(),
            cpu: Some("2".to_owned()),
            memory: None,
        }],
        disk: Some("10Gi".to_owned()),
    };
    check("workspace-list", &Paged { items: vec![workspace], next: Some("b3BhcXVl".to_owned()) });
}

#[test]
fn a_problem_keeps_its_shape() {
    check(
        "problem",
        &Problem {
            kind: "urn:berth:problem:invalid".into(),
            title: "The request is not valid".to_owned(),
            status: 422,
            detail: "one field is wrong".to_owned(),
            request_id: Some("0190".to_owned()),
            errors: vec![FieldError::new("variables[0].name", "must not be empty")],
            step_up: false,
        },
    );
}

#[test]
fn a_misspelt_field_is_refused() {
    let error = serde_json::from_str::<CreateWorkspace>(r#"{"imagee":"x"}"#).expect_err("unknown field");
    assert!(error.to_string().contains("imagee"), "{error}");
}

#[test]
fn why_keeps_its_shape() {
    check(
        "why",
        &Why {
            workspace_id: workspace_id(),
            name: workspace_name(),
            desired_state: DesiredState::Running,
            actual_state: ActualState::Failed,
            situation: Situation::ImageCannotBePulled,
            cause: "Its image cannot be pulled (ImagePullBackOff).".to_owned(),
            reason: Some(StateReason {
                reason: "ImagePullBackOff".into(),
                message: "container main: Back-off pulling image".into(),
            }),
            since: Timestamp::UNIX_EPOCH,
            next: Some(NextStep {
                actor: Actor::User,
                action: "Correct the image.".to_owned(),
                by: Some(Timestamp::UNIX_EPOCH),
            }),
            generation: Generation::of(4),
            applied_generation: Generation::of(4),
            agent: WhyAgent {
                name: AgentName::new("berlin").expect("a name"),
                last_contact_at: Some(Timestamp::UNIX_EPOCH),
                never_connected: false,
                revoked_at: None,
            },
            git_problems: vec![GitProblem { host: git_host(), cause: "there is no key".to_owned() }],
        },
    );
}

fn git_host() -> GitHost {
    "git.example.com:8443".parse().expect("a host")
}

#[test]
fn git_credentials_keep_their_shape() {
    let set = SetGitCredential {
        username: Some("oauth2".to_owned()),
        token: Some(Secret("t0ken".to_owned().into())),
        audience: None,
        plain_http: true,
    };
    check("set-git-credential", &set);
    check("put-git-credential", &PutGitCredential::new(&git_host(), set));
    check("remove-git-credential", &RemoveGitCredential { host: git_host().to_string() });
    let credential = GitCredential {
        host: git_host(),
        method: GitMethod::Jwt,
        username: "berth".to_owned(),
        audience: Some("git".to_owned()),
        token_audience: Some(token_audience(
            "git",
            OrganizationId::from_uuid(Uuid::nil()),
            ScopeId::Organization,
        )),
        plain_http: true,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    check("git-credentials", &Paged { items: vec![credential], next: None });
    let files =
        BTreeMap::from([(git_host().file_name(false), SecretValue::new(b"password=t0ken\n".to_vec()))]);
    check("credential-bundle", &CredentialBundle { version: 3, renew_after_seconds: Some(300), files });
}

#[test]
fn a_timeline_keeps_its_shape() {
    check(
        "timeline",
        &Paged {
            items: vec![Transition {
                number: 7,
                at: Timestamp::UNIX_EPOCH,
                desired_state: DesiredState::Stopped,
                actual_state: ActualState::Failed,
                reason: Some(StateReason {
                    reason: "CrashLoopBackOff".into(),
                    message: "container main: back-off".into(),
                }),
                generation: Generation::of(4),
                applied_generation: Generation::of(3),
                cause: TransitionCause::User,
                token_id: Some(TokenId::from(Uuid::from_u128(5))),
                token: Some("first administrator".to_owned()),
                member: None,
            }],
            next: Some("7".to_owned()),
        },
    );
}
