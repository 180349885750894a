use berth_schema::kubernetes::SHARED_NAMESPACE;
use berth_schema::{NamespaceName, WorkspaceName};
use proptest::prelude::*;

use super::*;

const SECRETS: Watched = Watched::Applied(Kind::Secret);

fn workspace(number: u8) -> WorkspaceId {
    WorkspaceId::from_uuid(uuid::Uuid::from_bytes([number; 16]))
}

fn secret(number: u8, suffix: &str) -> Observed {
    let name = format!("w{number}");
    Observed {
        key: ObjectKey {
            watched: SECRETS,
            namespace: format!("berth-{name}"),
            name: format!("{name}-{suffix}"),
        },
        workspace: workspace(number),
        workspace_name: WorkspaceName::new(name).ok(),
        uid: None,
        fact: Fact::Secret { stamp: Stamp::default(), version: "7".into(), delivered: None },
    }
}

fn home() -> Home {
    let name = WorkspaceName::new("w1").expect("a name");
    Home::new(workspace(1), &name, &NamespaceName::new("berth-w1").expect("a name"))
}

fn index_of(numbers: std::ops::Range<u8>) -> Index {
    let mut index = Index::default();
    for number in numbers {
        index.apply(secret(number, "env"));
    }
    index
}

fn relist(index: &mut Index, numbers: std::ops::Range<u8>) -> ListVerdict {
    index.begin_list(SECRETS);
    for number in numbers {
        index.apply(secret(number, "env"));
    }
    index.end_list(SECRETS)
}

#[test]
fn the_same_object_again_is_nothing_new() {
    let mut index = Index::default();
    assert!(index.apply(secret(1, "env")));
    assert!(!index.apply(secret(1, "env")));
    assert!(index.delete(&secret(1, "env").key));
    assert!(!index.delete(&secret(1, "env").key));
    assert_eq!(index.workspaces().count(), 0, "nothing is left of it");
}

#[test]
fn a_workspace_whose_object_vanishes_is_looked_at() {
    let mut index = index_of(1..3);
    index.take_touched();
    index.delete(&secret(1, "env").key);
    assert_eq!(index.take_touched().into_iter().collect::<Vec<_>>(), [workspace(1)]);
}

#[test]
fn an_object_that_changes_hands_leaves_the_first_workspace() {
    let mut index = index_of(1..2);
    let mut moved = secret(1, "env");
    moved.workspace = workspace(9);
    assert!(index.apply(moved));
    assert_eq!(index.workspaces().collect::<Vec<_>>(), [workspace(9)]);
}

#[test]
fn both_secrets_make_the_variables_complete() {
    let mut index = index_of(1..2);
    let home = home();
    assert!(!index.view(workspace(1), Some(&home)).has_secrets());
    index.apply(secret(1, "file"));
    assert!(index.view(workspace(1), Some(&home)).has_secrets());
}

/// The Deployment of workspace 1, which has versions of the Secrets on record.
fn deployment(recorded: Option<&str>) -> Observed {
    let annotations = recorded.map(|recorded| serde_json::json!({ "berth.dev/secret-versions": recorded }));
    let labels =
        serde_json::json!({ "berth.dev/workspace-id": workspace(1), "app.kubernetes.io/name": "w1" });
    let metadata = serde_json::json!({
        "name": "w1", "namespace": "berth-w1", "labels": labels, "annotations": annotations,
    });
    let deployment = serde_json::from_value(serde_json::json!({ "metadata": metadata }));
    Observed::deployment(&deployment.expect("a Deployment")).expect("usable")
}

#[test]
fn a_secret_at_another_version_than_it_was_left_at_is_as_good_as_none() {
    let mut index = index_of(1..2);
    let home = home();
    index.apply(secret(1, "file"));
    for (recorded, complete) in
        [(Some("7 7"), true), (Some("7 8"), false), (Some("8 7"), false), (None, false)]
    {
        index.apply(deployment(recorded));
        assert_eq!(index.view(workspace(1), Some(&home)).has_secrets(), complete, "{recorded:?}");
    }
    index.apply(deployment(Some("7 7")));
    let mut changed = secret(1, "env");
    changed.fact = Fact::Secret { stamp: Stamp::default(), version: "9".into(), delivered: None };
    assert!(index.apply(changed), "that is news");
    assert!(!index.view(workspace(1), Some(&home)).has_secrets());
}

/// Another object of workspace 1, which somebody may have deleted.
fn present(kind: Kind, name: &str, leaving: bool) -> Observed {
    let namespace = (kind != Kind::Namespace).then_some("berth-w1");
    let metadata = serde_json::json!({
        "name": name, "namespace": namespace, "labels": { "berth.dev/workspace-id": workspace(1) },
        "deletionTimestamp": leaving.then_some("2026-01-01T00:00:00Z"),
    });
    let metadata = serde_json::from_value(metadata).expect("metadata");
    Observed::metadata(Watched::Applied(kind), &metadata).expect("usable")
}

