//! `berth workspaces rebuild`

use berth_schema::api::RebuildWorkspace;

use super::{Expect, Given, Origin, warn};
use crate::args::Global;
use crate::error::Error;
use crate::input::Stdin;
use crate::names::WorkspaceRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::wait::WaitArgs;

const HELP: &str = "\
Examples:
  berth rebuild calm-blue-reef --image debian:13 --wait
  berth rebuild calm-blue-reef --devfile devfile.yaml --if-generation 4";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    #[command(flatten)]
    origin: Origin,

    #[command(flatten)]
    expect: Expect,

    #[command(flatten)]
    output: ChangeOutput,

    #[command(flatten)]
    wait: WaitArgs,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    if !args.origin.is_given() {
        return Err(Error::usage("one of --image, --devfile and --devcontainer is needed"));
    }
    let Given { devfile, devcontainer, image } = args.origin.read(&mut Stdin::default())?;
    let rebuild = RebuildWorkspace { devfile, devcontainer, image };
    let session = Session::open(global).await?;
    let expected = args.expect.if_generation;
    let changed = session.organization.rebuild_workspace(&args.workspace, &rebuild, expected).await?;
    warn(session.talk, &changed);
    session.talk.say(&format!("Workspace '{}' is being rebuilt with image {}.", changed.name, changed.image));
    let workspace = args.wait.wait(&session.organization, changed, session.talk).await?;
    session.printer.one(&workspace, args.output.output, now())
}
