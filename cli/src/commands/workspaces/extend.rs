//! `berth workspaces extend`

use berth_schema::api::Workspace;

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Lifecycle rules stop what was active for long and delete what was stopped for long. This adds hours
to the current period, each time it is asked; in all at most as many as the rule grants. For so many
hours from now it is not stopped because nothing happens in it, either. `berth get` shows what comes
next.

Examples:
  berth extend calm-blue-reef --hours 12";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// How many hours more
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=87_600))]
    hours: u32,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let workspace = session.organization.extend_workspace(&args.workspace, args.hours).await?;
    let told = told(&workspace);
    session.talk.say(&told);
    session.printer.one(&workspace, args.output.output, now())
}

/// What comes first: the rule of idleness, where nothing happens, or one of the others.
fn told(workspace: &Workspace) -> String {
    let name = &workspace.name;
    let idle = workspace.idle_stop.as_ref().and_then(|idle| Some((idle.at?, idle.minutes)));
    match (idle, &workspace.lifecycle) {
        (Some((at, minutes)), next) if next.as_ref().is_none_or(|next| at < next.at) => format!(
            "Workspace '{name}' is stopped at {at}, unless something happens in it in the {minutes} minutes before that or later."
        ),
        (_, Some(next)) => {
            format!("Workspace '{name}' is {} by itself at {}.", crate::output::done(next.action), next.at)
        }
        (_, None) => format!("Workspace '{name}' is extended."),
    }
}
