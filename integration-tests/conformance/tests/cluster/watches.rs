//! Lists and watches: nothing is shown twice, nothing is left out, and what is too old is said to be.

use std::pin::pin;

use berth_agent_core::{Kind, Watched};
use berth_schema::kubernetes::{AGENT_ID, GENERATION};
use berth_simulation::cluster::{ClusterApi, Following, Listing, Seen, WatchEnd};
use futures::future::{Either, select};

use crate::ground::{Edit, Ground, Real, Simulated, annotation, object, real, real_alone, there, version};
use crate::on_both;

async fn list<G: Ground>(ground: &G, watched: Watched) -> Listing {
    ground.api().list(watched, false).await.expect("a list")
}

async fn watch<G: Ground>(ground: &G, watched: Watched, after: u64) -> <G::Api as ClusterApi>::Watch {
    ground.api().watch(watched, after).await.expect("a watch")
}

/// An event in words: what, of which object, at which generation of ours.
fn words(seen: &Seen) -> String {
    let (what, object) = match seen {
        Seen::Applied(object) => ("applied", object),
        Seen::Deleted(object) => ("deleted", object),
    };
    let metadata = object.metadata();
    let name = metadata.name.as_deref().unwrap_or_default();
    format!("{what} {name} {}", annotation(metadata, GENERATION).unwrap_or("-"))
}

async fn next<W: Following>(watch: &mut W) -> String {
    match watch.next().await {
        Ok(seen) => words(&seen),
        Err(end) => format!("{end:?}"),
    }
}

async fn put<G: Ground>(ground: &G, kind: Kind, name: &str, generation: &str) {
    let mut wanted = object(ground, kind, name);
    wanted["metadata"]["annotations"][GENERATION] = generation.into();
    ground.api().apply(kind, wanted).await.expect("it is applied");
}

async fn remove<G: Ground>(ground: &G, kind: Kind, name: &str) {
    let found = there(ground, kind, name).await;
    ground.api().delete(kind, &found).await.expect("it is deleted");
}

async fn a_watch_shows_what_came_after_the_list_and_nothing_else<G: Ground>(ground: &G) {
    put(ground, Kind::Secret, "a", "1").await;
    let listed = list(ground, Watched::Applied(Kind::Secret)).await;
    assert_eq!(listed.objects.len(), 1);
    let a = there(ground, Kind::Secret, "a").await;
    assert!(listed.version >= version(&a));
    put(ground, Kind::Secret, "a", "1").await;
    put(ground, Kind::Secret, "a", "2").await;
    put(ground, Kind::Secret, "b", "1").await;
    remove(ground, Kind::Secret, "a").await;
    put(ground, Kind::Secret, "a", "3").await;
    let mut watch = watch(ground, Watched::Applied(Kind::Secret), listed.version).await;
    let expected = ["applied a 2", "applied b 1", "deleted a 2", "applied a 3"];
    for expected in expected {
        assert_eq!(next(&mut watch).await, expected);
    }
    let last = there(ground, Kind::Secret, "a").await;
    assert_eq!(watch.version(), version(&last), "a watch is at the version of what it showed");
}

async fn a_watch_can_be_taken_up_at_any_event<G: Ground>(ground: &G) {
    let mut from = list(ground, Watched::Applied(Kind::Secret)).await.version;
    for generation in ["1", "2", "3", "4"] {
        put(ground, Kind::Secret, "a", generation).await;
    }
    for generation in ["1", "2", "3", "4"] {
        let mut watch = watch(ground, Watched::Applied(Kind::Secret), from).await;
        assert_eq!(next(&mut watch).await, format!("applied a {generation}"));
        from = watch.version();
    }
}

