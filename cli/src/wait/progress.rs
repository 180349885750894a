//! The way to a state: a live line on a terminal, one line for each phase otherwise.

use std::io::IsTerminal as _;
use std::time::Duration;

use berth_schema::api::Workspace;
use console::Term;

use crate::output::escape;
use crate::terminal::Talk;

/// Shows phases as they come.
#[derive(Debug)]
pub(super) struct Progress {
    talk: Talk,
    /// Where stderr is a terminal that can redraw a line.
    terminal: Option<Term>,
    /// The phase shown last, and when it began.
    phase: Option<(String, Duration)>,
    note: Option<String>,
}

impl Progress {
    pub(super) fn new(talk: Talk) -> Self {
        let redraws =
            std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { talk, terminal: redraws.then(Term::stderr), phase: None, note: None }
    }

    /// Tells the phase if it is another than before.
    pub(super) fn show(&mut self, workspace: &Workspace, waited: Duration) {
        let phase = describe(workspace);
        if self.phase.as_ref().is_some_and(|(shown, _)| *shown == phase) {
            return;
        }
        self.finish_line();
        if self.terminal.is_none() {
            self.talk.say(&line(&phase, waited));
        }
        self.phase = Some((phase, waited));
        self.redraw(waited);
    }

    /// Tells once that the server cannot be asked at the moment.
    pub(super) fn note(&mut self, text: &str, waited: Duration) {
        if self.note.as_deref() == Some(text) {
            return;
        }
        self.finish_line();
        self.talk.say(&format!("{}; still waiting", line(text, waited)));
        self.note = Some(text.to_owned());
    }

    /// Brings the time on a terminal up to date.
    pub(super) fn redraw(&mut self, waited: Duration) {
        let (Some(terminal), Some((phase, since))) = (&self.terminal, &self.phase) else {
            return;
        };
        let lasted = waited.saturating_sub(*since).as_secs_f64();
        let text = escape(&format!("{}  {lasted:.1} s …", line(phase, *since)));
        // A line that wrapped could not be redrawn. One column stays free for the cursor.
        let width = usize::from(terminal.size().1).saturating_sub(1);
        let text = console::truncate_str(&text, width, "…");
        let _ = terminal.clear_line().and_then(|()| terminal.write_str(&text));
    }

    /// Leaves the phase on the terminal as it was, for the next to go below.
    fn finish_line(&mut self) {
        if let (Some(terminal), Some((phase, since))) = (&self.terminal, &self.phase) {
            let _ = terminal.clear_line().and_then(|()| terminal.write_line(&escape(&line(phase, *since))));
        }
    }
}

impl Drop for Progress {
    /// Whatever ended the wait, what is written next begins on a line of its own.
    fn drop(&mut self) {
        self.finish_line();
    }
}

/// `Starting (ContainerCreating)`.
fn describe(workspace: &Workspace) -> String {
    if workspace.agent_silent_since.is_some() {
        return format!("agent '{}' is not heard of: `berth why {}`", workspace.agent, workspace.name);
    }
    match &workspace.reason {
        Some(reason) => format!("{} ({})", workspace.actual_state, reason.reason),
        None => workspace.actual_state.to_string(),
    }
}

/// `   1.2s  Starting`: the seconds since the wait began, then what began.
fn line(text: &str, waited: Duration) -> String {
    format!("{:>6.1}s  {text}", waited.as_secs_f64())
}
