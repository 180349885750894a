//! When what is idle is stopped, and by whose rule.

use std::borrow::Cow;

use berth_schema::activity::IdleStop;
use berth_schema::api::Workspace;
use berth_schema::idle::{IdleMax, IdleView};
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::Cell;

const NOTHING: &str = "nothing is said here";

impl Show for IdleView {
    fn name(&self) -> Cow<'_, str> {
        self.rule.stop_after.map_or_else(|| "-".into(), |after| after.to_string().into())
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["STOPPED AFTER", "AT MOST", "IN FORCE"]
    }

    fn row(&self, _wide: bool, _now: Timestamp) -> Vec<Cell> {
        let after = self.rule.stop_after.map(|after| after.to_string());
        let most = self.rule.max_minutes.map(|most| format!("{most} minutes"));
        let said = |said: Option<String>| Cell::from(said.unwrap_or_else(|| NOTHING.to_owned()));
        let in_force = match &self.in_force {
            Some(rule) => rule.to_string(),
            None => "nothing, but for what an agent's configuration says".to_owned(),
        };
        vec![said(after), said(most), in_force.into()]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let mut details: Vec<_> =
            ["Stopped after", "At most", "In force"].into_iter().zip(self.row(true, now)).collect();
        if let Some(IdleMax { minutes, by }) = self.in_force.as_ref().and_then(|rule| rule.max.as_ref()) {
            details.push(("Maximum", format!("{minutes} minutes, by {by}").into()));
        }
        details
    }
}

/// Of a workspace.
pub(super) fn details(workspace: &Workspace, now: Timestamp) -> Vec<(&'static str, Cell)> {
    let stop = workspace.idle_stop.map(|idle| ("Idle", idle_stop(workspace, idle, now).into()));
    let rule = workspace.idle_rule.as_ref().map(|rule| ("Idle rule", rule.to_string().into()));
    stop.into_iter().chain(rule).collect()
}

fn idle_stop(workspace: &Workspace, IdleStop { minutes, at }: IdleStop, now: Timestamp) -> String {
    match at {
        Some(at) => {
            let left = if at > now { format!("in {}", age(now, at)) } else { "now".to_owned() };
            let more = match workspace.lifecycle {
                Some(next) if next.extendable_hours == 0 => "no more hours are granted".to_owned(),
                _ => format!("`berth extend {} --hours N` puts it off", workspace.name),
            };
            format!("stopped at {at:.0} ({left}) if nothing happens in it until then; {more}")
        }
        None => format!("stopped after {minutes} minutes, but not while no proxy tells what happens in it"),
    }
}