#[test]
fn what_holds_a_workspaces_content_is_missed() {
    let home = home();
    let lost = |objects: &[Observed]| {
        let mut index = Index::default();
        for observed in objects {
            index.apply(observed.clone());
        }
        index.view(workspace(1), Some(&home)).lost()
    };
    let namespace = |leaving| present(Kind::Namespace, "berth-w1", leaving);
    let claim = |leaving| present(Kind::PersistentVolumeClaim, "w1-data", leaving);
    assert_eq!(lost(&[namespace(false), claim(false), deployment(None)]), None);
    assert_eq!(lost(&[namespace(false), claim(false)]), None, "its content is there");
    assert_eq!(lost(&[namespace(true), claim(false), deployment(None)]), Some(Lost::NamespaceLeaving));
    assert_eq!(lost(&[namespace(true)]), Some(Lost::NamespaceLeaving));
    assert_eq!(lost(&[]), Some(Lost::Namespace));
    assert_eq!(lost(&[namespace(false)]), Some(Lost::Volumes));
    assert_eq!(lost(&[namespace(false), claim(true), deployment(None)]), Some(Lost::VolumeLeaving));
    // Somebody has taken the labels off the namespace: it is put right, and nothing is lost.
    assert_eq!(lost(&[claim(false), deployment(None)]), None);
}

#[test]
fn a_shared_namespace_is_not_the_workspaces_to_lose() {
    let name = WorkspaceName::new("w1").expect("a name");
    let shared = Home::new(workspace(1), &name, &NamespaceName::new(SHARED_NAMESPACE).expect("a name"));
    let index = Index::default();
    assert_eq!(index.view(workspace(1), Some(&shared)).lost(), Some(Lost::Volumes));
}

#[test]
fn a_few_that_a_list_lacks_are_gone() {
    let mut index = index_of(0..10);
    assert_eq!(relist(&mut index, 0..6), ListVerdict::Believed { removed: 4 });
    assert_eq!(index.count(SECRETS), 6);
}

#[test]
fn a_list_that_comes_back_empty_is_doubted_even_of_one() {
    let mut index = index_of(0..1);
    assert_eq!(relist(&mut index, 0..0), ListVerdict::Doubted { missing: 1, of: 1 });
    assert_eq!(index.count(SECRETS), 1, "it counts as there");
}

#[test]
fn a_list_that_shrinks_by_more_than_a_fifth_is_doubted() {
    let mut index = index_of(0..40);
    assert_eq!(relist(&mut index, 0..32), ListVerdict::Believed { removed: 8 });
    assert_eq!(relist(&mut index, 0..25), ListVerdict::Doubted { missing: 7, of: 32 });
    assert!(index.has_doubts(SECRETS));
}

#[test]
fn what_two_lists_lack_is_gone_and_what_the_second_holds_is_there() {
    let mut index = index_of(0..40);
    relist(&mut index, 0..10);
    assert_eq!(relist(&mut index, 0..20), ListVerdict::Believed { removed: 20 });
    assert_eq!(index.count(SECRETS), 20);
    assert!(!index.has_doubts(SECRETS));
}

#[test]
fn what_a_doubted_list_held_and_the_second_lacks_is_gone_too() {
    let mut index = index_of(0..40);
    relist(&mut index, 0..10);
    assert_eq!(relist(&mut index, 2..40), ListVerdict::Believed { removed: 2 });
}

#[test]
fn a_second_list_that_lacks_too_much_of_what_the_first_held_is_doubted_for_that() {
    let mut index = index_of(0..40);
    relist(&mut index, 0..20);
    assert_eq!(relist(&mut index, 20..30), ListVerdict::Doubted { missing: 20, of: 40 });
    assert_eq!(index.count(SECRETS), 30, "ten are in neither");
    assert_eq!(relist(&mut index, 20..30), ListVerdict::Believed { removed: 20 });
}

#[test]
fn what_a_watch_shows_after_a_doubted_list_is_doubted_no_longer() {
    let mut index = index_of(0..40);
    relist(&mut index, 0..10);
    index.apply(secret(39, "env"));
    assert_eq!(relist(&mut index, 0..10), ListVerdict::Believed { removed: 30 });
    let mut index = index_of(0..40);
    relist(&mut index, 0..39);
    relist(&mut index, 0..0);
    for number in 0..38 {
        index.apply(secret(number, "env"));
    }
    assert_eq!(relist(&mut index, 0..0), ListVerdict::Doubted { missing: 38, of: 39 });
}

#[test]
fn absence_means_nothing_before_every_kind_was_listed() {
    let mut index = Index::default();
    for watched in Watched::ALL {
        assert!(!index.is_synced());
        index.begin_list(watched);
        index.end_list(watched);
    }
    assert!(index.is_synced());
}

proptest! {
    /// Events and lists in any order leave the index with exactly what is in the cluster.
    #[test]
    fn the_index_follows_the_cluster(steps in proptest::collection::vec((0..4_u8, 0..12_u8), 0..60)) {
        let mut index = Index::default();
        let mut cluster = BTreeSet::new();
        for (step, number) in steps {
            match step {
                0 => { cluster.insert(number); index.apply(secret(number, "env")); }
                1 => { cluster.remove(&number); index.delete(&secret(number, "env").key); }
                // A change that no watch event told of.
                2 => { cluster.remove(&number); }
                _ => {
                    // A list that is doubted, and the second look.
                    for _ in 0..2 {
                        index.begin_list(SECRETS);
                        for number in &cluster {
                            index.apply(secret(*number, "env"));
                        }
                        index.end_list(SECRETS);
                    }
                    prop_assert_eq!(index.count(SECRETS), cluster.len());
                    let expected: Vec<_> = cluster.iter().map(|number| workspace(*number)).collect();
                    prop_assert_eq!(index.workspaces().collect::<Vec<_>>(), expected);
                }
            }
        }
    }
}
