//! What somebody changes in the cluster, and what becomes of it.

use berth_schema::reconcile::Change;

use super::*;
use crate::plan::Apply;

const CONFIG_MAPS: Watched = Watched::Applied(Kind::ConfigMap);
const CLAIMS: Watched = Watched::Applied(Kind::PersistentVolumeClaim);

/// Writes what is to be written, and has the watches show it; `counter` is the Deployment's `metadata.generation` before.
fn write(agent: &mut Agent, plan: &Plan, counter: Option<i64>, now: Instant) {
    let Prepared(Task::Apply(apply)) = &plan.actions[0].stage else { panic!("not an apply") };
    let apply: &Apply = apply;
    let mut left = vec![];
    for manifest in apply.first.iter().chain(&apply.then).filter(|manifest| manifest.kind != Kind::Deployment)
    {
        let observed = present(Watched::Applied(manifest.kind), &manifest.name, 1);
        let metadata: ObjectMeta = serde_json::from_value(metadata(&manifest.name, 1)).expect("metadata");
        left.push(manifest.left(&metadata));
        agent.index_mut().apply(observed);
    }
    show_deployment(agent, counter, |deployment| {
        crate::Record::put_on(deployment, counter, apply.left(&left));
    });
    for secret in ["w-env", "w-file"] {
        agent.index_mut().apply(present(SECRETS, secret, 1));
    }
    agent.finish(plan.actions[0].left(Outcome::Applied, left), now, 0.0);
    agent.tick(now);
}

fn show_deployment(agent: &mut Agent, counter: Option<i64>, change: impl FnOnce(&mut Value)) {
    let mut deployment = json!({ "metadata": metadata("w", 1), "spec": {
        "replicas": 1, "selector": {}, "template": {} } });
    deployment["metadata"]["annotations"]["berth.dev/secret-versions"] = json!("v1 v1");
    change(&mut deployment);
    deployment["metadata"]["generation"] = json!(counter.unwrap_or(0) + 1);
    let deployment: Deployment = serde_json::from_value(deployment).expect("a Deployment");
    agent.index_mut().apply(Observed::deployment(&deployment).expect("usable"));
}

/// A workspace that was applied, shown and acknowledged.
fn settled() -> (Agent, Instant) {
    let (mut agent, now) = (agent(), Instant::now());
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    write(&mut agent, &plan, None, now);
    round(&mut agent, directive(Wish::None, 1), now);
    assert_eq!(agent.news(), [], "it is as it was left");
    (agent, now)
}

fn drift(agent: &mut Agent) -> Vec<(String, Change)> {
    let told = agent.full().flat_map(|(_, infos)| infos).collect::<Vec<_>>();
    told[0].drift.iter().map(|drifted| (drifted.object.to_string(), drifted.change)).collect()
}

fn changed(watched: Watched, name: &str) -> Observed {
    let mut metadata = metadata(name, 1);
    metadata["managedFields"] =
        json!([{ "manager": "kubectl", "operation": "Update", "fieldsV1": { "f:data": {} } }]);
    let metadata: ObjectMeta = serde_json::from_value(metadata).expect("metadata");
    Observed::metadata(watched, &metadata).expect("usable")
}

fn of(object: &str, change: Change) -> Vec<(String, Change)> {
    vec![(object.to_owned(), change)]
}

#[test]
fn an_object_that_was_changed_deleted_or_added_is_told_in_the_same_round() {
    let (mut agent, _) = settled();
    agent.index_mut().apply(changed(CONFIG_MAPS, "w-scripts"));
    assert!(agent.has_news());
    assert_eq!(drift(&mut agent), of("ConfigMap/w-scripts", Change::Changed));
    hide(&mut agent, CONFIG_MAPS, "w-scripts");
    assert_eq!(drift(&mut agent), of("ConfigMap/w-scripts", Change::Missing));
    agent.index_mut().apply(present(CONFIG_MAPS, "w-scripts", 1));
    assert_eq!(drift(&mut agent), [], "it is as it was");
    agent.index_mut().apply(present(Watched::Applied(Kind::NetworkPolicy), "open", 1));
    assert_eq!(drift(&mut agent), of("NetworkPolicy/open", Change::Added));
}