async fn a_watch_shows_the_kind_and_the_agent_that_it_was_asked_for<G: Ground>(ground: &G) {
    let from = list(ground, Watched::Applied(Kind::Secret)).await.version;
    put(ground, Kind::ConfigMap, "c", "1").await;
    let (stranger, other) = ground.other();
    let mut theirs = object(ground, Kind::Secret, "theirs");
    theirs["metadata"]["labels"][AGENT_ID] = stranger.to_string().into();
    other.apply(Kind::Secret, theirs).await.expect("it is applied");
    put(ground, Kind::Secret, "ours", "1").await;
    let mut watch = watch(ground, Watched::Applied(Kind::Secret), from).await;
    assert_eq!(next(&mut watch).await, "applied ours 1");
    let listed = list(ground, Watched::Applied(Kind::Secret)).await;
    assert_eq!(listed.objects.len(), 1);
    let theirs = other.list(Watched::Applied(Kind::Secret), false).await.expect("a list");
    assert_eq!(theirs.objects.len(), 1);
}

/// To a watch by label, an object without the label is one that is gone.
async fn an_object_that_loses_the_label_is_shown_as_deleted<G: Ground>(ground: &G) {
    put(ground, Kind::Secret, "a", "1").await;
    let from = list(ground, Watched::Applied(Kind::Secret)).await.version;
    ground.edit(Kind::Secret, "a", Edit::Label(AGENT_ID, None)).await;
    ground.edit(Kind::Secret, "a", Edit::Annotation("more", Some("changes".to_owned()))).await;
    ground.edit(Kind::Secret, "a", Edit::Label(AGENT_ID, Some(ground.agent().to_string()))).await;
    let mut watch = watch(ground, Watched::Applied(Kind::Secret), from).await;
    assert_eq!(next(&mut watch).await, "deleted a 1");
    assert_eq!(next(&mut watch).await, "applied a 1");
    remove(ground, Kind::Secret, "a").await;
    assert_eq!(next(&mut watch).await, "deleted a 1");
}

async fn a_deployment_is_shown_with_its_spec_and_its_status<G: Ground>(ground: &G) {
    let from = list(ground, Watched::Applied(Kind::Deployment)).await.version;
    put(ground, Kind::Deployment, "d", "1").await;
    let mut watch = watch(ground, Watched::Applied(Kind::Deployment), from).await;
    // However many steps the controller takes: at the end the status is that of the spec.
    loop {
        let Ok(Seen::Applied(shown)) = watch.next().await else { panic!("no Deployment is shown") };
        let berth_simulation::cluster::Object::Deployment(live) = shown.as_ref() else { panic!("not whole") };
        assert_eq!(live.object.spec.as_ref().and_then(|spec| spec.replicas), Some(0));
        let Some(status) = &live.object.status else { continue };
        let reasons = status.conditions.iter().flatten().filter_map(|condition| condition.reason.as_deref());
        if reasons
            .filter(|reason| ["NewReplicaSetAvailable", "MinimumReplicasAvailable"].contains(reason))
            .count()
            == 2
        {
            assert_eq!(status.observed_generation, Some(1));
            assert_eq!(status.replicas.or(status.available_replicas).or(status.unavailable_replicas), None);
            return;
        }
    }
}

/// "Any version": it may be an old one, but it is one that was, and a watch from it misses nothing.
async fn a_list_from_a_cache_is_a_state_that_was<G: Ground>(ground: &G) {
    let mut states = vec![(0, 0)];
    for number in 1..=5 {
        put(ground, Kind::Secret, &format!("s{number}"), "1").await;
        let written = there(ground, Kind::Secret, &format!("s{number}")).await;
        states.push((version(&written), number));
        let listed = ground.api().list(Watched::Applied(Kind::Secret), true).await.expect("a list");
        let then = states.iter().rev().find(|(version, _)| *version <= listed.version);
        assert_eq!(
            then.map(|(_, count)| *count),
            Some(listed.objects.len()),
            "{states:?}, {}",
            listed.version
        );
        let mut watch = watch(ground, Watched::Applied(Kind::Secret), listed.version).await;
        for missing in listed.objects.len() + 1..=number {
            assert_eq!(next(&mut watch).await, format!("applied s{missing} 1"));
        }
    }
}

