//! The process's log, on stderr.
//!
//! Never logged: tokens, headers, bodies, values of variables, keys, devfiles, database URLs.

use anyhow::Context as _;
use berth_logging::Format;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LoggingOptions};

/// Starts logging; to be called once. Panics are logged too.
pub fn start(options: &LoggingOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log).context("--log (BERTH_LOG)")?;
    let format = match options.log_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    berth_logging::start(filter, format).context("the log was started already")?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // Not the payload: it may have been formatted from anything.
        tracing::error!(place, "panicked");
    }));
    Ok(())
}
