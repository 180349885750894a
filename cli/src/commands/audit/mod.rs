//! `berth audit …`

mod export;
mod follow;
mod list;
mod verify;

use berth_schema::audit::{NoAction, What};
use clap::Subcommand;
use jiff::Timestamp;

use crate::args::Global;
use crate::client::AuditFilter;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what is on record, the newest first
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show what happens, as it happens
    Follow(follow::Args),
    /// Write everything that is on record, with what is needed to verify it
    Export(export::Args),
    /// Find out from an export alone whether it was changed
    Verify(verify::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::List(args) => list::run(global, &args).await,
        Command::Follow(args) => follow::run(global, &args).await,
        Command::Export(args) => export::run(global, &args).await,
        Command::Verify(args) => verify::run(&args),
    }
}

/// Which records.
#[derive(Debug, clap::Args)]
pub(crate) struct Filters {
    /// Only from then on, as in 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// Only before then
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,

    /// Only what this subject did (its id)
    #[arg(long, value_name = "ID")]
    actor: Option<berth_schema::SubjectId>,

    /// Only this action, as in workspace.stop
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<What>,

    /// Only what was done to this, as in agent or workspace:ID
    #[arg(long, value_name = "KIND[:ID]")]
    resource: Option<String>,

    /// Only what was denied
    #[arg(long)]
    denied: bool,
}

fn action(word: &str) -> Result<What, NoAction> {
    word.parse()
}

impl Filters {
    fn filter(&self) -> AuditFilter {
        AuditFilter {
            since: self.since.map(|time| time.to_string()),
            until: self.until.map(|time| time.to_string()),
            actor: self.actor.map(|id| id.to_string()),
            action: self.action.map(|action| action.to_string()),
            resource: self.resource.clone(),
            outcome: self.denied.then(|| "denied".to_owned()),
        }
    }
}
