//! What becomes of an apply that meets somebody else's changes, or a refusal. The way of things is tried on a real
//! Kubernetes in `integration-tests`.

mod support;

use std::sync::{Arc, OnceLock};

use berth_agent::apply;
use berth_agent::failure::Failure;
use berth_agent_core::{Outcome, Prepared, Task};
use berth_schema::Generation;
use berth_schema::reconcile::ErrorType;
use http::Method;
use serde_json::json;
use support::{ACCOUNT, CLAIM, DEPLOYMENT, NAMESPACE, POLICY, QUOTA, SECRET, World};

async fn run(world: &Arc<World>, generation: i64) -> Result<Outcome, Failure> {
    let action = world.prepared(generation);
    let Prepared(Task::Apply(set)) = &action.stage else { panic!("not an apply") };
    apply::run(&world.cluster(), &action, set).await.map(|(outcome, _)| outcome)
}

#[tokio::test]
async fn objects_are_written_in_order_and_the_deployment_last() {
    let world = World::new(|_, _, _| None);
    assert!(matches!(run(&world, 1).await, Ok(Outcome::Applied)));
    let files = SECRET.replace("-env", "-file");
    let before = [NAMESPACE, ACCOUNT, QUOTA, POLICY];
    assert_eq!(world.writes(), [&before[..], &[SECRET, &files, CLAIM, DEPLOYMENT]].concat());
}

/// What the Deployment has on record of the Secrets.
fn recorded(world: &World) -> Option<String> {
    let mut recorded = None;
    world.change(DEPLOYMENT, |object| {
        recorded = object["metadata"]["annotations"]["berth.dev/secret-versions"].as_str().map(str::to_owned);
    });
    recorded
}

#[tokio::test]
async fn the_deployment_has_on_record_how_the_secrets_were_left() {
    let mut changes = 2;
    let world = World::new(move |method, path, objects| {
        // Somebody changes the Deployment at the same moment, and a Secret.
        if *method == Method::PATCH && path == DEPLOYMENT && changes > 0 {
            changes -= 1;
            if let Some(deployment) = objects.get_mut(path) {
                deployment["metadata"]["resourceVersion"] = json!(format!("7{changes}"));
            }
            objects.get_mut(SECRET)?["metadata"]["resourceVersion"] = json!("66");
        }
        None
    });
    run(&world, 1).await.expect("applied");
    assert_eq!(recorded(&world).as_deref(), Some("2 2"), "as written, not as changed since");
    run(&world, 2).await.expect("applied");
    assert_eq!(recorded(&world).as_deref(), Some("67 3"));
}

#[tokio::test]
async fn where_no_secrets_are_written_the_record_stays_as_it_is() {
    let world = World::new(|_, _, _| None);
    run(&world, 1).await.expect("applied");
    let action = world.prepared(2);
    let Prepared(Task::Apply(mut set)) = action.stage else { panic!("not an apply") };
    set.secrets = None;
    // Whoever has changed a Secret meanwhile is not covered up.
    world.change(SECRET, |secret| secret["metadata"]["resourceVersion"] = json!("66"));
    let action = world.prepared(2);
    apply::run(&world.cluster(), &action, &set).await.expect("applied");
    assert_eq!(recorded(&world).as_deref(), Some("2 2"));
}

#[tokio::test]
async fn a_deployment_that_changes_meanwhile_is_read_and_written_again() {
    let mut changes = 2;
    let world = World::new(move |method, path, objects| {
        if *method == Method::PATCH && path == DEPLOYMENT && changes > 0 {
            changes -= 1;
            objects.get_mut(path)?["metadata"]["resourceVersion"] = json!(format!("7{changes}"));
        }
        None
    });
    world.put(DEPLOYMENT, 1);
    assert!(matches!(run(&world, 2).await, Ok(Outcome::Applied)));
    assert_eq!(world.writes().last().map(String::as_str), Some(DEPLOYMENT));
}

#[tokio::test]
async fn a_deployment_that_changes_for_ever_is_given_up() {
    let mut version = 100;
    let world = World::new(move |method, path, objects| {
        if *method == Method::PATCH && path == DEPLOYMENT {
            version += 1;
            objects.get_mut(path)?["metadata"]["resourceVersion"] = json!(version.to_string());
        }
        None
    });
    world.put(DEPLOYMENT, 1);
    assert!(matches!(run(&world, 2).await, Err(Failure::Contended)));
}

#[tokio::test]
async fn a_newer_generation_is_not_written_over_and_nothing_else_is_written() {
    let world = World::new(|_, _, _| None);
    world.put(DEPLOYMENT, 5);
    let outcome = run(&world, 4).await.expect("no failure");
    assert_eq!(outcome, Outcome::OlderThanLive { live: Generation::of(5) });
    assert_eq!(world.writes(), [""; 0]);
}

#[tokio::test]
async fn a_newer_generation_that_appears_during_the_apply_wins() {
    let world = World::new(|method, path, objects| {
        if *method == Method::PATCH && path == CLAIM {
            let deployment = objects.get_mut(DEPLOYMENT)?;
            deployment["metadata"]["annotations"]["berth.dev/generation"] = json!("9");
            deployment["metadata"]["resourceVersion"] = json!("9");
        }
        None
    });
    world.put(DEPLOYMENT, 1);
    let outcome = run(&world, 2).await.expect("no failure");
    assert_eq!(outcome, Outcome::OlderThanLive { live: Generation::of(9) });
    assert!(!world.writes().contains(&DEPLOYMENT.to_owned()));
}

