use std::collections::BTreeMap;
use std::time::Duration;

use berth_schema::reconcile::{ErrorDetails, ErrorType, Orphan, WorkspaceDirective};
use berth_schema::sealing::SealedBundle;
use berth_schema::variables::SecretValue;
use berth_schema::{AgentId, DesiredState, NamespaceName, WorkspaceName};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::*;
use crate::facts::{Observed, Watched};
use crate::fixtures::Set;
use crate::kinds::Kind;

const AGENT: AgentId = AgentId::from_uuid(uuid::Uuid::from_bytes([1; 16]));
const W: WorkspaceId = WorkspaceId::from_uuid(uuid::Uuid::from_bytes([2; 16]));
const SECOND: Duration = Duration::from_secs(1);
const DEPLOYMENTS: Watched = Watched::Applied(Kind::Deployment);
#[path = "agent_telling_tests.rs"]
mod telling_tests;

#[path = "agent_places_tests.rs"]
mod places_tests;

#[path = "agent_drift_tests.rs"]
mod drift_tests;

const SECRETS: Watched = Watched::Applied(Kind::Secret);

fn agent() -> Agent {
    Agent::new(Identity::of(AGENT))
}

fn labels() -> Value {
    json!({ "berth.dev/agent-id": AGENT, "berth.dev/workspace-id": W, "app.kubernetes.io/name": "w" })
}

fn metadata(name: &str, generation: i64) -> Value {
    json!({
        "name": name, "namespace": "berth-w-02020202", "labels": labels(), "resourceVersion": format!("v{generation}"),
        "uid": format!("uid of {name}"),
        "annotations": { "berth.dev/generation": generation.to_string() },
    })
}

/// The watches show the Deployment at a generation, and both Secrets as they were left.
fn show(agent: &mut Agent, generation: i64) {
    let template = json!({ "metadata": { "labels": labels() } });
    let mut metadata = metadata("w", generation);
    metadata["annotations"]["berth.dev/secret-versions"] = json!(format!("v{generation} v{generation}"));
    let mut left = json!({ "metadata": metadata });
    crate::Record::put_on(&mut left, None, &[]);
    let metadata = left["metadata"].clone();
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": metadata,
        "spec": { "replicas": 1, "selector": {}, "template": template },
    }))
    .expect("a Deployment");
    let index = agent.index_mut();
    index.apply(Observed::deployment(&deployment).expect("usable"));
    for secret in ["w-env", "w-file"] {
        index.apply(present(SECRETS, secret, generation));
    }
}

fn present(watched: Watched, name: &str, generation: i64) -> Observed {
    let metadata: ObjectMeta = serde_json::from_value(metadata(name, generation)).expect("metadata");
    Observed::metadata(watched, &metadata).expect("usable")
}

fn hide(agent: &mut Agent, watched: Watched, name: &str) {
    let key = present(watched, name, 1).key;
    assert!(agent.index_mut().delete(&key), "{name} was there");
}

fn directive(action: Wish, generation: i64) -> WorkspaceDirective {
    let terminate = action == Wish::Terminate;
    let (agent, workspace) = (AGENT.to_string(), W.to_string());
    let set =
        Set { agent: &agent, workspace: &workspace, name: "w", namespace: "berth-w-02020202", generation };
    WorkspaceDirective {
        workspace_id: W,
        name: WorkspaceName::new("w").expect("a name"),
        namespace: NamespaceName::new("berth-w-02020202").expect("a name"),
        action,
        desired_state: if terminate { DesiredState::Terminated } else { DesiredState::Running },
        actual_state: ActualState::Unknown,
        deployment_resource_version: None,
        generation: Generation::of(generation),
        config_to_apply: matches!(action, Wish::Create | Wish::Update).then(|| set.objects()),
        variables: None,
        credentials: None,
    }
}

fn answer(directives: Vec<WorkspaceDirective>) -> ReconcileResponse {
    ReconcileResponse { workspaces: directives, ..ReconcileResponse::default() }
}

/// Sends the news, as the loop does, and takes one directive for an answer.
fn round(agent: &mut Agent, mut directive: WorkspaceDirective, now: Instant) -> Plan {
    let sent = agent.news();
    let mut deployments = sent.iter().filter_map(|info| info.latest_k8s_deployment_info.as_ref());
    directive.deployment_resource_version = deployments.find_map(|info| info.resource_version.clone());
    let answer = answer(vec![directive]);
    let variables = opened(&answer);
    agent.respond(&sent, answer, variables, now, &mut || 0.0)
}

/// As if every bundle had opened, and was empty.
fn opened(answer: &ReconcileResponse) -> Opened {
    let sealed = answer.workspaces.iter().filter(|directive| directive.variables.is_some());
    sealed.map(|directive| (directive.workspace_id, VariableBundle::default())).collect()
}

