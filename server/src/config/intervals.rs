//! How often agents are to call.

use berth_schema::reconcile::{MAX_WAIT_SECONDS, Settings};
use clap::Args;
use clap::value_parser;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Agents")]
pub struct Intervals {
    /// Seconds between two full reports of an agent, at least 60. They are a safety net: what is new is told at once.
    #[arg(
        long,
        env = "BERTH_FULL_RECONCILE_INTERVAL_SECONDS",
        default_value_t = Settings::default().full_reconciliation_interval_seconds,
        value_name = "SECONDS",
        value_parser = value_parser!(u64).range(60..=31_536_000)
    )]
    pub full_reconcile_interval_seconds: u64,
    /// Seconds that an agent without news lets the server hold an answer; then it is sent again what is not proven.
    #[arg(
        long,
        env = "BERTH_PARTIAL_RECONCILE_INTERVAL_SECONDS",
        default_value_t = Settings::default().partial_reconciliation_interval_seconds,
        value_name = "SECONDS",
        value_parser = value_parser!(u64).range(1..=MAX_WAIT_SECONDS)
    )]
    pub partial_reconcile_interval_seconds: u64,
}

impl From<Intervals> for Settings {
    fn from(intervals: Intervals) -> Self {
        Self {
            full_reconciliation_interval_seconds: intervals.full_reconcile_interval_seconds,
            partial_reconciliation_interval_seconds: intervals.partial_reconcile_interval_seconds,
        }
    }
}