#[tokio::test]
async fn a_deployment_that_appears_during_the_first_apply_is_looked_at_before_it_is_written_over() {
    for (theirs, expected) in [(9, Outcome::OlderThanLive { live: Generation::of(9) }), (1, Outcome::Applied)]
    {
        let made = Arc::new(OnceLock::<serde_json::Value>::new());
        let there = Arc::clone(&made);
        let world = World::new(move |method, path, objects| {
            if *method == Method::PATCH && path == CLAIM {
                objects.insert(DEPLOYMENT.to_owned(), there.get()?.clone());
            }
            None
        });
        made.set(world.object(DEPLOYMENT, theirs)).expect("set once");
        assert_eq!(run(&world, 2).await.expect("no failure"), expected);
        let written = world.writes().contains(&DEPLOYMENT.to_owned());
        assert_eq!(written, expected == Outcome::Applied);
    }
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_not_taken_over() {
    for path in [NAMESPACE, DEPLOYMENT, ACCOUNT, QUOTA, POLICY, SECRET, CLAIM] {
        let world = World::new(|_, _, _| None);
        world.put(NAMESPACE, 1);
        world.put(path, 1);
        world.change(path, |object| object["metadata"]["labels"] = json!({ "team": "payroll" }));
        let refused = run(&world, 2).await;
        assert!(matches!(refused, Err(Failure::Foreign { .. })), "{path}: {refused:?}");
        assert!(!world.writes().contains(&path.to_owned()), "{path}");
        assert!(!world.writes().contains(&DEPLOYMENT.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn what_somebody_makes_at_the_same_moment_is_not_taken_over() {
    for path in [ACCOUNT, SECRET, CLAIM] {
        let world = World::new(move |method, asked, objects| {
            if *method == Method::PATCH && asked == path && !objects.contains_key(path) {
                let theirs = json!({ "metadata": { "name": "x", "uid": "theirs", "resourceVersion": "9" } });
                let name = path.rsplit('/').next()?;
                objects.insert(path.to_owned(), theirs);
                objects.get_mut(path)?["metadata"]["name"] = json!(name);
            }
            None
        });
        let refused = run(&world, 1).await;
        assert!(matches!(refused, Err(Failure::Foreign { .. })), "{path}: {refused:?}");
        assert!(!world.writes().contains(&path.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_foreign_secret_that_has_the_name_of_the_workspaces_is_not_read() {
    for path in [SECRET.to_owned(), SECRET.replace("-env", "-git")] {
        let world = World::new(|_, _, _| None);
        for there in [NAMESPACE, &path] {
            world.put(there, 1);
        }
        world.change(&path, |object| object["metadata"]["labels"] = json!({ "team": "payroll" }));
        let refused = world.without_variables(1).await;
        assert!(matches!(refused, Err(Failure::Foreign { .. })), "{path}: {refused:?}");
        assert_eq!(world.writes(), [""; 0]);
    }
}

#[tokio::test]
async fn credentials_are_delivered_into_the_workspaces_own_namespace_alone() {
    let world = World::new(|_, _, _| None);
    let refused = world.deliver().await;
    assert!(matches!(refused, Err(Failure::NoNamespace { .. })), "{refused:?}");
    world.put(NAMESPACE, 1);
    let refused = world.deliver().await;
    assert!(matches!(refused, Err(Failure::UnsafeNamespace { .. })), "{refused:?}");
    world.change(NAMESPACE, |object| object["metadata"]["labels"] = json!({ "team": "payroll" }));
    assert!(matches!(world.deliver().await, Err(Failure::Foreign { .. })));
    assert_eq!(world.writes(), [""; 0]);
}

#[tokio::test]
async fn a_volume_that_was_in_use_is_not_replaced_by_an_empty_one() {
    let world = World::new(|_, _, _| None);
    world.put(NAMESPACE, 1);
    world.put(DEPLOYMENT, 1);
    let claim = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "w-data" } }]);
    let pod = json!({ "containers": [], "volumes": claim });
    let spec =
        json!({ "selector": {}, "template": { "metadata": { "labels": world.labels() }, "spec": pod } });
    world.change(DEPLOYMENT, |object| object["spec"] = spec);
    let failure = run(&world, 2).await.expect_err("the volume is lost");
    assert!(matches!(failure, Failure::VolumeLost { .. }), "{failure}");
    world.put(CLAIM, 1);
    assert!(matches!(run(&world, 2).await, Ok(Outcome::Applied)));
}

#[tokio::test]
async fn a_refused_secret_is_told_without_what_the_api_server_said() {
    let world = World::new(|method, path, _| {
        (*method == Method::PATCH && path == SECRET).then_some((403, "webhook denied {A: hunter2}"))
    });
    let details = run(&world, 1).await.expect_err("refused").details();
    assert_eq!(details.error_type, ErrorType::Kubernetes);
    assert_eq!(details.error_message, "applying Secret/w-env: Forbidden (HTTP 403)");
}

#[tokio::test]
async fn a_refusal_stops_before_the_deployment() {
    let world = World::new(|method, path, _| {
        (*method == Method::PATCH && path == CLAIM).then_some((403, "exceeded quota: storage"))
    });
    let details = run(&world, 1).await.expect_err("refused").details();
    assert_eq!(details.error_message, "applying PersistentVolumeClaim/w-data: exceeded quota: storage");
    assert!(!world.writes().contains(&DEPLOYMENT.to_owned()));
}
