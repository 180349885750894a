use std::time::Instant;

use berth_schema::reconcile::{Action as Wish, ReconcileResponse, WorkspaceDirective};
use berth_schema::{ActualState, AgentId, DesiredState, Generation, NamespaceName, WorkspaceName};
use serde_json::{Value, json};

use super::*;
use crate::facts::{Observed, Watched};
use crate::fixtures::Set;
use crate::plan::{Action, Outcome, Prepared, Task};
use crate::{Agent, Identity, Opened};

const AGENT: AgentId = AgentId::from_uuid(uuid::Uuid::from_bytes([1; 16]));
const NAMESPACE: &str = "berth-w-02020202";
const W: WorkspaceId = WorkspaceId::from_uuid(uuid::Uuid::from_bytes([2; 16]));

fn metadata(name: &str, generation: i64) -> Value {
    json!({
        "name": name, "namespace": NAMESPACE,
        "labels": { "berth.dev/agent-id": AGENT, "berth.dev/workspace-id": W },
        "annotations": { "berth.dev/generation": generation.to_string() },
    })
}

/// What the API server holds of an object that `manager` wrote last.
fn live(name: &str, generation: i64, manager: &str) -> ObjectMeta {
    let mut metadata = metadata(name, generation);
    (metadata["resourceVersion"], metadata["uid"]) = (json!(format!("v{generation}")), json!(name));
    let fields = json!({ "f:data": {} });
    metadata["managedFields"] = json!([
        { "manager": manager, "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields },
        // Its status changes all the time.
        { "manager": "controller", "operation": "Update", "subresource": "status", "time": "2026-01-01T00:00:01Z" },
    ]);
    serde_json::from_value(metadata).expect("metadata")
}

/// The names of the set, in the order of application.
const EVERYTHING: [&str; 8] = [NAMESPACE, "w", "w", "w", "w-scripts", "w-data", "w", "w"];

struct Case {
    agent: Agent,
    /// The names of ConfigMaps in the set, beside a claim and the Deployment.
    config_maps: Vec<&'static str>,
    data: &'static str,
}

impl Case {
    fn new() -> Self {
        let agent = Agent::new(Identity::of(AGENT));
        Self { agent, config_maps: vec!["w-scripts"], data: "a" }
    }

    fn told(&mut self, generation: i64) -> Action<Prepared> {
        let (agent, workspace) = (AGENT.to_string(), W.to_string());
        let set = Set { agent: &agent, workspace: &workspace, name: "w", namespace: NAMESPACE, generation };
        let mut objects = set.objects();
        let scripts = objects.iter().position(|object| object["kind"] == "ConfigMap").expect("there");
        let config_map = objects.remove(scripts);
        for (at, name) in self.config_maps.iter().enumerate() {
            let mut map = config_map.clone();
            map["metadata"]["name"] = json!(name);
            map["data"] = json!({ "a": if at == 0 { self.data } else { "" } });
            objects.insert(scripts + at, map);
        }
        let directive = WorkspaceDirective {
            workspace_id: W,
            name: WorkspaceName::new("w").expect("a name"),
            namespace: NamespaceName::new(NAMESPACE).expect("a name"),
            action: Wish::Update,
            desired_state: DesiredState::Running,
            actual_state: ActualState::Unknown,
            deployment_resource_version: None,
            generation: Generation::of(generation),
            config_to_apply: Some(objects),
            variables: None,
            credentials: None,
        };
        let response = ReconcileResponse { workspaces: vec![directive], ..ReconcileResponse::default() };
        let mut plan = self.agent.respond(&[], response, Opened::default(), Instant::now(), &mut || 0.0);
        plan.actions.pop().unwrap_or_else(|| panic!("no action: {:?}", plan.skipped))
    }

    /// The action's objects are written, and the watches show them.
    fn applied(&mut self, action: &Action<Prepared>) {
        let apply = apply_of(action);
        let generation = action.generation.get();
        let mut left = vec![];
        for manifest in apply.manifests() {
            let mut metadata = live(&manifest.name, generation, "berth-agent");
            if manifest.kind == Kind::Deployment {
                let annotations = metadata.annotations.get_or_insert_with(Default::default);
                annotations.insert("berth.dev/secret-versions".to_owned(), "v1 v1".to_owned());
                let deployment =
                    serde_json::from_value(json!({ "metadata": metadata })).expect("a Deployment");
                self.agent.index_mut().apply(Observed::deployment(&deployment).expect("usable"));
            } else {
                left.push(manifest.left(&metadata));
                self.show(Watched::Applied(manifest.kind), &metadata);
            }
        }
        self.agent.finish(action.left(Outcome::Applied, left), Instant::now(), 0.0);
        // Proven: the Secrets are there.
        for name in ["w-env", "w-file"] {
            self.show(Watched::Applied(Kind::Secret), &live(name, 1, "berth-agent"));
        }
        self.agent.tick(Instant::now());
    }

    fn show(&mut self, watched: Watched, metadata: &ObjectMeta) {
        self.agent.index_mut().apply(Observed::metadata(watched, metadata).expect("usable"));
    }

    /// Generation 1 is applied, and what generation 2 then writes.
    fn second(&mut self, meanwhile: impl FnOnce(&mut Self)) -> Action<Prepared> {
        let first = self.told(1);
        assert_eq!(written(&first), EVERYTHING);
        assert!(apply_of(&first).prune);
        self.applied(&first);
        meanwhile(self);
        self.told(2)
    }
}

fn apply_of(action: &Action<Prepared>) -> &Apply {
    let Prepared(Task::Apply(apply)) = &action.stage else { panic!("not an apply") };
    apply
}

fn written(action: &Action<Prepared>) -> Vec<&str> {
    apply_of(action).manifests().map(|manifest| manifest.name.as_str()).collect()
}

#[test]
fn where_nobody_touched_anything_the_deployment_alone_is_written_and_not_even_read() {
    let action = Case::new().second(|_| ());
    assert_eq!(written(&action), ["w"]);
    let seen = apply_of(&action).seen.as_ref().expect("nothing else is to be written");
    assert_eq!(seen.version, "v1");
    assert_eq!(seen.secrets, Some(crate::SecretVersions::new("v1", "v1")), "what is on record stays");
    assert!(!apply_of(&action).prune);
    for name in ["w-scripts", "w-env"] {
        let kind = if name == "w-env" { Kind::Secret } else { Kind::ConfigMap };
        assert!(
            apply_of(&action).holds(&action.object_name(), kind, name),
            "{name} belongs although it is not written"
        );
    }
}

#[test]
fn what_somebody_else_changed_is_written_again() {
    let action = Case::new().second(|case| {
        case.show(Watched::Applied(Kind::ConfigMap), &live("w-scripts", 1, "somebody"));
    });
    assert_eq!(written(&action), ["w-scripts", "w"]);
    assert_eq!(apply_of(&action).seen, None, "it is looked at first");
}

#[test]
fn what_an_agent_wrote_for_another_generation_is_written_again() {
    let action = Case::new().second(|case| {
        case.show(Watched::Applied(Kind::ConfigMap), &live("w-scripts", 0, "berth-agent"));
    });
    assert_eq!(written(&action), ["w-scripts", "w"]);
}

#[test]
fn what_somebody_deleted_is_written_again() {
    let action = Case::new().second(|case| {
        let gone = Observed::metadata(
            Watched::Applied(Kind::PersistentVolumeClaim),
            &live("w-data", 1, "berth-agent"),
        )
        .expect("usable");
        case.agent.index_mut().delete(&gone.key);
    });
    assert_eq!(written(&action), ["w-data", "w"]);
}

#[test]
fn in_a_namespace_that_is_not_the_one_that_was_left_everything_is_written() {
    let namespace = Watched::Applied(Kind::Namespace);
    let another = Case::new().second(|case| {
        let mut made_anew = live(NAMESPACE, 1, "berth-agent");
        made_anew.uid = Some("another".to_owned());
        case.show(namespace, &made_anew);
    });
    assert_eq!(written(&another), EVERYTHING);
    let gone = Case::new().second(|case| {
        let gone = Observed::metadata(namespace, &live(NAMESPACE, 1, "berth-agent")).expect("usable");
        case.agent.index_mut().delete(&gone.key);
    });
    assert_eq!(written(&gone), EVERYTHING, "what the other watches still show is gone with it");
}

#[test]
fn what_a_doubted_list_lacked_is_written_again() {
    let action = Case::new().second(|case| {
        let index = case.agent.index_mut();
        index.begin_list(Watched::Applied(Kind::ConfigMap));
        let verdict = index.end_list(Watched::Applied(Kind::ConfigMap));
        assert_eq!(verdict, crate::ListVerdict::Doubted { missing: 1, of: 1 });
    });
    assert_eq!(written(&action), ["w-scripts", "w"]);
}

#[test]
fn what_changes_its_content_is_written_and_the_rest_is_not() {
    let action = Case::new().second(|case| case.data = "b");
    assert_eq!(written(&action), ["w-scripts", "w"]);
    assert!(!apply_of(&action).prune, "the names are the same");
}

#[test]
fn a_set_of_other_names_is_pruned() {
    let mut case = Case::new();
    let action = case.second(|case| case.config_maps.push("w-more"));
    assert_eq!(written(&action), ["w-more", "w"]);
    assert!(apply_of(&action).prune);
    // It failed before it pruned: the next one has to, although the names are the same.
    case.agent.finish(action.done(Outcome::OlderThanLive { live: Generation::of(2) }), Instant::now(), 0.0);
    assert!(apply_of(&case.told(3)).prune);
}

#[test]
fn something_that_carries_the_labels_and_does_not_belong_is_pruned() {
    let action = Case::new().second(|case| {
        case.show(Watched::Applied(Kind::ConfigMap), &live("stray", 1, "somebody"));
    });
    assert_eq!(written(&action), ["w"]);
    assert!(apply_of(&action).prune);
    assert_eq!(apply_of(&action).seen, None);
}

#[test]
fn what_was_not_written_to_its_end_is_written_again() {
    let mut case = Case::new();
    let action = case.second(|case| case.data = "b");
    let details = crate::plan::refused(&crate::policy::Refusal::Nothing);
    case.agent.finish(action.done(Outcome::Failed(details)), Instant::now(), 0.0);
    assert_eq!(written(&case.told(3)), ["w-scripts", "w"]);
}

#[test]
fn another_term_of_leadership_knows_nothing_of_what_was_written() {
    let action = Case::new().second(|case| case.agent.begin_term());
    assert_eq!(written(&action), EVERYTHING);
    assert!(apply_of(&action).prune);
}

#[test]
fn a_stamp_is_of_who_wrote_what_and_when_and_not_of_the_status() {
    let stamp = |entry: usize, time: &str| {
        let mut metadata = live("w-data", 1, "berth-agent");
        let entries = metadata.managed_fields.as_mut().expect("entries");
        entries[entry].time = serde_json::from_value(json!(time)).expect("a time");
        Stamp::of(Kind::PersistentVolumeClaim, &metadata)
    };
    let (one, other) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z");
    assert_ne!(stamp(0, one), stamp(0, other), "it was edited, and edited back by the same manager");
    assert_eq!(stamp(1, one), stamp(1, other), "its status has changed");
}