fn done(agent: &mut Agent, plan: &Plan, outcome: Outcome, now: Instant) {
    agent.finish(plan.actions[0].done(outcome), now, 0.0);
}

fn failed() -> Outcome {
    Outcome::Failed(ErrorDetails {
        error_type: ErrorType::Kubernetes,
        error_message: "admission webhook denied it".into(),
    })
}

#[test]
fn secrets_stand_between_the_configuration_and_the_volumes() {
    let mut agent = agent();
    let mut create = directive(Wish::Create, 1);
    create.variables = Some(SealedBundle { position: 0, ciphertext: vec![] });
    let bundle = VariableBundle {
        environment: BTreeMap::from([("A".to_owned(), SecretValue::new(b"b\n".to_vec()))]),
        files: BTreeMap::new(),
    };
    let opened = [(create.workspace_id, bundle)].into_iter().collect();
    let plan = agent.respond(&[], answer(vec![create]), opened, Instant::now(), &mut || 0.0);
    let Prepared(Task::Apply(apply)) = &plan.actions[0].stage else { panic!("not an apply") };
    let kinds =
        |manifests: &[crate::Manifest]| manifests.iter().map(|manifest| manifest.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&apply.first), Kind::ALL[..5]);
    assert_eq!(kinds(&apply.then), [Kind::PersistentVolumeClaim, Kind::Service, Kind::Deployment]);
    let [environment, files] = apply.secrets.as_ref().expect("variables were sent");
    assert!(!format!("{apply:?}").contains("Ygo="), "values are not printed");
    let over = serde_json::to_value(environment.over(None)).expect("JSON");
    assert_eq!(over["$patch"], "replace", "what others added goes");
    assert_eq!(
        (&over["data"], &over["metadata"]["resourceVersion"]),
        (&json!({ "A": "Ygo=" }), &Value::Null)
    );
    let environment = serde_json::to_value(environment.new_one()).expect("JSON");
    assert_eq!(environment["data"], json!({ "A": "Ygo=" }));
    assert_eq!(environment["metadata"]["resourceVersion"], "1", "only where none is");
    assert_eq!(environment["metadata"]["labels"]["berth.dev/workspace-id"], json!(W));
    assert_eq!(environment["metadata"]["annotations"]["berth.dev/generation"], "1");
    let files = serde_json::to_value(files.new_one()).expect("JSON");
    assert_eq!((&files["metadata"]["name"], &files["data"]), (&json!("w-file"), &json!({})));
}

#[test]
fn variables_that_do_not_open_are_the_workspaces_error_and_nothing_of_it_is_applied() {
    let mut agent = agent();
    let mut create = directive(Wish::Create, 1);
    create.variables = Some(SealedBundle { position: 0, ciphertext: vec![] });
    let plan = agent.respond(&[], answer(vec![create]), Opened::default(), Instant::now(), &mut || 0.0);
    assert!(plan.actions.is_empty());
    assert_eq!(plan.skipped, [(W, Skip::Refused(crate::Refusal::Sealed))]);
    let news = agent.news();
    let details = news[0].error_details.as_ref().expect("it is told");
    assert!(details.error_message.contains("do not open"), "{details:?}");
}

#[test]
fn the_inventory_holds_the_set_and_the_variables() {
    let mut agent = agent();
    let plan = round(&mut agent, directive(Wish::Create, 1), Instant::now());
    let Prepared(Task::Apply(apply)) = &plan.actions[0].stage else { panic!("not an apply") };
    let name = &plan.actions[0].object_name();
    assert!(apply.holds(name, Kind::ConfigMap, "w-scripts"));
    assert!(apply.holds(name, Kind::Secret, "w-env") && apply.holds(name, Kind::Secret, "w-file"));
    assert!(!apply.holds(name, Kind::ConfigMap, "w-old") && !apply.holds(name, Kind::Secret, "w-scripts"));
}

#[test]
fn an_apply_is_proven_by_the_watch_alone() {
    let (mut agent, now) = (agent(), Instant::now());
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    assert_eq!(agent.received().len(), 1, "it is on its way");
    assert!(agent.news().is_empty(), "nothing to tell before it shows");
    done(&mut agent, &plan, Outcome::Applied, now);
    let repeated = round(&mut agent, directive(Wish::Create, 1), now);
    assert_eq!(repeated.skipped, [(W, Skip::AwaitingProof)]);

    show(&mut agent, 1);
    agent.tick(now);
    assert_eq!(agent.received(), []);
    let news = agent.news();
    assert_eq!(news[0].applied_generation, Some(Generation::of(1)));
    assert!(!news[0].variables_missing);
}

