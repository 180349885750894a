//! States as people say them.

use berth_schema::{ActualState, DesiredState};

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
        (DesiredState::Running, Is::Unknown) => ("Unclear", Tone::Bad),
        (DesiredState::Running, _) => ("Starting", Tone::Busy),
        (DesiredState::Stopped, Is::Stopped) => ("Stopped", Tone::Quiet),
        (DesiredState::Stopped, _) => ("Stopping", Tone::Busy),
    }
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
    fn every_state_that_can_be_is_found_by_one_filter() {
        for actual in ActualState::ALL.iter().filter(|state| **state != ActualState::RestartRequested) {
            let found =
                FILTERS.iter().filter(|(.., states)| states.split(',').any(|one| one == actual.as_str()));
            assert_eq!(found.count(), 1, "{actual}");
        }
    }
}
