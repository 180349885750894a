//! Whether a port is there: the devfile declares it, or whose workspace it is has opened it. See decision 0085.

use berth_schema::kubernetes::{EDITOR_PORT, SSH_PORT};
use berth_schema::logs::LOGS;
use berth_schema::ports::is_shareable;
use berth_schema::{DesiredState, Generation, WorkspaceSpec};
use jiff::Timestamp;

/// That a port was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The workspace's, when it was.
    pub generation: Generation,
    pub expires_at: Timestamp,
}

/// What is wanted of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub state: DesiredState,
    pub generation: Generation,
}

impl Wanted {
    /// Whether a port may be opened now. Not while it restarts: the second half of that is another generation.
    pub fn may_open(self) -> bool {
        self.state == DesiredState::Running
    }

    /// Whether what was opened is open still: by its time, and as the workspace has run on since.
    pub fn holds(self, opening: Opening, now: Timestamp) -> bool {
        self.may_open() && opening.generation == self.generation && now < opening.expires_at
    }
}

/// Until when a port that no devfile declares is open, if its owner `may` open it still; `None`: it is not.
pub fn until(
    port: u16,
    opening: Opening,
    wanted: Wanted,
    may: impl FnOnce() -> bool,
    now: Timestamp,
) -> Option<Timestamp> {
    // Whatever is stored.
    let holds = is_shareable(port) && wanted.holds(opening, now);
    (holds && may()).then_some(opening.expires_at)
}

/// Whether a workspace always has that port, whatever its devfile says: the editor's, sshd's, and what its containers write.
pub const fn is_own(port: u16) -> bool {
    matches!(port, EDITOR_PORT | SSH_PORT | LOGS)
}

/// Whether the devfile declares it.
pub fn declares(spec: &WorkspaceSpec, port: u16) -> bool {
    spec.endpoints().any(|endpoint| endpoint.port == port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::spec::EndpointSpec;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).expect("a time")
    }

    const OPENED: Generation = Generation::of(3);

    const fn opening(expires_at: Timestamp) -> Opening {
        Opening { generation: OPENED, expires_at }
    }

    fn wanted(state: DesiredState, generation: i64) -> Wanted {
        Wanted { state, generation: Generation::of(generation) }
    }

    fn runs() -> Wanted {
        wanted(DesiredState::Running, 3)
    }

    #[test]
    fn what_was_opened_is_open_until_its_time() {
        let until = |now| until(3000, opening(at(60)), runs(), || true, at(now));
        assert_eq!(until(0), Some(at(60)));
        assert_eq!(until(59), Some(at(60)));
        assert_eq!(until(60), None, "at its end it is over");
    }

    #[test]
    fn it_ends_with_the_run_that_it_was_opened_in() {
        let until = |wanted| until(3000, opening(at(60)), wanted, || true, at(0));
        for state in [DesiredState::Stopped, DesiredState::RestartRequested, DesiredState::Terminated] {
            for generation in [3, 4] {
                assert_eq!(until(wanted(state, generation)), None, "{state} at {generation}");
            }
        }
        assert_eq!(until(wanted(DesiredState::Running, 4)), None, "it was stopped and started since");
        assert_eq!(until(wanted(DesiredState::Running, 2)), None, "the database was brought back");
    }

    #[test]
    fn it_is_open_as_long_as_its_owner_may_open_it() {
        assert_eq!(until(3000, opening(at(60)), runs(), || false, at(0)), None);
        let asked = || panic!("a rule is asked about what is not open anyway");
        assert_eq!(until(3000, opening(at(0)), runs(), asked, at(0)), None);
    }

    #[test]
    fn whatever_is_stored_the_editor_and_sshd_are_not_opened() {
        for port in [EDITOR_PORT, SSH_PORT] {
            assert!(is_own(port));
            assert_eq!(until(port, opening(at(60)), runs(), || true, at(0)), None);
        }
        assert!(is_own(LOGS) && !is_own(3000));
    }

    #[test]
    fn a_devfile_declares_the_ports_of_the_containers_that_stay() {
        let mut spec = WorkspaceSpec::from_image("a");
        spec.containers[0].endpoints.push(EndpointSpec { name: "web".to_owned(), port: 8080 });
        let mut before = spec.containers[0].clone();
        before.init = true;
        before.endpoints[0].port = 9000;
        spec.containers.push(before);
        assert!(declares(&spec, 8080) && !declares(&spec, 9000) && !declares(&spec, 3000));
    }
}