#[test]
fn a_change_of_the_deployment_itself_is_told() {
    let (mut agent, _) = settled();
    // Its spec, `paused` for example, or an annotation: each write of these counts.
    let record = record(&agent);
    show_deployment(&mut agent, Some(1), |deployment| {
        deployment["metadata"]["annotations"]["berth.dev/left"] = json!(record);
    });
    assert_eq!(drift(&mut agent), of("Deployment/w", Change::Changed));
    // A label alone.
    show_deployment(&mut agent, None, |deployment| {
        deployment["metadata"]["annotations"]["berth.dev/left"] = json!(record);
        deployment["metadata"]["labels"]["evil"] = json!("x");
    });
    assert_eq!(drift(&mut agent), of("Deployment/w", Change::Changed));
    show_deployment(&mut agent, None, |_| ());
    assert_eq!(drift(&mut agent), of("Deployment/w", Change::Unrecorded), "the record is gone");
}

/// The settled Deployment's record: ConfigMap and claim as the fixture makes them.
fn record(agent: &Agent) -> String {
    let home = agent.home(W).expect("it has a home");
    let fact = agent.index.view(W, Some(&home)).deployment().expect("it is shown").clone();
    serde_json::to_string(&fact.record.expect("it has one")).expect("JSON")
}

#[test]
fn an_agent_that_was_away_sees_it_too() {
    let (mut agent, _) = settled();
    agent.index_mut().apply(changed(CONFIG_MAPS, "w-scripts"));
    agent.begin_term();
    assert_eq!(drift(&mut agent), of("ConfigMap/w-scripts", Change::Changed));
}

#[test]
fn whoever_binds_the_claim_has_changed_nothing() {
    let (mut agent, _) = settled();
    agent.index_mut().apply(changed(CLAIMS, "w-data"));
    assert_eq!(drift(&mut agent), []);
}

#[test]
fn what_was_changed_is_put_in_the_place_of_what_is_there_and_the_rest_is_left_alone() {
    let (mut agent, now) = settled();
    agent.index_mut().apply(changed(CONFIG_MAPS, "w-scripts"));
    let plan = round(&mut agent, directive(Wish::Update, 1), now);
    let Prepared(Task::Apply(apply)) = &plan.actions[0].stage else { panic!("not an apply") };
    let names = apply.manifests().map(|manifest| (manifest.kind, apply.replaces(manifest)));
    assert_eq!(names.collect::<Vec<_>>(), [(Kind::ConfigMap, true), (Kind::Deployment, false)]);
    write(&mut agent, &plan, Some(1), now);
    assert_eq!(drift(&mut agent), []);
}

#[test]
fn whoever_changes_it_again_and_again_waits_longer_each_time() {
    let (mut agent, mut now) = settled();
    let mut rests = vec![];
    for counter in 1..=16 {
        agent.index_mut().apply(changed(CONFIG_MAPS, "w-scripts"));
        let plan = round(&mut agent, directive(Wish::Update, 1), now);
        assert_eq!(plan.actions.len(), 1);
        write(&mut agent, &plan, Some(counter), now);
        agent.index_mut().apply(changed(CONFIG_MAPS, "w-scripts"));
        let resting = round(&mut agent, directive(Wish::Update, 1), now);
        let Skip::BackingOff { remaining } = resting.skipped[0].1 else { panic!("it does not rest") };
        rests.push(remaining.as_secs());
        assert!(!agent.full().flat_map(|(_, infos)| infos).all(|info| info.drift.is_empty()), "it is told");
        now += remaining;
        agent.tick(now);
    }
    assert_eq!(rests, [2, 2, 2, 2, 2, 2, 2, 2, 4, 8, 16, 32, 64, 120, 120, 120]);
}

/// What is there when somebody has taken all labels off, or has put another object in that place.
fn unlabelled(name: &str, uid: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), uid: Some(uid.to_owned()), ..ObjectMeta::default() }
}

