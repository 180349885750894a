//! `berth-server`.

use std::process::ExitCode;

use berth_server::commands;
use berth_server::config::Cli;
use clap::Parser as _;
use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// It wipes what is freed: what people keep secret has passed through buffers of a dozen libraries before it is in one of ours.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

#[actix_web::main]
async fn main() -> anyhow::Result<ExitCode> {
    // Huge pages would have an idle process hold several times of what it uses (docs/performance.md). Where the kernel refuses,
    // it is as it was.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    commands::run(Cli::parse()).await
}
