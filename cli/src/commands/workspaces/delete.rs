//! `berth workspaces delete`

use super::Expect;
use super::change::{Failures, Verb, change};
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal;
use crate::wait::WaitArgs;

const HELP: &str = "\
Asks first on a terminal; elsewhere --yes is needed. Nothing of a deleted workspace can be brought
back.

Examples:
  berth delete calm-blue-reef
  berth delete calm-blue-reef warm-red-quay --yes --wait
  berth delete calm-blue-reef --forget       # its agent was revoked";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspaces' names or ids
    #[arg(value_name = "NAME", required = true)]
    workspaces: Vec<WorkspaceRef>,

    /// Of a revoked agent: take them out of the database, whatever is left in the cluster
    #[arg(long, conflicts_with_all = ["if_generation", "wait"])]
    forget: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    expect: Expect,

    #[command(flatten)]
    output: ChangeOutput,

    #[command(flatten)]
    wait: WaitArgs,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let names = args.workspaces.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if args.forget {
        return forget(global, args, &names).await;
    }
    if !args.yes {
        let volumes = if args.workspaces.len() == 1 { "its volume" } else { "their volumes" };
        terminal::confirm(&format!("Delete {names} with everything on {volumes}?"))?;
    }
    change(global, Verb::Terminate, &args.workspaces, args.expect, args.wait, args.output.output).await
}

/// What nobody can remove any more is forgotten: it is told what may be left.
async fn forget(global: &Global, args: &Args, names: &str) -> Result<(), Error> {
    if !args.yes {
        terminal::confirm(&format!("Forget {names}, and leave in the cluster what is there?"))?;
    }
    let session = Session::open(global).await?;
    let mut failures = Failures::new(&session, args.workspaces.len());
    for workspace in &args.workspaces {
        match session.organization.forget_workspace(workspace).await {
            Ok(workspace) => {
                let (name, namespace, agent) = (&workspace.name, &workspace.namespace, &workspace.agent);
                session.talk.say(&format!(
                    "Workspace '{name}' is forgotten. Namespace {namespace}, with its volume, may be left in the cluster \
                     of agent '{agent}'; `kubectl delete namespace {namespace}` there removes it."
                ));
                session.printer.one(&workspace, args.output.output, now())?;
            }
            Err(error) => failures.add(error)?,
        }
    }
    failures.into_result()
}
