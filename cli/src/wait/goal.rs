//! When waiting is over. No IO and no clock: `waited` is an argument.
//!
//! The state of a workspace outlives the intent it belongs to: right after a restart was asked for it is still
//! `Running`, from before. So a state counts only with the proof that the cluster has the generation asked for.

use std::time::Duration;

use berth_schema::api::Workspace;
use berth_schema::{ActualState, DesiredState, Generation};

/// What a change leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    Running(Generation),
    Stopped(Generation),
    /// Stopped under this generation, then Running under a later one.
    Restarted(Generation),
    Gone,
}

/// What one look at a workspace says about its goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    /// It needs a person.
    Failed,
    /// Somebody wants something else by now; says what.
    Overtaken(String),
    /// On its way; says what it waits for.
    Pending(String),
}

/// An error from before the change may be what the change cures: it gets this long to go away. The agent tries what
/// failed again after at most that time.
pub(super) const OLD_ERROR_GRACE: Duration = Duration::from_secs(60);

impl Goal {
    /// The goal of a workspace as the server answered the change.
    pub(crate) fn of(workspace: &Workspace) -> Self {
        match workspace.desired_state {
            DesiredState::Running => Self::Running(workspace.generation),
            DesiredState::Stopped => Self::Stopped(workspace.generation),
            DesiredState::RestartRequested => Self::Restarted(workspace.generation),
            DesiredState::Terminated => Self::Gone,
        }
    }

    /// Judges a workspace after waiting for `waited`.
    pub(crate) fn judge(self, workspace: &Workspace, waited: Duration) -> Verdict {
        if self == Self::Gone && workspace.actual_state == ActualState::Terminated {
            return Verdict::Reached;
        }
        if let Some(change) = self.overtaken_by(workspace) {
            return Verdict::Overtaken(change);
        }
        let proven = self.is_proven(workspace);
        match workspace.actual_state {
            ActualState::Error if is_new(workspace) || waited >= OLD_ERROR_GRACE => Verdict::Failed,
            ActualState::Failed if proven && self.ends_in() == ActualState::Running => Verdict::Failed,
            state if proven && state == self.ends_in() => Verdict::Reached,
            _ => Verdict::Pending(self.waits_for(workspace, proven)),
        }
    }

    /// The state in which waiting ends well.
    const fn ends_in(self) -> ActualState {
        match self {
            Self::Running(_) | Self::Restarted(_) => ActualState::Running,
            Self::Stopped(_) => ActualState::Stopped,
            Self::Gone => ActualState::Terminated,
        }
    }

    /// Whether the cluster is proven to have what was asked for, so that the state is one of it.
    fn is_proven(self, workspace: &Workspace) -> bool {
        match self {
            Self::Running(asked) | Self::Stopped(asked) => workspace.applied_generation >= asked,
            // The server itself asks for the start, under a generation of its own.
            Self::Restarted(asked) => {
                workspace.desired_state == DesiredState::Running && workspace.applied_generation > asked
            }
            Self::Gone => true,
        }
    }

    fn overtaken_by(self, workspace: &Workspace) -> Option<String> {
        let wanted = workspace.desired_state;
        let still = match self {
            // A restart on top of it still ends in Running.
            Self::Running(_) | Self::Restarted(_) => {
                matches!(wanted, DesiredState::Running | DesiredState::RestartRequested)
            }
            Self::Stopped(_) => wanted == DesiredState::Stopped,
            Self::Gone => wanted == DesiredState::Terminated,
        };
        (!still).then(|| format!("its desired state is now {wanted}"))
    }

    fn waits_for(self, workspace: &Workspace, proven: bool) -> String {
        let agent = &workspace.agent;
        match self {
            Self::Gone => format!("agent '{agent}' to report that nothing of it is left"),
            Self::Restarted(_) if workspace.desired_state == DesiredState::RestartRequested => {
                format!("agent '{agent}' to report that it has stopped")
            }
            _ if !proven => {
                let (wanted, applied) = (workspace.generation, workspace.applied_generation);
                format!("agent '{agent}' to apply generation {wanted} (applied: {applied})")
            }
            Self::Stopped(_) => "its pod to be gone".to_owned(),
            Self::Running(_) | Self::Restarted(_) => "its pod to be ready".to_owned(),
        }
    }
}

