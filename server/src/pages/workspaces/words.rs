//! States as people say them.

use berth_schema::api::Workspace;
use berth_schema::{ActualState, DesiredState};
use jiff::Timestamp;

use crate::pages::times::ago;

/// What colour goes with a word. The word says it all; the colour is for the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pages) enum Tone {
    Good,
    /// On its way.
    Busy,
    /// Somebody has to do something.
    Bad,
    Quiet,
}

impl Tone {
    pub(in crate::pages) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}

/// What is wanted and what is there, in a word or two.
pub(in crate::pages) const fn state(desired: DesiredState, actual: ActualState) -> (&'static str, Tone) {
    use ActualState as Is;
    match (desired, actual) {
        (DesiredState::Terminated, Is::Terminated) => ("Deleted", Tone::Quiet),
        (DesiredState::Terminated, Is::Error) => ("Cannot be deleted", Tone::Bad),
        (DesiredState::Terminated, _) => ("Being deleted", Tone::Busy),
        (_, Is::Failed) => ("Failed", Tone::Bad),
        (_, Is::Error) => ("Refused", Tone::Bad),
        (DesiredState::RestartRequested, _) => ("Restarting", Tone::Busy),
        (DesiredState::Running, Is::Running) => ("Running", Tone::Good),
        (DesiredState::Running, Is::CreationRequested) => ("Requested", Tone::Busy),
        (DesiredState::Running, Is::Unknown) => ("Not yet known", Tone::Busy),
        (DesiredState::Running, _) => ("Starting", Tone::Busy),
        (DesiredState::Stopped, Is::Stopped) => ("Stopped", Tone::Quiet),
        (DesiredState::Stopped, _) => ("Stopping", Tone::Busy),
    }
}

/// The same of a workspace, as far as it is known: of one whose agent is not heard of it is not.
pub(in crate::pages) fn shown(workspace: &Workspace) -> (&'static str, Tone) {
    match workspace.agent_silent_since {
        Some(_) => ("Unknown", Tone::Bad),
        None => state(workspace.desired_state, workspace.actual_state),
    }
}

/// A piece of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pages) struct Piece<'a> {
    pub(in crate::pages) text: &'a str,
    /// It is typed as it stands: a command.
    pub(in crate::pages) is_code: bool,
}

/// A sentence that was written for a terminal, where what is typed stands between backticks.
pub(in crate::pages) fn pieces(sentence: &str) -> Vec<Piece<'_>> {
    let parts = sentence.split('`').enumerate();
    let last = sentence.matches('`').count();
    // Of an odd number of backticks the last one is a letter like others.
    let pieces = parts.map(|(index, text)| Piece { text, is_code: index % 2 == 1 && index < last });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

/// Since when that word holds: the actual state's time, once the agent has begun with what is wanted.
pub(in crate::pages) fn since(
    (desired, actual): (DesiredState, ActualState),
    changed_at: Timestamp,
    now: Timestamp,
) -> Option<String> {
    use ActualState as Is;
    let has_begun = match desired {
        DesiredState::Running => {
            !matches!(actual, Is::Stopping | Is::Stopped | Is::Terminating | Is::Terminated)
        }
        DesiredState::RestartRequested => actual == Is::RestartRequested,
        DesiredState::Stopped => {
            !matches!(actual, Is::CreationRequested | Is::Starting | Is::Running | Is::Unknown)
        }
        DesiredState::Terminated => matches!(actual, Is::Terminating | Is::Terminated | Is::Error),
    };
    has_begun.then(|| ago(changed_at, now))
}

/// The words by which a list is filtered, each with the states that it means.
pub(in crate::pages) const FILTERS: [(&str, &str, &str); 5] = [
    ("running", "Running", "Running"),
    ("starting", "Starting", "CreationRequested,Starting"),
    ("stopped", "Stopped", "Stopping,Stopped"),
    ("failed", "Failed", "Failed,Error,Unknown"),
    ("deleted", "Deleted", "Terminating,Terminated"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_as_wanted_is_good_and_what_a_person_has_to_look_at_is_bad() {
        for desired in DesiredState::ALL {
            for actual in ActualState::ALL {
                let (word, tone) = state(*desired, *actual);
                let wanted = (*desired, *actual) == (DesiredState::Running, ActualState::Running);
                assert_eq!(tone == Tone::Good, wanted, "{desired} {actual}: {word}");
                let stuck = matches!(actual, ActualState::Failed | ActualState::Error);
                let leaves = *desired == DesiredState::Terminated && *actual != ActualState::Error;
                assert!(!stuck || leaves || tone == Tone::Bad, "{desired} {actual}: {word}");
            }
        }
    }

    #[test]
    fn what_is_typed_is_told_from_what_is_said() {
        let of = |sentence: &'static str| {
            pieces(sentence).into_iter().map(|piece| (piece.text, piece.is_code)).collect::<Vec<_>>()
        };
        assert_eq!(
            of("try `berth start a`, or wait"),
            [("try ", false), ("berth start a", true), (", or wait", false)]
        );
        assert_eq!(of("`berth why a`"), [("berth why a", true)]);
        assert_eq!(of("nothing"), [("nothing", false)]);
        assert_eq!(of("one ` alone"), [("one ", false), (" alone", false)]);
    }

    #[test]
    fn an_age_is_of_the_word_it_stands_beside() {
        let (now, before) =
            (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH - jiff::SignedDuration::from_mins(7));
        let of = |desired, actual| since((desired, actual), before, now);
        let seven = Some("7 min ago".to_owned());
        assert_eq!(of(DesiredState::Running, ActualState::Running), seven);
        assert_eq!(of(DesiredState::Stopped, ActualState::Running), None, "it has stopped running just now");
        assert_eq!(of(DesiredState::Stopped, ActualState::Stopping), seven);
        assert_eq!(of(DesiredState::Running, ActualState::Stopped), None);
        assert_eq!(of(DesiredState::Terminated, ActualState::Running), None);
    }

    #[test]
    fn every_state_that_can_be_is_found_by_one_filter() {
        for actual in ActualState::ALL.iter().filter(|state| **state != ActualState::RestartRequested) {
            let found =
                FILTERS.iter().filter(|(.., states)| states.split(',').any(|one| one == actual.as_str()));
            assert_eq!(found.count(), 1, "{actual}");
        }
    }
}
