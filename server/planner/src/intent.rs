//! What a user's wish does to the desired state.

use berth_schema::{ActualState, DesiredState};

/// What a user asks of an existing workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    Start,
    Stop,
    Restart,
    Rebuild,
    Resize,
    ChangeVariables,
    Terminate,
}

impl Wish {
    pub const ALL: [Self; 7] = [
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Rebuild,
        Self::Resize,
        Self::ChangeVariables,
        Self::Terminate,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Rebuild => "rebuild",
            Self::Resize => "resize",
            Self::ChangeVariables => "change-variables",
            Self::Terminate => "terminate",
        }
    }
}

/// What becomes of the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Store this desired state and raise the generation.
    Change(DesiredState),
    /// It is already so: answer with the workspace as it is.
    AlreadySo,
}

/// Why a wish cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    #[error("the workspace is terminated, which cannot be undone; create another one")]
    Terminated,
    #[error("the workspace is stopped; start it instead of restarting it")]
    NotRunning,
    #[error("ports are opened while the workspace runs; start it, or wait until it has started anew")]
    OpensWhileItRuns,
    /// Its row cannot be read.
    #[error("this server cannot read what is stored of the workspace; it can only be terminated")]
    Unreadable,
}

/// The desired state after a wish. Repeating a wish is harmless.
pub fn transition(
    desired: DesiredState,
    actual: ActualState,
    wish: Wish,
) -> Result<Transition, TransitionError> {
    use DesiredState::{RestartRequested, Running, Stopped, Terminated};
    match (wish, desired) {
        (Wish::Terminate, Terminated) => Ok(Transition::AlreadySo),
        (_, Terminated) => Err(TransitionError::Terminated),
        (Wish::Terminate, _) => Ok(Transition::Change(Terminated)),
        // A workspace that failed is started again by a new generation, although Running is wanted already.
        (Wish::Start, Running) if matches!(actual, ActualState::Failed | ActualState::Error) => {
            Ok(Transition::Change(RestartRequested))
        }
        (Wish::Start, Running | RestartRequested)
        | (Wish::Restart, RestartRequested)
        | (Wish::Stop, Stopped) => Ok(Transition::AlreadySo),
        (Wish::Start, Stopped) => Ok(Transition::Change(Running)),
        (Wish::Stop, Running | RestartRequested) => Ok(Transition::Change(Stopped)),
        (Wish::Restart, Running) => Ok(Transition::Change(RestartRequested)),
        (Wish::Restart, Stopped) => Err(TransitionError::NotRunning),
        // These change what the workspace is made of, not whether it shall run.
        (Wish::Rebuild | Wish::Resize | Wish::ChangeVariables, state) => Ok(Transition::Change(state)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DesiredState::{RestartRequested, Running, Stopped, Terminated};

    #[test]
    fn every_wish_in_every_desired_state() {
        use Transition::{AlreadySo, Change};
        let table = [
            (Wish::Start, Running, Ok(AlreadySo)),
            (Wish::Start, Stopped, Ok(Change(Running))),
            (Wish::Start, RestartRequested, Ok(AlreadySo)),
            (Wish::Stop, Running, Ok(Change(Stopped))),
            (Wish::Stop, Stopped, Ok(AlreadySo)),
            (Wish::Stop, RestartRequested, Ok(Change(Stopped))),
            (Wish::Restart, Running, Ok(Change(RestartRequested))),
            (Wish::Restart, Stopped, Err(TransitionError::NotRunning)),
            (Wish::Restart, RestartRequested, Ok(AlreadySo)),
            (Wish::Rebuild, Running, Ok(Change(Running))),
            (Wish::Rebuild, Stopped, Ok(Change(Stopped))),
            (Wish::Rebuild, RestartRequested, Ok(Change(RestartRequested))),
            (Wish::Resize, Running, Ok(Change(Running))),
            (Wish::Resize, Stopped, Ok(Change(Stopped))),
            (Wish::Resize, RestartRequested, Ok(Change(RestartRequested))),
            (Wish::ChangeVariables, Running, Ok(Change(Running))),
            (Wish::ChangeVariables, Stopped, Ok(Change(Stopped))),
            (Wish::ChangeVariables, RestartRequested, Ok(Change(RestartRequested))),
            (Wish::Terminate, Running, Ok(Change(Terminated))),
            (Wish::Terminate, Stopped, Ok(Change(Terminated))),
            (Wish::Terminate, RestartRequested, Ok(Change(Terminated))),
        ];
        for (wish, desired, expected) in table {
            assert_eq!(transition(desired, ActualState::Running, wish), expected, "{wish:?} while {desired}");
        }
    }

    #[test]
    fn a_terminated_workspace_never_comes_back() {
        for actual in ActualState::ALL {
            for wish in Wish::ALL {
                let result = transition(Terminated, *actual, wish);
                let expected = match wish {
                    Wish::Terminate => Ok(Transition::AlreadySo),
                    _ => Err(TransitionError::Terminated),
                };
                assert_eq!(result, expected, "{wish:?}");
            }
        }
    }

    #[test]
    fn starting_a_failed_workspace_starts_it_again() {
        for actual in [ActualState::Failed, ActualState::Error] {
            assert_eq!(transition(Running, actual, Wish::Start), Ok(Transition::Change(RestartRequested)));
        }
    }
}
