//! `berth projects delete`

use crate::args::Global;
use crate::error::Error;
use crate::names::ProjectRef;
use crate::session::Session;
use crate::terminal;

const HELP: &str = "\
Asks first on a terminal; elsewhere --yes is needed. A project that has workspaces is not deleted.

Examples:
  berth projects delete platform/payments/api
  berth projects delete platform/payments/api --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The project's path or id
    #[arg(value_name = "PROJECT")]
    project: ProjectRef,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    if !args.yes {
        terminal::confirm(&format!(
            "Delete project '{}' with its variables, Git credentials and roles?",
            args.project
        ))?;
    }
    let session = Session::open(global).await?;
    let deleted = session.organization.delete_project(&args.project).await?;
    session.talk.say(&format!("Project '{}' is deleted.", deleted.path));
    Ok(())
}
