//! What is logged, and how.

use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct LoggingOptions {
    /// Levels, as in `info` or `info,berth_server=debug`.
    #[arg(long, env = "BERTH_LOG", default_value = "info,actix_server=warn")]
    pub log: String,
    /// Lines for people or for programs.
    #[arg(long, env = "BERTH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}
