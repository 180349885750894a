//! Server-side apply, creation, deletion and the Lease.

use berth_agent_core::Kind;
use berth_schema::kubernetes::GENERATION;
use berth_simulation::cluster::ClusterApi as _;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use crate::ground::{Edit, Ground, annotation, code, label, look, namespace, object, there, version};
use crate::on_both;

async fn applying_what_is_not_there_creates_it<G: Ground>(ground: &G) {
    assert!(look(ground, Kind::Secret, "s").await.is_none());
    ground.api().apply(Kind::Secret, object(ground, Kind::Secret, "s")).await.expect("it is applied");
    let first = there(ground, Kind::Secret, "s").await;
    assert!(first.uid.is_some() && first.deletion_timestamp.is_none());
    assert_eq!(annotation(&first, GENERATION), Some("1"));
    ground.api().apply(Kind::Secret, object(ground, Kind::Secret, "t")).await.expect("it is applied");
    let second = there(ground, Kind::Secret, "t").await;
    assert!(version(&second) > version(&first), "versions grow across objects");
    assert_ne!(first.uid, second.uid);
}

async fn applying_the_same_again_writes_nothing<G: Ground>(ground: &G) {
    for kind in [Kind::Secret, Kind::ConfigMap, Kind::ServiceAccount, Kind::Namespace] {
        let (name, wanted) = match kind {
            Kind::Namespace => (ground.namespace(), namespace(ground.agent(), ground.namespace())),
            _ => ("x", object(ground, kind, "x")),
        };
        ground.api().apply(kind, wanted.clone()).await.expect("it is applied");
        ground.pause().await;
        let before = there(ground, kind, name).await;
        ground.api().apply(kind, wanted).await.expect("it is applied");
        assert_eq!(there(ground, kind, name).await.resource_version, before.resource_version, "{kind:?}");
    }
}

async fn a_deployment_applied_again_keeps_version_and_generation<G: Ground>(ground: &G) {
    ground.api().apply(Kind::Deployment, object(ground, Kind::Deployment, "d")).await.expect("it is applied");
    ground.settle().await;
    let before = there(ground, Kind::Deployment, "d").await;
    assert_eq!(before.generation, Some(1), "a status is no change of the generation");
    ground.api().apply(Kind::Deployment, object(ground, Kind::Deployment, "d")).await.expect("it is applied");
    let after = there(ground, Kind::Deployment, "d").await;
    assert_eq!((after.resource_version, after.generation), (before.resource_version, Some(1)));
}

/// A Deployment's generation counts changes of its annotations too: other kinds' do not.
async fn what_raises_a_deployments_generation<G: Ground>(ground: &G) {
    let mut wanted = object(ground, Kind::Deployment, "d");
    ground.api().apply(Kind::Deployment, wanted.clone()).await.expect("it is applied");
    wanted["metadata"]["labels"]["more"] = "label".into();
    ground.api().apply(Kind::Deployment, wanted.clone()).await.expect("it is applied");
    let labelled = there(ground, Kind::Deployment, "d").await;
    assert_eq!((label(&labelled, "more"), labelled.generation), (Some("label"), Some(1)));
    wanted["metadata"]["annotations"][GENERATION] = "2".into();
    ground.api().apply(Kind::Deployment, wanted.clone()).await.expect("it is applied");
    assert_eq!(there(ground, Kind::Deployment, "d").await.generation, Some(2), "annotated");
    wanted["spec"]["replicas"] = 1.into();
    ground.api().apply(Kind::Deployment, wanted.clone()).await.expect("it is applied");
    assert_eq!(there(ground, Kind::Deployment, "d").await.generation, Some(3), "scaled");
    ground.edit(Kind::Deployment, "d", Edit::Annotation("other", Some("one".to_owned()))).await;
    assert_eq!(there(ground, Kind::Deployment, "d").await.generation, Some(4), "annotated by somebody else");
    ground.edit(Kind::Deployment, "d", Edit::Label("other", Some("one".to_owned()))).await;
    assert_eq!(there(ground, Kind::Deployment, "d").await.generation, Some(4), "labelled by somebody else");
}

