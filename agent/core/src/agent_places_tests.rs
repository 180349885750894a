//! Objects that carry a workspace's labels where it does not live.

use super::*;

/// An object of workspace `w` in another namespace than its own.
fn copy(watched: Watched, name: &str, namespace: &str) -> Observed {
    let mut copied = metadata(name, 1);
    copied["namespace"] = json!(namespace);
    let object = json!({ "metadata": copied, "spec": { "replicas": 0, "selector": {}, "template": {} } });
    if watched == DEPLOYMENTS {
        let deployment: Deployment = serde_json::from_value(object).expect("a Deployment");
        return Observed::deployment(&deployment).expect("usable");
    }
    let metadata: ObjectMeta = serde_json::from_value(object["metadata"].clone()).expect("metadata");
    Observed::metadata(watched, &metadata).expect("usable")
}

const CONFIG_MAPS: Watched = Watched::Applied(Kind::ConfigMap);

#[test]
fn a_copy_of_the_deployment_in_a_namespace_that_sorts_first_is_not_the_workspaces_state() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    round(&mut agent, directive(Wish::None, 1), now);
    agent.index_mut().apply(copy(DEPLOYMENTS, "w", "aaa-field"));
    agent.index_mut().apply(copy(SECRETS, "w-env", "aaa-field"));
    assert_eq!(agent.news(), [], "nothing of the workspace has changed");
    agent.begin_term();
    let told = agent.news();
    assert_eq!(
        (told.len(), told[0].namespace.as_str()),
        (1, "berth-w-02020202"),
        "nor for who knows nothing else"
    );
    assert_eq!(told[0].latest_k8s_deployment_info.as_ref().and_then(|info| info.replicas), Some(1));
    assert!(!told[0].variables_missing);
}

#[test]
fn a_deployment_of_another_name_beside_the_workspaces_own_is_not_its_state() {
    let mut agent = agent();
    show(&mut agent, 1);
    agent.index_mut().apply(copy(DEPLOYMENTS, "a-copy", "berth-w-02020202"));
    let replicas = agent.news()[0].latest_k8s_deployment_info.as_ref().and_then(|info| info.replicas);
    assert_eq!(replicas, Some(1));
}

#[test]
fn what_lies_in_a_foreign_place_is_told_once_as_a_stray_and_never_acted_on() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    agent.index_mut().apply(copy(CONFIG_MAPS, "w-scripts", "zzz-field"));
    assert!(agent.has_new_strays());
    let strays = agent.strays();
    let told: Vec<_> = strays.iter().map(|stray| (&*stray.namespace, &*stray.kind, &*stray.name)).collect();
    assert_eq!(told, [("zzz-field", "ConfigMap", "w-scripts")]);
    assert_eq!(strays[0].workspace_id, W);
    assert!(!agent.has_new_strays(), "once");

    let plan = round(&mut agent, directive(Wish::Terminate, 2), now);
    for (watched, name) in [(DEPLOYMENTS, "w"), (SECRETS, "w-env"), (SECRETS, "w-file")] {
        hide(&mut agent, watched, name);
    }
    done(&mut agent, &plan, Outcome::Gone, now);
    let mut echo = directive(Wish::None, 2);
    echo.actual_state = ActualState::Terminated;
    let sent = agent.news();
    agent.respond(&sent, answer(vec![echo]), Opened::default(), now, &mut || 0.0);
    assert_eq!(agent.news(), [], "the copy is no workspace that has come back");
    assert_eq!(agent.full().map(|(_, infos)| infos.len()).sum::<usize>(), 0);
    assert_eq!((agent.tick(now + 3_600 * SECOND).len(), agent.next_due()), (0, None));
    assert_eq!(agent.strays().len(), 1, "it is still listed");
    hide_copy(&mut agent);
    assert!(agent.has_new_strays() && agent.strays().is_empty(), "until it is gone");
}

fn hide_copy(agent: &mut Agent) {
    let key = copy(CONFIG_MAPS, "w-scripts", "zzz-field").key;
    assert!(agent.index_mut().delete(&key));
}

#[test]
fn a_copy_alone_is_no_workspace_for_an_agent_that_knows_nothing() {
    let mut agent = agent();
    agent.index_mut().apply(copy(DEPLOYMENTS, "w", "zzz-field"));
    agent.begin_term();
    assert_eq!(agent.news(), []);
    assert_eq!(agent.strays().len(), 1);
}

#[test]
fn the_servers_word_on_where_a_workspace_lives_is_believed_over_the_objects() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    assert_eq!(agent.news()[0].namespace.as_str(), "berth-w-02020202");
    let mut elsewhere = directive(Wish::None, 1);
    elsewhere.namespace = NamespaceName::new("berth-w").expect("a name");
    agent.respond(&[], answer(vec![elsewhere]), Opened::default(), now, &mut || 0.0);
    let told = agent.full().map(|(_, infos)| infos.len()).sum::<usize>();
    assert_eq!(told, 0, "nothing of it is where it lives");
    assert_eq!(agent.strays().len(), 3, "what was taken for its state is not where it lives");
}

#[test]
fn what_was_found_gone_and_is_shown_all_the_same_rests() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    let plan = round(&mut agent, directive(Wish::Terminate, 2), now);
    done(&mut agent, &plan, Outcome::Gone, now);
    let mut echo = directive(Wish::None, 2);
    echo.actual_state = ActualState::Terminated;
    let sent = agent.news();
    agent.respond(&sent, answer(vec![echo]), Opened::default(), now, &mut || 0.0);
    assert_eq!(agent.news(), [], "the watches still show it, and it is not told again at once");
    assert_eq!(agent.tick(now + 59 * SECOND).len(), 0);
    assert_eq!(agent.tick(now + 60 * SECOND).len(), 1, "a minute later the cluster is looked at once more");
}

#[test]
fn what_the_watches_no_longer_show_either_is_forgotten() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    let plan = round(&mut agent, directive(Wish::Terminate, 2), now);
    done(&mut agent, &plan, Outcome::Gone, now);
    let mut echo = directive(Wish::None, 2);
    echo.actual_state = ActualState::Terminated;
    let sent = agent.news();
    agent.respond(&sent, answer(vec![echo]), Opened::default(), now, &mut || 0.0);
    for (watched, name) in [(DEPLOYMENTS, "w"), (SECRETS, "w-env"), (SECRETS, "w-file")] {
        hide(&mut agent, watched, name);
    }
    assert_eq!(agent.tick(now + SECOND).len(), 0);
    assert_eq!((agent.received(), agent.next_due()), (vec![], None));
    assert_eq!(agent.full().map(|(_, infos)| infos.len()).sum::<usize>(), 0);
}
