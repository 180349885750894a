//! How the agent behaves on its server's word: within bounds, whatever the server says.

use berth_schema::reconcile::{MAX_WAIT_SECONDS, MAX_WORKSPACES, Settings};

/// The longest time between full reports, in seconds.
const A_YEAR: u64 = 31_536_000;

/// The nearest settings that are fit for use: a server that was taken over, or is a version ahead, can make the agent neither
/// rush nor sleep.
pub fn sane(settings: Settings) -> Settings {
    Settings {
        full_reconciliation_interval_seconds: settings.full_reconciliation_interval_seconds.clamp(60, A_YEAR),
        partial_reconciliation_interval_seconds: settings
            .partial_reconciliation_interval_seconds
            .clamp(1, MAX_WAIT_SECONDS - 5),
        workspaces_per_message: settings.workspaces_per_message.clamp(1, MAX_WORKSPACES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fit_for_use_stays_as_it_is() {
        assert_eq!(sane(Settings::default()), Settings::default());
    }

    #[test]
    fn what_is_not_becomes_the_nearest_that_is() {
        let settings = |full, partial, count| Settings {
            full_reconciliation_interval_seconds: full,
            partial_reconciliation_interval_seconds: partial,
            workspaces_per_message: count,
        };
        assert_eq!(sane(settings(0, 0, 0)), settings(60, 1, 1));
        assert_eq!(sane(settings(u64::MAX, u64::MAX, usize::MAX)), settings(A_YEAR, 50, 500));
    }
}