#[test]
fn an_answer_from_before_the_proof_is_not_followed_twice() {
    let (mut agent, now) = (agent(), Instant::now());
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    done(&mut agent, &plan, Outcome::Applied, now);
    show(&mut agent, 1);
    agent.tick(now);
    let late =
        agent.respond(&[], answer(vec![directive(Wish::Create, 1)]), Opened::default(), now, &mut || 0.0);
    assert_eq!((late.actions.len(), late.skipped), (0, vec![(W, Skip::AlreadyProven)]));
    assert!(agent.has_news(), "the server is told");
    hide(&mut agent, SECRETS, "w-file");
    assert_eq!(round(&mut agent, directive(Wish::Update, 1), now).actions.len(), 1, "half of it is gone");
}

#[test]
fn a_lower_generation_is_never_applied_over_a_higher_one() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 5);
    let plan = round(&mut agent, directive(Wish::Update, 4), now);
    assert!(plan.actions.is_empty());
    assert_eq!(plan.skipped, [(W, Skip::OlderThanLive { live: Generation::of(5) })]);
    // It was told so, and says it all the same: it is told again after a while.
    agent.tick(now);
    assert_eq!(agent.news(), []);
    agent.tick(now + 11 * SECOND);
    assert_eq!(agent.news()[0].applied_generation, Some(Generation::of(5)), "the server is told again");
    assert_eq!(round(&mut agent, directive(Wish::Update, 6), now).actions.len(), 1);
}

#[test]
fn a_server_that_was_told_and_disagrees_is_not_told_the_same_without_a_pause() {
    let (mut agent, mut now) = (agent(), Instant::now());
    show(&mut agent, 1);
    for _ in 0..3 {
        let plan = round(&mut agent, directive(Wish::Create, 1), now);
        assert_eq!(plan.skipped, [(W, Skip::AlreadyProven)]);
        assert_eq!(agent.news(), [], "others are told of meanwhile");
        assert_eq!(agent.received().len(), 1, "and the directive is held, or it would come at once");
        now += 11 * SECOND;
        agent.tick(now);
        assert_eq!((agent.news().len(), agent.received().len()), (1, 0));
    }
    // What is news meanwhile is told at once, and when the server agrees nothing is left.
    round(&mut agent, directive(Wish::Create, 1), now);
    hide(&mut agent, SECRETS, "w-file");
    assert!(agent.has_news());
    show(&mut agent, 1);
    round(&mut agent, directive(Wish::None, 1), now);
    assert_eq!((agent.news(), agent.received()), (vec![], vec![]));
}

#[test]
fn a_failed_workspace_rests_alone_and_tells_until_a_success() {
    let (mut agent, now) = (agent(), Instant::now());
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    done(&mut agent, &plan, failed(), now);
    let told = agent.news();
    assert_eq!(told[0].error_details.as_ref().expect("told").error_message, "admission webhook denied it");
    assert_eq!(agent.next_due(), Some(now + 10 * SECOND));
    let resting = round(&mut agent, directive(Wish::Create, 1), now + SECOND);
    assert_eq!(resting.skipped, [(W, Skip::BackingOff { remaining: 9 * SECOND })]);
    assert_eq!(agent.received().len(), 1);

    let later = now + 10 * SECOND;
    agent.tick(later);
    assert_eq!(agent.received(), [], "the directive is wanted again");
    let again = round(&mut agent, directive(Wish::Create, 1), later);
    done(&mut agent, &again, Outcome::Applied, later);
    show(&mut agent, 1);
    agent.tick(later);
    assert_eq!(agent.news()[0].error_details, None);
}

#[test]
fn a_newer_generation_does_not_wait_for_the_rest_of_the_older() {
    let (mut agent, now) = (agent(), Instant::now());
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    done(&mut agent, &plan, failed(), now);
    assert_eq!(round(&mut agent, directive(Wish::Update, 2), now).actions.len(), 1);
}

#[test]
fn what_the_policy_forbids_is_the_workspaces_error() {
    let (mut agent, now) = (agent(), Instant::now());
    let mut evil = directive(Wish::Create, 1);
    evil.namespace = NamespaceName::new("kube-system").expect("a name");
    let plan = round(&mut agent, evil, now);
    assert!(plan.actions.is_empty() && matches!(plan.skipped[0].1, Skip::Refused(_)));
    let details = agent.news()[0].error_details.clone().expect("told");
    assert_eq!(details.error_type, ErrorType::Applier);
    assert!(details.error_message.contains("kube-system"));
    let mut evil = directive(Wish::Terminate, 1);
    evil.namespace = NamespaceName::new("berth-agent").expect("a name");
    assert!(round(&mut agent, evil, now).actions.is_empty());
}

