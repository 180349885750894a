//! `berth workspaces resize`

use berth_schema::api::ResizeWorkspace;

use super::Expect;
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::wait::WaitArgs;

const HELP: &str = "\
CPU and memory are the limits of the main container; a running workspace restarts with the new
ones. The disk can only grow, and only where the cluster's storage class allows it.

Examples:
  berth resize calm-blue-reef --cpu 4 --memory 8Gi --wait
  berth resize calm-blue-reef --disk 20Gi";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    #[command(flatten)]
    resources: Resources,

    #[command(flatten)]
    expect: Expect,

    #[command(flatten)]
    output: ChangeOutput,

    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, clap::Args)]
struct Resources {
    /// CPUs of the main container, as in 2 or 500m
    #[arg(long, value_name = "QUANTITY")]
    cpu: Option<String>,

    /// Memory of the main container, as in 512Mi or 4Gi
    #[arg(long, value_name = "QUANTITY")]
    memory: Option<String>,

    /// Size of the data volume, as in 20Gi
    #[arg(long, value_name = "QUANTITY")]
    disk: Option<String>,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let Resources { cpu, memory, disk } = &args.resources;
    let resize = ResizeWorkspace { cpu: cpu.clone(), memory: memory.clone(), disk: disk.clone() };
    if resize == ResizeWorkspace::default() {
        return Err(Error::usage("one of --cpu, --memory and --disk is needed"));
    }
    let session = Session::open(global).await?;
    let expected = args.expect.if_generation;
    let changed = session.organization.resize_workspace(&args.workspace, &resize, expected).await?;
    session.talk.say(&format!("Workspace '{}' is being resized.", changed.name));
    let workspace = args.wait.wait(&session.organization, changed, session.talk).await?;
    session.printer.one(&workspace, args.output.output, now())
}
