//! `berth projects delete`

use crate::args::Global;
use crate::error::Error;
use crate::names::ProjectRef;
use crate::session::Session;

const HELP: &str = "\
Examples:
  berth projects delete platform/payments/api";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The project's path or id
    #[arg(value_name = "PROJECT")]
    project: ProjectRef,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let deleted = session.organization.delete_project(&args.project).await?;
    session.talk.say(&format!("Project '{}' is deleted.", deleted.path));
    Ok(())
}
