//! `berth idle …`

mod delete;
mod get;
mod set;

use berth_schema::idle::{IdleAfter, IdleRule};
use clap::Subcommand;

use super::tokens::parse_minutes;
use crate::args::Global;
use crate::client::{At, Idle};
use crate::error::Error;
use crate::names::{GroupRef, ProjectRef, WorkspaceRef};
use crate::output::ChangeOutput;
use crate::session::{Session, now};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what the organisation, a group or a project says of idleness, and what holds there
    Get(get::Args),
    /// Set after how long workspaces are stopped in which nothing happens
    Set(set::Args),
    /// Take away what the organisation, a group, a project or a workspace says of idleness
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Get(args) => get::run(global, &args).await,
        Command::Set(args) => set::run(global, &args).await,
        Command::Delete(args) => delete::run(global, &args).await,
    }
}

/// Whose rule a command is about. Nothing given: the organisation's.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Place {
    /// That of this group (path or id), for workspaces of all projects in it
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupRef>,

    /// That of this project (path or id), for its workspaces
    #[arg(long, value_name = "PROJECT")]
    project: Option<ProjectRef>,
}

impl Place {
    fn at(&self) -> Option<At> {
        let group = self.group.clone().map(At::Group);
        group.or_else(|| self.project.clone().map(At::Project))
    }
}

/// The same, or one workspace's.
#[derive(Debug, clap::Args)]
struct Whose {
    #[command(flatten)]
    place: Place,

    /// That of this workspace (name or id) alone
    #[arg(long, value_name = "WORKSPACE", conflicts_with_all = ["group", "project"])]
    workspace: Option<WorkspaceRef>,
}

impl Whose {
    fn idle(&self) -> Idle {
        self.workspace.clone().map_or_else(|| Idle::Place(self.place.at()), Idle::Workspace)
    }
}

/// As `never`, 30m, 8h or 2d.
pub(crate) fn after(text: &str) -> Result<IdleAfter, String> {
    if text == "never" { Ok(IdleAfter::Never) } else { parse_minutes(text).map(IdleAfter::Minutes) }
}

/// Sends a rule and says what holds from now on.
async fn put(global: &Global, whose: &Whose, rule: &IdleRule, output: &ChangeOutput) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let in_force = match whose.idle() {
        Idle::Workspace(workspace) => {
            let workspace = session.organization.set_idle_rule_of_workspace(&workspace, rule).await?;
            session.printer.one(&workspace, output.output, now())?;
            workspace.idle_rule
        }
        Idle::Place(at) => {
            let view = session.organization.set_idle_rule(at.as_ref(), rule).await?;
            session.printer.one(&view, output.output, now())?;
            view.in_force
        }
    };
    match in_force {
        Some(rule) => session.talk.say(&format!("In force there within a minute: {rule}.")),
        None => session.talk.say("Nothing is in force there, but for what an agent's configuration says."),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_whole_minutes_or_never() {
        assert_eq!(after("never"), Ok(IdleAfter::Never));
        assert_eq!(after("8h"), Ok(IdleAfter::Minutes(480)));
        for wrong in ["", "Never", "30", "-1h", "90s"] {
            assert!(after(wrong).is_err(), "{wrong}");
        }
    }
}
