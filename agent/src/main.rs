//! The agent's program.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use berth_agent::args::{Args, LogFormat};
use berth_agent::canary::Program;
use berth_logging::Format;
use clap::Parser as _;
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;
use zeroizing_alloc::ZeroAlloc;

/// It gives back what a burst took, and wipes what is freed: variables have passed through buffers of a dozen libraries before they
/// are in one of ours.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    // Huge pages would have an idle process hold several times of what it uses (docs/performance.md). Where the kernel refuses,
    // it is as it was.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // One of two pods that try the network: it needs none of the agent's options.
    if std::env::args_os().nth(1).is_some_and(|first| first == "canary") {
        return canary(Program::parse_from(std::env::args_os().skip(1)));
    }
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

fn canary(program: Program) -> ExitCode {
    let started =
        berth_logging::start(EnvFilter::new("info"), Format::Text).context("the log cannot be started");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match started.and_then(|()| runtime()?.block_on(program.run())) {
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
    // One thread is enough for what is nearly all waiting, and keeps the process small.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(berth_agent::run::run(args))
}
