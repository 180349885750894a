//! How the server and its agents speak.

use berth_planner::OrphanRule;
use berth_schema::reconcile::{MAX_WAIT_SECONDS, MAX_WORKSPACES, Settings};
use clap::Args;
use clap::value_parser;
use jiff::SignedDuration;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Agents")]
pub struct ProtocolOptions {
    /// Seconds between two full reports of an agent. They are a safety net: what is new is told at once.
    #[arg(long, env = "BERTH_FULL_RECONCILE_INTERVAL_SECONDS", value_name = "SECONDS", default_value_t = 3_600,
        value_parser = value_parser!(u64).range(60..=31_536_000))]
    pub full_reconcile_interval_seconds: u64,
    /// Seconds that an agent without news lets the server hold an answer; then it is sent again what is not proven.
    #[arg(long, env = "BERTH_PARTIAL_RECONCILE_INTERVAL_SECONDS", value_name = "SECONDS", default_value_t = 10,
        value_parser = value_parser!(u64).range(1..=MAX_WAIT_SECONDS - 5))]
    pub partial_reconcile_interval_seconds: u64,
    /// Workspaces that an agent reports in one message.
    #[arg(long, env = "BERTH_WORKSPACES_PER_MESSAGE", default_value_t = MAX_WORKSPACES as u64,
        value_parser = value_parser!(u64).range(1..=MAX_WORKSPACES as u64))]
    pub workspaces_per_message: u64,
    /// Hours for which a workspace that an agent has and the server does not know is kept in any case.
    #[arg(long, env = "BERTH_ORPHAN_GRACE_HOURS", default_value_t = 24,
        value_parser = value_parser!(u32).range(1..=8_760))]
    pub orphan_grace_hours: u32,
    /// Have such workspaces removed when that time is over, not only those that an administrator named.
    #[arg(long, env = "BERTH_REMOVE_ORPHANS")]
    pub remove_orphans: bool,
}

/// What the rounds of agents go by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Protocol {
    pub settings: Settings,
    pub orphans: OrphanRule,
}

impl From<&ProtocolOptions> for Protocol {
    fn from(options: &ProtocolOptions) -> Self {
        Self {
            settings: Settings {
                full_reconciliation_interval_seconds: options.full_reconcile_interval_seconds,
                partial_reconciliation_interval_seconds: options.partial_reconcile_interval_seconds,
                // Within MAX_WORKSPACES by its parser.
                workspaces_per_message: usize::try_from(options.workspaces_per_message)
                    .unwrap_or(MAX_WORKSPACES),
            },
            orphans: OrphanRule {
                grace: SignedDuration::from_hours(options.orphan_grace_hours.into()),
                remove_all: options.remove_orphans,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        options: ProtocolOptions,
    }

    #[test]
    fn what_nobody_sets_is_the_protocols_own_default() {
        let protocol = Protocol::from(&Only::parse_from(["test"]).options);
        assert_eq!((protocol.settings, protocol.orphans), (Settings::default(), OrphanRule::default()));
    }

    #[test]
    fn what_no_agent_could_do_is_refused_by_its_name() {
        for (option, value) in [
            ("--full-reconcile-interval-seconds", "59"),
            ("--partial-reconcile-interval-seconds", "51"),
            ("--workspaces-per-message", "501"),
            ("--orphan-grace-hours", "0"),
        ] {
            let error = Only::try_parse_from(["test", option, value]).expect_err("out of range");
            assert!(error.to_string().contains(option), "{error}");
        }
    }
}
