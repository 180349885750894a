//! Watches: list, follow, take up again, list anew when the place is too old.

use std::rc::Rc;
use std::time::Duration;

use berth_agent_core::{ListVerdict, Watched};

use super::AgentProcess;
use crate::bugs::Bug;
use crate::cluster::{ClusterApi as _, Listing, Seen, WatchEnd};

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

/// A complete list that is believed; the version to go on from.
async fn list(process: &AgentProcess, watched: Watched) -> u64 {
    // Lists are wrong only where that can be noticed: see what is open in docs/simulation.md.
    let relist = {
        let agent = process.agent.borrow();
        agent.index().is_synced() && agent.index().count(watched) > 0
    };
    let first = ask(process, watched, relist).await;
    if !end(process, watched, &first, false) {
        return first.version;
    }
    let mistaken = process.env.has(Bug::SecondLookAtNamesOnly);
    loop {
        process.clock.sleep(SECOND_LOOK).await;
        // Asked in another way than the list that is doubted.
        let second = ask(process, watched, false).await;
        let doubted = end(process, watched, &second, mistaken);
        if mistaken {
            return first.version;
        }
        if !doubted {
            return second.version;
        }
    }
}

async fn ask(process: &AgentProcess, watched: Watched, relist: bool) -> Listing {
    loop {
        match process.cluster.list(watched, relist).await {
            Ok(listing) => return listing,
            Err(_) => pause(process).await,
        }
    }
}

/// Shows a list to the index. Tells whether it has to be doubted. The planted mistake: of the objects only their names are
/// new, what they are is what was shown of them last.
fn end(process: &AgentProcess, watched: Watched, listing: &Listing, names_only: bool) -> bool {
    process.agent.borrow_mut().index_mut().begin_list(watched);
    for object in &listing.objects {
        let key = object.key(watched).filter(|_| names_only);
        let old = key.and_then(|key| process.shown.borrow().get(&key).cloned());
        show(process, watched, &Seen::Applied(old.unwrap_or_else(|| Rc::clone(object))));
    }
    let verdict = process.agent.borrow_mut().index_mut().end_list(watched);
    process.say(|| format!("listed {} {}: {verdict:?}", listing.objects.len(), watched.as_str()));
    if !names_only {
        process.reached.borrow_mut().insert(watched, listing.version);
    }
    process.changed.notify_one();
    matches!(verdict, ListVerdict::Doubted { .. })
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
        Seen::Applied(object) => {
            let key = object.key(watched);
            process.shown.borrow_mut().extend(key.map(|key| (key, Rc::clone(object))));
            object.observe(watched).is_ok_and(|observed| index.apply(observed))
        }
        Seen::Deleted(object) => object.key(watched).is_some_and(|key| index.delete(&key)),
    }
}
