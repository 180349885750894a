//! The proxy's program.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use berth_logging::Format;
use berth_proxy::args::{Args, LogFormat};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

/// It gives back what a burst took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages would have an idle process hold several times of what it uses (docs/performance.md). Where the kernel refuses,
    // it is as it was.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let args = Args::parse();
    let format = match args.log_format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    let started = berth_logging::start(EnvFilter::new(&args.log), format);
    match started.context("the log cannot be started").and_then(|()| start(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow!("another cryptography provider is installed"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(berth_proxy::run::run(args))
}