#[test]
fn there_is_one_action_of_a_workspace_at_a_time() {
    let (mut agent, now) = (agent(), Instant::now());
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    for later in [directive(Wish::Update, 2), directive(Wish::Terminate, 3)] {
        assert_eq!(round(&mut agent, later, now).skipped, [(W, Skip::InFlight)]);
    }
    let held = |agent: &Agent| {
        let received = agent.received();
        received.iter().map(|held| held.generation.get()).collect::<Vec<_>>()
    };
    assert_eq!(held(&agent), [1, 3], "the server need not repeat it before the action has ended");
    done(&mut agent, &plan, Outcome::Applied, now);
    assert_eq!(held(&agent), [1]);
    assert_eq!(round(&mut agent, directive(Wish::Terminate, 3), now).actions.len(), 1);
}

#[test]
fn terminated_is_told_when_nothing_is_left_and_forgotten_after_the_echo() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    let plan = round(&mut agent, directive(Wish::Terminate, 2), now);
    done(&mut agent, &plan, Outcome::Leaving, now);
    assert_eq!(agent.news()[0].termination_progress, Some(TerminationProgress::Terminating));
    assert_eq!(agent.tick(now + SECOND).len(), 0, "something is left, the watch will tell");
    let apply = round(&mut agent, directive(Wish::Update, 1), now);
    assert_eq!(apply.skipped, [(W, Skip::BeingTerminated)]);

    for (watched, name) in [(DEPLOYMENTS, "w"), (SECRETS, "w-env"), (SECRETS, "w-file")] {
        hide(&mut agent, watched, name);
    }
    let later = now + SECOND;
    let looks = agent.tick(later);
    assert_eq!(looks.len(), 1, "the watches show nothing: look at the cluster itself");
    assert_eq!(agent.tick(later).len(), 0, "one look at a time");
    agent.finish(looks[0].done(Outcome::VolumesLeft), later, 0.0);
    assert_eq!(agent.news()[0].termination_progress, Some(TerminationProgress::Terminating));
    let looks = agent.tick(later + 2 * SECOND);
    agent.finish(looks[0].done(Outcome::Gone), later, 0.0);

    let lost = agent.news();
    assert_eq!(lost[0].termination_progress, Some(TerminationProgress::Terminated));
    // The answer is lost: it is told again.
    assert_eq!(agent.news(), lost);
    // A server that has something else on record has not heard it.
    let mut deaf = directive(Wish::Terminate, 2);
    deaf.actual_state = ActualState::Terminating;
    assert_eq!(
        agent.respond(&lost, answer(vec![deaf]), Opened::default(), later, &mut || 0.0).acknowledged,
        0
    );
    assert_eq!(agent.news(), lost);
    let mut echo = directive(Wish::None, 2);
    echo.actual_state = ActualState::Terminated;
    assert_eq!(
        agent.respond(&lost, answer(vec![echo]), Opened::default(), later, &mut || 0.0).acknowledged,
        1
    );
    assert!(agent.news().is_empty() && agent.received().is_empty());
    assert_eq!(agent.full().map(|(_, infos)| infos.len()).sum::<usize>(), 0, "forgotten");
}

#[test]
fn an_orphan_is_left_alone_until_the_server_knows_that_it_was_terminated() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    let orphan = |verdict| {
        let (name, namespace) = (WorkspaceName::new("w"), NamespaceName::new("berth-w-02020202"));
        let mut response = answer(vec![]);
        response.orphans.push(Orphan {
            workspace_id: W,
            name: name.expect("a name"),
            namespace: namespace.expect("a name"),
            verdict,
        });
        response
    };
    let sent = agent.news();
    let keep = agent.respond(&sent, orphan(OrphanVerdict::Keep), Opened::default(), now, &mut || 0.0);
    assert_eq!((keep.actions.len(), keep.acknowledged), (0, 1));
    assert!(!agent.has_news(), "told once");
    let remove = agent.respond(&[], orphan(OrphanVerdict::Remove), Opened::default(), now, &mut || 0.0);
    assert!(matches!(remove.actions[0].stage, Prepared(Task::Terminate)));
}

#[test]
fn another_term_tells_everything_anew() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    round(&mut agent, directive(Wish::Update, 2), now);
    assert!(!agent.received().is_empty());
    agent.begin_term();
    assert!(agent.received().is_empty() && agent.has_news());
}

#[test]
fn an_error_ends_with_its_cause_although_a_stopped_workspace_has_no_secrets() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    let plan = round(&mut agent, directive(Wish::Update, 2), now);
    done(&mut agent, &plan, failed(), now);
    assert!(agent.news()[0].error_details.is_some());
    // The write had arrived all the same; the Secrets went, and a workspace that is stopped gets none.
    show(&mut agent, 2);
    for secret in ["w-env", "w-file"] {
        hide(&mut agent, SECRETS, secret);
    }
    round(&mut agent, directive(Wish::None, 2), now);
    assert_eq!(agent.news()[0].error_details, None);
}