async fn a_write_is_refused_when_another_version_is_there<G: Ground>(ground: &G) {
    let wanted = object(ground, Kind::Secret, "s");
    ground.api().apply(Kind::Secret, wanted.clone()).await.expect("it is applied");
    let first = there(ground, Kind::Secret, "s").await;
    let at = |metadata: &ObjectMeta, generation: &str| {
        let mut wanted = wanted.clone();
        wanted["metadata"]["uid"] = metadata.uid.clone().into();
        wanted["metadata"]["resourceVersion"] = metadata.resource_version.clone().into();
        wanted["metadata"]["annotations"][GENERATION] = generation.into();
        wanted
    };
    assert_eq!(code(ground.api().apply(Kind::Secret, at(&first, "2")).await), Ok(()));
    assert_eq!(code(ground.api().apply(Kind::Secret, at(&first, "3")).await), Err(409));
    let second = there(ground, Kind::Secret, "s").await;
    assert_eq!(annotation(&second, GENERATION), Some("2"));
    // Even where it would change nothing.
    assert_eq!(code(ground.api().apply(Kind::Secret, at(&first, "2")).await), Err(409));

    ground.api().delete(Kind::Secret, &second).await.expect("it is deleted");
    assert_eq!(code(ground.api().apply(Kind::Secret, at(&second, "3")).await), Err(409), "nothing is there");
    ground.api().apply(Kind::Secret, wanted.clone()).await.expect("it is applied");
    assert_eq!(code(ground.api().apply(Kind::Secret, at(&second, "3")).await), Err(409), "it is another one");
    let third = there(ground, Kind::Secret, "s").await;
    let nobody = ObjectMeta { uid: second.uid, ..third };
    assert_eq!(
        code(ground.api().apply(Kind::Secret, at(&nobody, "3")).await),
        Err(422),
        "there is none of these"
    );
}

async fn creating_what_is_there_is_refused<G: Ground>(ground: &G) {
    for kind in [Kind::Secret, Kind::Deployment] {
        assert_eq!(code(ground.api().create(kind, object(ground, kind, "d")).await), Ok(()));
        assert_eq!(code(ground.api().create(kind, object(ground, kind, "d")).await), Err(409));
    }
    let mut changed = object(ground, Kind::Deployment, "d");
    changed["spec"]["replicas"] = 1.into();
    assert_eq!(code(ground.api().create(Kind::Deployment, changed).await), Err(409));
    assert_eq!(there(ground, Kind::Deployment, "d").await.generation, Some(1));
}

async fn what_is_not_applied_any_more_goes_and_what_others_set_stays<G: Ground>(ground: &G) {
    for kind in [Kind::Secret, Kind::Deployment] {
        let mut wanted = object(ground, kind, "d");
        wanted["metadata"]["labels"]["ours"] = "label".into();
        wanted["metadata"]["annotations"]["ours"] = "annotation".into();
        ground.api().apply(kind, wanted).await.expect("it is applied");
        ground.edit(kind, "d", Edit::Label("theirs", Some("label".to_owned()))).await;
        ground.edit(kind, "d", Edit::Annotation("theirs", Some("annotation".to_owned()))).await;
        ground.api().apply(kind, object(ground, kind, "d")).await.expect("it is applied");
        let found = there(ground, kind, "d").await;
        assert_eq!((label(&found, "ours"), annotation(&found, "ours")), (None, None), "{kind:?}");
        let theirs = (label(&found, "theirs"), annotation(&found, "theirs"));
        assert_eq!(theirs, (Some("label"), Some("annotation")), "{kind:?}");
    }
}

