//! `berth projects move`

use berth_schema::projects::{ChangeProject, ProjectPath};

use crate::args::Global;
use crate::error::Error;
use crate::names::ProjectRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
It keeps its id. Whoever moves it elsewhere has to be allowed to make projects there.

Examples:
  berth projects move platform/api platform/gateway    # another name
  berth projects move platform/api finance/api         # another group
  berth projects move platform/api api                 # below the organisation itself";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The project's path or id
    #[arg(value_name = "PROJECT")]
    project: ProjectRef,

    /// Its path from now on
    #[arg(value_name = "PATH")]
    path: ProjectPath,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let change = ChangeProject { path: Some(args.path), settings: None };
    let project = session.organization.change_project(&args.project, &change, None).await?;
    session.talk.say(&format!("The project is '{}' now.", project.path));
    session.printer.one(&project, args.output.output, now())
}
