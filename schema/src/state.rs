//! The four desired and the eleven actual states of a workspace.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text that is no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' is not one of {expected}")]
pub struct UnknownState {
    pub given: String,
    pub expected: String,
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownState;
            /// Case does not matter: people type `running`.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|state| state.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
                    UnknownState {
                        given: text.chars().take(40).collect(),
                        expected: Self::ALL.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", "),
                    }
                })
            }
        }
    };
}

states!(
    /// What the user wants. Written by the REST API and the lifecycle rules alone.
    DesiredState {
        Running,
        Stopped,
        /// Scaled down, then Running again: the server ends it by itself once the scale-down is proven.
        RestartRequested,
        Terminated,
    }
);

states!(
    /// What is there, as the reconcile endpoint last computed it. It alone writes this.
    ActualState {
        /// Stored, and no agent has reported it yet.
        CreationRequested,
        Starting,
        Running,
        Stopping,
        Stopped,
        /// It will not come up by itself: a person has to do something.
        Failed,
        /// The agent could not apply it, or Kubernetes refused it.
        Error,
        Terminating,
        Terminated,
        /// The cluster's answer fits no other state.
        Unknown,
        /// Never computed; listed because the model names it as a state that users see.
        RestartRequested,
    }
);

states!(
    /// Who made a workspace change.
    TransitionCause {
        /// Somebody with a token, through the REST API.
        User,
        /// The agent, by what it reported.
        Agent,
        /// The server by itself: the second half of a restart.
        Server,
        /// A lifecycle rule.
        Lifecycle,
    }
);

impl DesiredState {
    /// The replicas of the Deployment under this desired state; `None` when there shall be no Deployment.
    pub const fn replicas(self) -> Option<i32> {
        match self {
            Self::Running => Some(1),
            Self::Stopped | Self::RestartRequested => Some(0),
            Self::Terminated => None,
        }
    }
}

/// What is wanted of a workspace, and what is there. What follows from both is said here, for everybody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub desired: DesiredState,
    pub actual: ActualState,
}

impl State {
    /// Terminated in both: a tombstone, of which nothing is, or shall be, in the cluster.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self { desired: DesiredState::Terminated, actual: ActualState::Terminated })
    }

    /// Whether anything of it may still be, or shall be, in the cluster.
    pub const fn is_living(self) -> bool {
        !self.is_finished()
    }

    /// Whether the agent has something to do that it has not proven yet: its newest generation (`unproven`), or what goes on after that is
    /// proven. The column `pending` of the table says the same.
    pub const fn is_pending(self, unproven: bool) -> bool {
        let goes_on = matches!(self.desired, DesiredState::Terminated | DesiredState::RestartRequested);
        self.is_living() && (unproven || goes_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_terminated_in_both_ways_is_finished_and_nothing_of_it_is_pending() {
        for desired in DesiredState::ALL.iter().copied() {
            for actual in ActualState::ALL.iter().copied() {
                let state = State { desired, actual };
                let finished = desired == DesiredState::Terminated && actual == ActualState::Terminated;
                assert_eq!((state.is_finished(), state.is_living()), (finished, !finished), "{state:?}");
                let goes_on = !matches!(desired, DesiredState::Running | DesiredState::Stopped);
                assert_eq!(state.is_pending(false), goes_on && !finished, "{state:?}, proven");
                assert_eq!(state.is_pending(true), !finished, "{state:?}, not proven");
            }
        }
    }

    #[test]
    fn states_survive_text_and_json() {
        for state in ActualState::ALL {
            assert_eq!(state.as_str().to_lowercase().parse(), Ok(*state));
            assert_eq!(serde_json::to_value(state).expect("a state is a string"), state.as_str());
        }
        let error = "Broken".parse::<DesiredState>().expect_err("no such state");
        assert_eq!(
            error.to_string(),
            "'Broken' is not one of Running, Stopped, RestartRequested, Terminated"
        );
    }
}