on_both!(
    a_watch_shows_what_came_after_the_list_and_nothing_else,
    a_watch_can_be_taken_up_at_any_event,
    a_watch_shows_the_kind_and_the_agent_that_it_was_asked_for,
    an_object_that_loses_the_label_is_shown_as_deleted,
    a_deployment_is_shown_with_its_spec_and_its_status,
    a_list_from_a_cache_is_a_state_that_was,
);

/// Before it is due to end, a watch is told how far the cluster has come without it.
async fn a_watch_ends_with_a_bookmark<G: Ground>(ground: &G) {
    let from = list(ground, Watched::Applied(Kind::Secret)).await.version;
    let mut watch = watch(ground, Watched::Applied(Kind::Secret), from).await;
    put(ground, Kind::ConfigMap, "c", "1").await;
    let (stranger, other) = ground.other();
    let mut theirs = object(ground, Kind::Secret, "theirs");
    theirs["metadata"]["labels"][AGENT_ID] = stranger.to_string().into();
    other.apply(Kind::Secret, theirs).await.expect("it is applied");
    let elsewhere = there(ground, Kind::Secret, "theirs").await;
    {
        let mut event = pin!(watch.next());
        let silent = matches!(select(event.as_mut(), pin!(ground.pause())).await, Either::Right(_));
        assert!(silent, "it shows what is not the agent's");
        assert_eq!(event.await.err(), Some(WatchEnd::Closed));
    }
    assert!(watch.version() >= version(&elsewhere), "{} is no bookmark", watch.version());
}

#[test]
fn a_simulated_watch_ends_with_a_bookmark() {
    let told = berth_simulation::run::alone(0, |env| async move {
        a_watch_ends_with_a_bookmark(&Simulated::new(&env).await).await;
    });
    assert!(told.is_some(), "it hangs");
}

#[test]
fn a_real_watch_ends_with_a_bookmark() {
    real(async |_| a_watch_ends_with_a_bookmark(&Real::new().await.with_short_watches()).await);
}

/// 410: a new list is needed. Where the cluster has not gone on since, the old place will do.
async fn what_the_api_server_has_forgotten_is_gone<G: Ground>(ground: &G) {
    put(ground, Kind::Secret, "a", "1").await;
    let old = list(ground, Watched::Applied(Kind::Secret)).await.version;
    let mut open = watch(ground, Watched::Applied(Kind::Secret), old).await;
    put(ground, Kind::Secret, "a", "2").await;
    put(ground, Kind::Secret, "a", "3").await;
    assert_eq!(next(&mut open).await, "applied a 2");
    assert_eq!(next(&mut open).await, "applied a 3");
    ground.forget().await;
    assert_eq!(open.next().await.err(), Some(WatchEnd::Closed));
    let end = match ground.api().watch(Watched::Applied(Kind::Secret), old).await {
        Ok(mut watch) => watch.next().await.err(),
        Err(end) => Some(end),
    };
    assert_eq!(end, Some(WatchEnd::Gone));
    let listed = list(ground, Watched::Applied(Kind::Secret)).await;
    assert_eq!(listed.objects.len(), 1);
    put(ground, Kind::Secret, "a", "4").await;
    let mut watch = watch(ground, Watched::Applied(Kind::Secret), listed.version).await;
    assert_eq!(next(&mut watch).await, "applied a 4");
}

#[test]
fn what_a_simulated_api_server_has_forgotten_is_gone() {
    let told = berth_simulation::run::alone(0, |env| async move {
        what_the_api_server_has_forgotten_is_gone(&Simulated::new(&env).await).await;
    });
    assert!(told.is_some(), "it hangs");
}

#[test]
fn what_a_real_api_server_has_forgotten_is_gone() {
    real_alone(async |ground| what_the_api_server_has_forgotten_is_gone(ground).await);
}
