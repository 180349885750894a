//! How a namespace ends, and what can be done in it meanwhile.

use berth_agent_core::{Kind, Watched};
use berth_simulation::cluster::{ClusterApi, Following as _, Seen};

use crate::ground::{Edit, Ground, code, look, namespace, object, there};
use crate::on_both;

async fn nothing_is_made_in_a_namespace_that_is_not_there<G: Ground>(ground: &G) {
    for kind in [Kind::Secret, Kind::Deployment] {
        let mut lost = object(ground, kind, "d");
        lost["metadata"]["namespace"] = "nowhere".into();
        assert_eq!(code(ground.api().apply(kind, lost.clone()).await), Err(404), "{kind:?}");
        assert_eq!(code(ground.api().create(kind, lost).await), Err(404), "{kind:?}");
    }
}

async fn a_namespace_takes_what_is_in_it_along<G: Ground>(ground: &G) {
    for kind in [Kind::Secret, Kind::ConfigMap, Kind::PersistentVolumeClaim, Kind::Deployment] {
        ground.api().apply(kind, object(ground, kind, "d")).await.expect("it is applied");
    }
    let name = ground.namespace().to_owned();
    let found = there(ground, Kind::Namespace, &name).await;
    ground.api().delete(Kind::Namespace, &found).await.expect("it is deleted");
    for _ in 0..600 {
        if look(ground, Kind::Namespace, &name).await.is_none() {
            break;
        }
        ground.pause().await;
    }
    assert!(look(ground, Kind::Namespace, &name).await.is_none(), "it does not end");
    for kind in [Kind::Secret, Kind::ConfigMap, Kind::PersistentVolumeClaim, Kind::Deployment] {
        assert!(look(ground, kind, "d").await.is_none(), "{kind:?} outlives its namespace");
    }
    // Made again it is another one, and empty.
    ground.api().apply(Kind::Namespace, namespace(ground.agent(), &name)).await.expect("it is applied");
    assert_ne!(there(ground, Kind::Namespace, &name).await.uid, found.uid);
    assert!(look(ground, Kind::Secret, "d").await.is_none());
}

/// An object with a finalizer holds the namespace, which is marked meanwhile.
async fn an_ending_namespace_takes_nothing_new<G: Ground>(ground: &G) {
    let secret = object(ground, Kind::Secret, "held");
    ground.api().apply(Kind::Secret, secret.clone()).await.expect("it is applied");
    ground.edit(Kind::Secret, "held", Edit::Finalizers(vec!["berth.example/held".to_owned()])).await;
    let name = ground.namespace().to_owned();
    let before = there(ground, Kind::Namespace, &name).await;
    ground.api().delete(Kind::Namespace, &before).await.expect("it is deleted");
    for _ in 0..600 {
        if there(ground, Kind::Secret, "held").await.deletion_timestamp.is_some() {
            break;
        }
        ground.pause().await;
    }
    let marked = there(ground, Kind::Namespace, &name).await;
    assert!(marked.deletion_timestamp.is_some() && marked.uid == before.uid);
    for kind in [Kind::Secret, Kind::Deployment] {
        assert_eq!(code(ground.api().apply(kind, object(ground, kind, "new")).await), Err(403), "{kind:?}");
        assert_eq!(code(ground.api().create(kind, object(ground, kind, "new")).await), Err(403), "{kind:?}");
    }
    // What is there still can be written over, and so can the Namespace, which lives no longer for it.
    assert_eq!(code(ground.api().apply(Kind::Secret, secret).await), Ok(()));
    let again = namespace(ground.agent(), &name);
    assert_eq!(code(ground.api().apply(Kind::Namespace, again).await), Ok(()));
    assert!(there(ground, Kind::Namespace, &name).await.deletion_timestamp.is_some());

    ground.edit(Kind::Secret, "held", Edit::Finalizers(vec![])).await;
    for _ in 0..600 {
        if look(ground, Kind::Namespace, &name).await.is_none() {
            return;
        }
        ground.pause().await;
    }
    panic!("it does not end");
}

async fn watches_show_a_namespaces_end_and_what_was_in_it_before<G: Ground>(ground: &G) {
    ground.api().apply(Kind::Secret, object(ground, Kind::Secret, "s")).await.expect("it is applied");
    let name = ground.namespace().to_owned();
    let (secrets, spaces) = (
        ground.api().list(Watched::Applied(Kind::Secret), false).await.expect("a list"),
        ground.api().list(Watched::Applied(Kind::Namespace), false).await.expect("a list"),
    );
    let (mut secrets, mut spaces) = (
        ground.api().watch(Watched::Applied(Kind::Secret), secrets.version).await.expect("a watch"),
        ground.api().watch(Watched::Applied(Kind::Namespace), spaces.version).await.expect("a watch"),
    );
    let found = there(ground, Kind::Namespace, &name).await;
    ground.api().delete(Kind::Namespace, &found).await.expect("it is deleted");
    let gone = loop {
        if let Seen::Deleted(object) = secrets.next().await.expect("an event") {
            break object;
        }
    };
    assert_eq!(gone.metadata().name.as_deref(), Some("s"));
    let mut marked = false;
    let ended = loop {
        match spaces.next().await.expect("an event") {
            Seen::Applied(object) => marked |= object.is_being_deleted(),
            Seen::Deleted(object) => break object,
        }
    };
    assert!(marked, "it was marked first");
    assert_eq!(ended.metadata().uid, found.uid);
    assert!(spaces.version() > secrets.version(), "the Namespace is the last to go");
}

on_both!(
    nothing_is_made_in_a_namespace_that_is_not_there,
    a_namespace_takes_what_is_in_it_along,
    an_ending_namespace_takes_nothing_new,
    watches_show_a_namespaces_end_and_what_was_in_it_before,
);