fn applied(plan: &Plan) -> &Apply {
    let Prepared(Task::Apply(apply)) = &plan.actions[0].stage else { panic!("not an apply") };
    apply
}

#[test]
fn what_lost_its_labels_is_known_by_its_uid_and_nothing_else_is() {
    let (mut agent, now) = settled();
    hide(&mut agent, CONFIG_MAPS, "w-scripts");
    hide(&mut agent, SECRETS, "w-env");
    let plan = round(&mut agent, directive(Wish::Update, 1), now);
    let apply = applied(&plan);
    let scripts = apply.manifests().find(|manifest| manifest.kind == Kind::ConfigMap).expect("it is missing");
    assert!(apply.replaces(scripts), "what was added meanwhile goes");
    for (kind, name) in [(Kind::ConfigMap, "w-scripts"), (Kind::Secret, "w-env")] {
        assert!(apply.known.is(kind, &unlabelled(name, &format!("uid of {name}"))), "{name}");
        assert!(!apply.known.is(kind, &unlabelled(name, "another")), "{name}");
        assert!(!apply.known.is(kind, &unlabelled("other", &format!("uid of {name}"))), "{name}");
    }
    assert!(!apply.known.is(Kind::Service, &unlabelled("w-scripts", "uid of w-scripts")));
    // What is shown may lose them before it is written.
    assert!(apply.known.is(Kind::Deployment, &unlabelled("w", "uid of w")));
    assert!(!apply.replaces(apply.then.last().expect("the Deployment")));
}

#[test]
fn a_deployment_without_its_labels_is_known_and_put_in_its_own_place() {
    let (mut agent, now) = settled();
    hide(&mut agent, DEPLOYMENTS, "w");
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    let apply = applied(&plan);
    assert!(apply.known.is(Kind::Deployment, &unlabelled("w", "uid of w")));
    let deployment = apply.then.last().expect("the Deployment");
    assert!(apply.seen.is_none() && apply.replaces(deployment));
}

#[test]
fn an_agent_that_was_away_knows_what_lost_its_labels_from_the_record() {
    let (agent, now) = settled();
    let record = record(&agent);
    let mut next = super::agent();
    show_deployment(&mut next, None, |deployment| {
        deployment["metadata"]["annotations"]["berth.dev/left"] = json!(record);
    });
    let plan = round(&mut next, directive(Wish::Update, 1), now);
    let apply = applied(&plan);
    assert!(apply.known.is(Kind::ConfigMap, &unlabelled("w-scripts", "uid of w-scripts")));
    assert!(!apply.known.is(Kind::ConfigMap, &unlabelled("w-scripts", "another")));
}

#[test]
fn what_is_gone_for_good_is_known_no_more() {
    let (mut agent, now) = settled();
    hide(&mut agent, CONFIG_MAPS, "w-scripts");
    agent.forget(W);
    let plan = round(&mut agent, directive(Wish::Update, 1), now);
    let kept = applied(&plan);
    assert!(
        kept.known.is(Kind::ConfigMap, &unlabelled("w-scripts", "uid of w-scripts")),
        "the record has it"
    );
    hide(&mut agent, DEPLOYMENTS, "w");
    agent.forget(W);
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    for (kind, name) in [(Kind::ConfigMap, "w-scripts"), (Kind::Deployment, "w")] {
        assert!(!applied(&plan).known.is(kind, &unlabelled(name, &format!("uid of {name}"))), "{name}");
    }
}

#[test]
fn what_somebody_added_before_there_was_a_record_goes_as_well() {
    let (mut agent, now) = settled();
    show_deployment(&mut agent, None, |deployment| {
        deployment["metadata"]["managedFields"] = json!([
            { "manager": "berth-agent", "operation": "Apply" },
            { "manager": "kube-controller-manager", "operation": "Update", "subresource": "status" },
            { "manager": "kubectl", "operation": "Update" },
        ]);
    });
    let plan = round(&mut agent, directive(Wish::Update, 1), now);
    let apply = applied(&plan);
    assert!(apply.replaces(apply.then.last().expect("the Deployment")));
}
