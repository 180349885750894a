//! `berth agents orphans`

use berth_schema::api::Paged;

use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
What an agent has in its cluster and the server does not know, for example after the database was
restored. Nothing is removed because a database does not know it: `berth agents remove-orphan`
allows it for one of them.

Examples:
  berth agents orphans berlin
  berth agents orphans berlin -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let orphans = session.organization.orphans(&args.agent).await?;
    let page = Paged { items: orphans.items, next: None };
    session.printer.list(&page, args.output.output, now())?;
    if page.items.is_empty() {
        session.talk.say(&format!("Agent '{}' has no orphans.", args.agent));
    }
    Ok(())
}
