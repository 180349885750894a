//! Every performance figure of the documents, each beside its floor: the same work done by the bare library, client or
//! database in the same run. `make bench` runs it on release builds; the table goes to standard output, and with
//! `--json FILE` the figures go there. Names of rows measure these alone.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command line")]

mod agent;
mod cipher;
mod commit;
mod crowd;
mod door;
mod editor;
mod figure;
mod latency;
mod listing;
mod million;
mod nginx;
mod partial;
mod poison;
mod policy;
mod population;
mod process;
mod proxy;
mod replay;
mod request;
mod returning;
mod revocation;
mod sealing;
mod server;
mod sign_in;
mod site;
mod strangers;
mod tap;
mod timing;
mod upstream;
mod visible;
mod waiting;
mod wire;

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use figure::Figures;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let wanted = Wanted::parse(std::env::args().skip(1))?;
    berth_harness::install_crypto();
    let mut figures = Figures::default();
    let mut unmeasured = Vec::new();
    for row in ROWS {
        if (wanted.rows.is_empty() || wanted.rows.iter().any(|name| name == row))
            && let Err(cause) = measure(row, &mut figures).await
        {
            // Half an hour of other figures is not lost with one row.
            eprintln!("'{row}' was not measured: {cause:?}");
            unmeasured.push(row);
        }
    }
    println!("{figures}");
    if let Some(path) = wanted.json {
        std::fs::write(&path, serde_json::to_string_pretty(&figures)? + "\n")
            .context("the figures cannot be written")?;
    }
    ensure!(unmeasured.is_empty(), "not measured: {}", unmeasured.join(", "));
    Ok(())
}

/// In the order of the table.
const ROWS: [&str; 21] = [
    "server",
    "listing",
    "request",
    "sign-in",
    "partial",
    "waiting",
    "returning",
    "million",
    "sealing",
    "commit",
    "visible",
    "poison",
    "agent",
    "crowd",
    "latency",
    "editor",
    "strangers",
    "timing",
    "policy",
    "proxy",
    "revocation",
];

async fn measure(row: &str, figures: &mut Figures) -> anyhow::Result<()> {
    match row {
        "server" => server::measure(figures).await,
        "listing" => listing::measure(figures).await,
        "request" => request::measure(figures).await,
        "sign-in" => sign_in::measure(figures).await,
        "partial" => partial::measure(figures).await,
        "waiting" => waiting::measure(figures).await,
        "returning" => returning::measure(figures).await,
        "sealing" => sealing::measure(figures).await,
        "million" => million::measure(figures).await,
        "commit" => commit::measure(figures).await,
        "visible" => visible::measure(figures).await,
        "poison" => poison::measure(figures).await,
        "strangers" => strangers::measure(figures).await,
        "timing" => timing::measure(figures).await,
        "policy" => policy::measure(figures).await,
        "proxy" => proxy::measure(figures).await,
        "revocation" => revocation::measure(figures).await,
        "editor" => editor::measure(figures).await,
        "agent" => agent::measure(figures).await,
        "crowd" => crowd::measure(figures).await,
        "latency" => latency::measure(figures).await,
        _ => bail!("there is no such row; the rows are: {}", ROWS.join(", ")),
    }
}

/// What was asked for.
struct Wanted {
    /// None: all.
    rows: Vec<String>,
    json: Option<PathBuf>,
}

impl Wanted {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut wanted = Self { rows: Vec::new(), json: None };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => wanted.json = Some(arguments.next().context("--json needs a file")?.into()),
                row if ROWS.contains(&row) => wanted.rows.push(argument),
                _ => bail!("usage: berth-bench [--json FILE] [ROW…]; the rows are: {}", ROWS.join(", ")),
            }
        }
        Ok(wanted)
    }
}