/// Whether the state was computed after the change was asked for. Both times are the server's.
fn is_new(workspace: &Workspace) -> bool {
    workspace.actual_state_changed_at > workspace.desired_state_changed_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace(desired: &str, actual: &str, generation: i64, applied: i64) -> Workspace {
        serde_json::from_value(json!({
            "id": "0191e2b4-0000-4000-8000-000000000001", "name": "reef", "namespace": "reef",
            "agent_id": "0191e2b4-0000-4000-8000-000000000002", "agent": "here", "image": "debian",
            "desired_state": desired, "actual_state": actual,
            "generation": generation, "applied_generation": applied,
            "created_at": "2026-01-01T00:00:00Z",
            "desired_state_changed_at": "2026-01-01T00:00:10Z",
            "actual_state_changed_at": "2026-01-01T00:00:05Z",
        }))
        .expect("a workspace")
    }

    fn judge(goal: Goal, workspace: &Workspace) -> Verdict {
        goal.judge(workspace, Duration::ZERO)
    }

    fn is_pending(goal: Goal, workspace: &Workspace) -> bool {
        matches!(judge(goal, workspace), Verdict::Pending(_))
    }

    #[test]
    fn a_state_from_before_the_change_does_not_count() {
        let asked = Generation::of(4);
        assert!(is_pending(Goal::Running(asked), &workspace("Running", "Running", 4, 3)));
        assert!(is_pending(Goal::Running(asked), &workspace("Running", "Failed", 4, 3)));
        assert!(is_pending(Goal::Stopped(asked), &workspace("Stopped", "Stopped", 4, 3)));
        assert_eq!(judge(Goal::Running(asked), &workspace("Running", "Running", 4, 4)), Verdict::Reached);
        assert_eq!(judge(Goal::Stopped(asked), &workspace("Stopped", "Stopped", 4, 4)), Verdict::Reached);
        assert_eq!(judge(Goal::Running(asked), &workspace("Running", "Failed", 4, 4)), Verdict::Failed);
    }

    #[test]
    fn a_restart_is_over_only_when_it_runs_under_a_later_generation() {
        let goal = Goal::of(&workspace("RestartRequested", "Running", 4, 3));
        assert_eq!(goal, Goal::Restarted(Generation::of(4)));
        for (desired, actual, generation, applied) in [
            ("RestartRequested", "Running", 4, 3),
            ("RestartRequested", "Running", 4, 4),
            ("RestartRequested", "Stopped", 4, 4),
            ("Running", "Stopped", 5, 4),
            ("Running", "Running", 5, 4),
            ("Running", "Failed", 5, 4),
            ("Running", "Starting", 5, 5),
        ] {
            let seen = workspace(desired, actual, generation, applied);
            assert!(is_pending(goal, &seen), "{desired} {actual} {generation} {applied}");
        }
        assert_eq!(judge(goal, &workspace("Running", "Running", 5, 5)), Verdict::Reached);
        assert_eq!(judge(goal, &workspace("Running", "Failed", 5, 5)), Verdict::Failed);
    }

    #[test]
    fn an_old_error_gets_time_to_go_away_and_a_new_one_does_not() {
        let goal = Goal::Running(Generation::of(2));
        let mut seen = workspace("Running", "Error", 2, 1);
        assert!(is_pending(goal, &seen));
        assert_eq!(goal.judge(&seen, OLD_ERROR_GRACE), Verdict::Failed);
        seen.actual_state_changed_at = "2026-01-01T00:00:11Z".parse().expect("a time");
        assert_eq!(judge(goal, &seen), Verdict::Failed);
    }

    #[test]
    fn somebody_elses_change_ends_the_wait() {
        let goal = Goal::Running(Generation::of(2));
        assert!(matches!(judge(goal, &workspace("Stopped", "Stopping", 3, 2)), Verdict::Overtaken(_)));
        assert!(is_pending(goal, &workspace("RestartRequested", "Stopping", 3, 2)));
        let goal = Goal::Stopped(Generation::of(2));
        assert!(matches!(judge(goal, &workspace("Running", "Starting", 3, 2)), Verdict::Overtaken(_)));
    }

    #[test]
    fn a_deletion_is_over_when_nothing_is_left() {
        assert!(is_pending(Goal::Gone, &workspace("Terminated", "Terminating", 3, 2)));
        assert_eq!(judge(Goal::Gone, &workspace("Terminated", "Terminated", 3, 2)), Verdict::Reached);
    }
}