async fn what_others_change_is_taken_back_by_force<G: Ground>(ground: &G) {
    let wanted = object(ground, Kind::Deployment, "d");
    ground.api().apply(Kind::Deployment, wanted.clone()).await.expect("it is applied");
    ground.edit(Kind::Deployment, "d", Edit::Annotation(GENERATION, Some("99".to_owned()))).await;
    ground.scale("d").await;
    let changed = ground.api().deployment(ground.namespace(), "d").await.expect("it can be read");
    let changed = changed.expect("it is there");
    assert_eq!(changed.spec.and_then(|spec| spec.replicas), Some(1));
    assert_eq!(changed.metadata.generation, Some(3));
    ground.api().apply(Kind::Deployment, wanted).await.expect("it is applied");
    let found = ground.api().deployment(ground.namespace(), "d").await.expect("it can be read");
    let found = found.expect("it is there");
    assert_eq!(found.spec.and_then(|spec| spec.replicas), Some(0));
    assert_eq!(annotation(&found.metadata, GENERATION), Some("1"));
    assert_eq!(found.metadata.generation, Some(4));
}

async fn only_the_object_that_was_looked_at_is_deleted<G: Ground>(ground: &G) {
    ground.api().apply(Kind::Secret, object(ground, Kind::Secret, "s")).await.expect("it is applied");
    let first = there(ground, Kind::Secret, "s").await;
    let stranger =
        ObjectMeta { uid: Some("00000000-0000-0000-0000-000000000001".to_owned()), ..first.clone() };
    ground.api().delete(Kind::Secret, &stranger).await.expect("that it is another one is no failure");
    assert_eq!(there(ground, Kind::Secret, "s").await.uid, first.uid);
    ground.api().delete(Kind::Secret, &first).await.expect("it is deleted");
    assert!(look(ground, Kind::Secret, "s").await.is_none());
    ground.api().delete(Kind::Secret, &first).await.expect("that it is gone is no failure");
    ground.api().apply(Kind::Secret, object(ground, Kind::Secret, "s")).await.expect("it is applied");
    ground.api().delete(Kind::Secret, &first).await.expect("that it is another one is no failure");
    assert_ne!(there(ground, Kind::Secret, "s").await.uid, first.uid);
}

async fn a_deployment_that_is_made_anew_begins_anew<G: Ground>(ground: &G) {
    let mut wanted = object(ground, Kind::Deployment, "d");
    ground.api().apply(Kind::Deployment, wanted.clone()).await.expect("it is applied");
    wanted["spec"]["replicas"] = 1.into();
    ground.api().apply(Kind::Deployment, wanted.clone()).await.expect("it is applied");
    let first = there(ground, Kind::Deployment, "d").await;
    assert_eq!(first.generation, Some(2));
    ground.api().delete(Kind::Deployment, &first).await.expect("it is deleted");
    assert!(look(ground, Kind::Deployment, "d").await.is_none(), "its pods do not keep it");
    ground.api().apply(Kind::Deployment, wanted).await.expect("it is applied");
    let second = there(ground, Kind::Deployment, "d").await;
    assert_eq!(second.generation, Some(1));
    assert_ne!(second.uid, first.uid);
}

async fn an_inventory_holds_what_carries_both_labels<G: Ground>(ground: &G) {
    for name in ["a", "b", "c"] {
        ground
            .api()
            .apply(Kind::ConfigMap, object(ground, Kind::ConfigMap, name))
            .await
            .expect("it is applied");
    }
    ground.edit(Kind::ConfigMap, "a", Edit::Label(berth_schema::kubernetes::WORKSPACE_ID, None)).await;
    let (stranger, _) = ground.other();
    let agent = Edit::Label(berth_schema::kubernetes::AGENT_ID, Some(stranger.to_string()));
    ground.edit(Kind::ConfigMap, "b", agent).await;
    let found = ground.api().inventory(Kind::ConfigMap, ground.namespace(), crate::ground::WORKSPACE).await;
    let names: Vec<_> = found.expect("it can be listed").into_iter().filter_map(|found| found.name).collect();
    assert_eq!(names, ["c"]);
}

