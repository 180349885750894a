//! `berth variables …`

mod delete;
mod explain;
mod list;
mod renew;
mod set;

use berth_schema::DesiredState;
use berth_schema::api::{ChangeVariables, Workspace};
use berth_schema::variables::VariableKind;
use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set variables that new workspaces get (the organisation's, a group's, a project's, yours), or those of one
    Set(set::Args),
    /// List the variables of the organisation, a group, a project, or yours, without their values
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Delete a variable; workspaces that have it keep it, but one that --workspace names
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
    /// Have a workspace take anew what is around it
    Renew(renew::Args),
    /// Say where each variable of a workspace comes from
    Explain(explain::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Set(args) => set::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Delete(args) => delete::run(global, &args).await,
        Command::Renew(args) => renew::run(global, &args).await,
        Command::Explain(args) => explain::run(global, &args).await,
    }
}

/// Variables of a workspace that is there.
#[derive(Debug, clap::Args)]
struct OfWorkspace {
    /// Those of this workspace (name or id), which is there already
    #[arg(long, value_name = "WORKSPACE", conflicts_with_all = ["group", "project", "mine"])]
    workspace: Option<WorkspaceRef>,

    /// With --workspace: start it anew, if it runs
    #[arg(long, requires = "workspace")]
    restart: bool,
}

async fn change_own(
    global: &Global,
    workspace: &WorkspaceRef,
    change: &ChangeVariables,
) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let changed = session.organization.change_variables(workspace, change).await?;
    let kinds = change.set.iter().map(|set| set.kind).chain(change.remove.iter().map(|gone| gone.kind));
    let reads_anew = kinds.into_iter().any(|kind| kind == VariableKind::Environment);
    tell(&session, &changed, reads_anew);
    Ok(())
}

/// What was done, and when it is there.
fn tell(session: &Session, workspace: &Workspace, has_environment: bool) {
    let name = &workspace.name;
    session.talk.say(&match (workspace.desired_state, has_environment) {
        (DesiredState::RestartRequested, _) => format!("'{name}' has them when it has started anew."),
        (DesiredState::Running, true) => format!(
            "'{name}' has them. Its programs read their environment when it starts: `berth restart {name}`."
        ),
        (DesiredState::Running, false) => {
            format!("'{name}' has them; its files are others within two minutes.")
        }
        _ => format!("'{name}' has them when it starts."),
    });
}
