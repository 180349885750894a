//! Every performance figure of the documents, each beside its floor: the same work done by the bare library, client or
//! database in the same run. `make bench` runs it on release builds; the table goes to standard output, and with
//! `--json FILE` the figures go there.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command line")]

mod agent;
mod figure;
mod latency;
mod listing;
mod process;
mod server;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use figure::Figures;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let json = json_path(std::env::args().skip(1))?;
    berth_harness::install_crypto();
    let mut figures = Figures::default();
    server::measure(&mut figures).await.context("the server's memory and start")?;
    listing::measure(&mut figures).await.context("listing workspaces")?;
    agent::measure(&mut figures).await.context("the agent's memory")?;
    latency::measure(&mut figures).await.context("from creation to a ready pod")?;
    println!("{figures}");
    if let Some(path) = json {
        std::fs::write(&path, serde_json::to_string_pretty(&figures)? + "\n")
            .context("the figures cannot be written")?;
    }
    Ok(())
}

fn json_path(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Option<PathBuf>> {
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(None),
        (Some("--json"), Some(path)) => Ok(Some(path.into())),
        _ => bail!("usage: berth-bench [--json FILE]"),
    }
}