async fn a_finalizer_keeps_what_is_deleted<G: Ground>(ground: &G) {
    let wanted = object(ground, Kind::Secret, "s");
    ground.api().apply(Kind::Secret, wanted.clone()).await.expect("it is applied");
    ground.edit(Kind::Secret, "s", Edit::Finalizers(vec!["berth.example/held".to_owned()])).await;
    let before = there(ground, Kind::Secret, "s").await;
    ground.api().delete(Kind::Secret, &before).await.expect("it is deleted");
    ground.pause().await;
    let marked = there(ground, Kind::Secret, "s").await;
    assert!(marked.deletion_timestamp.is_some() && version(&marked) > version(&before));
    // Deleting it again changes nothing, and applying it does not bring it back to life.
    ground.api().delete(Kind::Secret, &marked).await.expect("it is deleted");
    let mut changed = wanted;
    changed["metadata"]["annotations"][GENERATION] = "2".into();
    ground.api().apply(Kind::Secret, changed).await.expect("it is applied");
    let applied = there(ground, Kind::Secret, "s").await;
    assert!(applied.deletion_timestamp.is_some() && annotation(&applied, GENERATION) == Some("2"));
    ground.edit(Kind::Secret, "s", Edit::Finalizers(vec![])).await;
    for _ in 0..100 {
        if look(ground, Kind::Secret, "s").await.is_none() {
            return;
        }
        ground.pause().await;
    }
    panic!("it is kept for ever");
}

/// The Lease is written by replacement, under the version that was read.
async fn of_two_who_write_the_lease_one_succeeds<G: Ground>(ground: &G) {
    assert_eq!(ground.api().lease().await.expect("it can be read"), None);
    let held = |lease: Option<&Lease>, holder: &str| Lease {
        metadata: lease.map(|lease| lease.metadata.clone()).unwrap_or_default(),
        spec: Some(LeaseSpec { holder_identity: Some(holder.to_owned()), ..LeaseSpec::default() }),
    };
    assert_eq!(code(ground.api().write_lease(held(None, "one")).await), Ok(()));
    assert_eq!(code(ground.api().write_lease(held(None, "two")).await), Err(409), "it is there");
    let seen = ground.api().lease().await.expect("it can be read").expect("it is there");
    assert_eq!(code(ground.api().write_lease(seen.clone()).await), Ok(()));
    let same = ground.api().lease().await.expect("it can be read").expect("it is there");
    assert_eq!(same.metadata.resource_version, seen.metadata.resource_version, "nothing was changed");
    assert_eq!(code(ground.api().write_lease(held(Some(&seen), "one, renewed")).await), Ok(()));
    assert_eq!(code(ground.api().write_lease(held(Some(&seen), "two")).await), Err(409), "it was renewed");
    let now = ground.api().lease().await.expect("it can be read").expect("it is there");
    assert_eq!(now.spec.and_then(|spec| spec.holder_identity).as_deref(), Some("one, renewed"));
    let (_, other) = ground.other();
    assert_eq!(other.lease().await.expect("it can be read"), None, "each agent has its own");
}

async fn what_is_created_belongs_to_whoever_applies_it<G: Ground>(ground: &G) {
    let mut wanted = object(ground, Kind::Deployment, "d");
    wanted["metadata"]["labels"]["ours"] = json!("label");
    ground.api().create(Kind::Deployment, wanted).await.expect("it is created");
    ground.api().apply(Kind::Deployment, object(ground, Kind::Deployment, "d")).await.expect("it is applied");
    let found = there(ground, Kind::Deployment, "d").await;
    assert_eq!(label(&found, "ours"), None, "what was created and is not applied any more goes");
}

on_both!(
    applying_what_is_not_there_creates_it,
    applying_the_same_again_writes_nothing,
    a_deployment_applied_again_keeps_version_and_generation,
    what_raises_a_deployments_generation,
    a_write_is_refused_when_another_version_is_there,
    creating_what_is_there_is_refused,
    what_is_not_applied_any_more_goes_and_what_others_set_stays,
    what_others_change_is_taken_back_by_force,
    only_the_object_that_was_looked_at_is_deleted,
    a_deployment_that_is_made_anew_begins_anew,
    an_inventory_holds_what_carries_both_labels,
    a_finalizer_keeps_what_is_deleted,
    of_two_who_write_the_lease_one_succeeds,
    what_is_created_belongs_to_whoever_applies_it,
);
