//! What the lifecycle rules will do to a workspace, or did, in words.

use berth_schema::activity::IdleStop;
use berth_schema::lifecycle::LifecycleAction;
use berth_schema::why::{Actor, NextStep};

use super::{Circumstances, Idled};

/// What is as wanted is left alone until a lifecycle rule comes to it.
pub(super) fn by_rule(circumstances: &Circumstances<'_>) -> NextStep {
    let Some(deadline) = &circumstances.deadline else {
        return NextStep { actor: Actor::User, action: "Nothing has to be done.".to_owned(), by: None };
    };
    let name = &circumstances.workspace.name;
    let what = match deadline.action {
        LifecycleAction::Stop => "stops it",
        LifecycleAction::Terminate => "deletes it with its volume",
    };
    let more = match deadline.extendable_hours {
        0 => "No more hours are granted.".to_owned(),
        hours => format!("`berth extend {name} --hours N` grants up to {hours} more."),
    };
    let by_limit = format!("Nothing has to be done. The rule {} {what} then. {more}", deadline.rule);
    let (action, by) = match &circumstances.idle_stop {
        Some((IdleStop { at: Some(at), .. }, rule)) if *at < deadline.at => {
            let action = format!(
                "Nothing has to be done. The rule of idleness ({rule}) stops it then if nothing happens in it. {more}"
            );
            (action, *at)
        }
        Some((IdleStop { at: None, .. }, rule)) => {
            let action = format!(
                "{by_limit} The rule of idleness ({rule}) does nothing as long as no proxy tells what happens in it."
            );
            (action, deadline.at)
        }
        _ => (by_limit, deadline.at),
    };
    NextStep { actor: Actor::Server, action, by: Some(by) }
}

/// Why it was stopped, where nobody wished for it.
pub(super) fn idled(circumstances: &Circumstances<'_>) -> String {
    let name = &circumstances.workspace.name;
    circumstances.idled.as_ref().map_or_else(String::new, |Idled { minutes, by }| {
        let by = by.as_ref().map(|by| format!(", as {by} says")).unwrap_or_default();
        format!(
            " It was stopped because nothing happened in it for {minutes} minutes{by}; what is on its volume is kept, and `berth start \
             {name}` starts it again."
        )
    })
}
