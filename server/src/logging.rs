//! The process's log, on stderr.
//!
//! Never logged: tokens, headers, bodies, values of variables, keys, devfiles, database URLs.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LoggingOptions};

/// Starts logging; to be called once. Panics are logged too.
pub fn start(options: &LoggingOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log).context("--log (BERTH_LOG)")?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match options.log_format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    }
    .context("the log was started already")?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // Not the payload: it may have been formatted from anything.
        tracing::error!(place, "panicked");
    }));
    Ok(())
}
