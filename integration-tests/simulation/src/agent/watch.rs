//! Watches: list, follow, take up again, list anew when the place is too old.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use berth_agent_core::{ListVerdict, ObjectKey, Watched};

use super::AgentProcess;
use crate::bugs::Bug;
use crate::cluster::{ClusterApi as _, Seen, WatchEnd};

/// How long after a list that nobody believed the cluster is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(2);

pub(super) async fn run(process: Rc<AgentProcess>, watched: Watched) {
    let mut version = None;
    loop {
        let from = match version {
            Some(version) => version,
            None => list(&process, watched).await,
        };
        version = match follow(&process, watched, from).await {
            (WatchEnd::Closed, reached) => Some(reached),
            (WatchEnd::Gone, _) => None,
        };
        pause(&process).await;
    }
}

/// As the watcher of kube backs off.
async fn pause(process: &AgentProcess) {
    process.clock.sleep(process.env.dice.millis(800..=2_000)).await;
}

/// A complete list; the version to go on from.
async fn list(process: &AgentProcess, watched: Watched) -> u64 {
    let relist = process.agent.borrow().index().is_synced();
    let listing = loop {
        match process.cluster.list(watched, relist).await {
            Ok(listing) => break listing,
            Err(_) => pause(process).await,
        }
    };
    process.agent.borrow_mut().index_mut().begin_list(watched);
    for object in &listing.objects {
        show(process, watched, &Seen::Applied(Rc::clone(object)));
    }
    let verdict = process.agent.borrow_mut().index_mut().end_list(watched);
    process.say(|| format!("listed {} {}: {verdict:?}", listing.objects.len(), watched.as_str()));
    process.reached.borrow_mut().insert(watched, listing.version);
    process.changed.notify_one();
    if matches!(verdict, ListVerdict::Doubted { .. }) {
        let version = look_again(process, watched).await;
        if !process.env.has(Bug::SecondLookAtNamesOnly) {
            return version;
        }
    }
    listing.version
}

async fn follow(process: &AgentProcess, watched: Watched, from: u64) -> (WatchEnd, u64) {
    let mut watch = match process.cluster.watch(watched, from).await {
        Ok(watch) => watch,
        Err(end) => return (end, from),
    };
    loop {
        match watch.next().await {
            Ok(seen) => {
                process.reached.borrow_mut().insert(watched, watch.version);
                if show(process, watched, &seen) {
                    process.changed.notify_one();
                }
            }
            Err(end) => return (end, watch.version),
        }
    }
}

fn show(process: &AgentProcess, watched: Watched, seen: &Seen) -> bool {
    let mut agent = process.agent.borrow_mut();
    let index = agent.index_mut();
    match seen {
        Seen::Applied(object) => object.observe(watched).is_ok_and(|observed| index.apply(observed)),
        Seen::Deleted(object) => object.key(watched).is_some_and(|key| index.delete(&key)),
    }
}

/// Looks at the objects themselves before anything is inferred from a list that lacked too many.
async fn look_again(process: &AgentProcess, watched: Watched) -> u64 {
    loop {
        process.clock.sleep(SECOND_LOOK).await;
        // Asked in another way than the list that is doubted.
        if let Ok(listing) = process.cluster.list(watched, false).await {
            let present: BTreeSet<ObjectKey> =
                listing.objects.iter().filter_map(|object| object.key(watched)).collect();
            // What happened between the list that was doubted and this one is in nothing else.
            for object in &listing.objects {
                if !process.env.has(Bug::SecondLookAtNamesOnly) {
                    show(process, watched, &Seen::Applied(Rc::clone(object)));
                }
            }
            let removed = process.agent.borrow_mut().index_mut().second_look(watched, &present);
            process.say(|| format!("looked again at {}: {removed} gone", watched.as_str()));
            if !process.env.has(Bug::SecondLookAtNamesOnly) {
                process.reached.borrow_mut().insert(watched, listing.version);
            }
            process.changed.notify_one();
            return listing.version;
        }
    }
}
