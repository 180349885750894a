//! `berth workspaces list`

use std::str::FromStr;

use berth_schema::{ActualState, DesiredState};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::watch;
use crate::args::Global;
use crate::client::WorkspaceFilter;
use crate::commands::page::{PageArgs, tell_of_more};
use crate::error::Error;
use crate::names::{AgentRef, ProjectRef};
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth list
  berth list --state failed,error -o wide
  berth list --agent berlin --desired-state running --all -o json
  berth list --project platform/payments/api
  berth list --name test -o name | xargs berth stop
  berth list --watch --state failed,error";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Only those in one of these states (comma list; case does not matter)
    #[arg(long, value_name = "STATES", value_delimiter = ',', ignore_case = true)]
    #[arg(value_parser = states::<ActualState>(ActualState::ALL.iter().map(|state| state.as_str())))]
    state: Vec<ActualState>,

    /// Only those that shall be in one of these states (comma list; case does not matter)
    #[arg(long, value_name = "STATES", value_delimiter = ',', ignore_case = true)]
    #[arg(value_parser = states::<DesiredState>(DesiredState::ALL.iter().map(|state| state.as_str())))]
    desired_state: Vec<DesiredState>,

    /// Only those of this agent (name or id)
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentRef>,

    /// Only those of this project (path or id)
    #[arg(long, value_name = "PROJECT")]
    project: Option<ProjectRef>,

    /// Only those whose name holds this text
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// Show all, and then a line at each change
    #[arg(long, short, conflicts_with_all = ["limit", "after"])]
    watch: bool,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let filter = WorkspaceFilter {
        desired_states: args.desired_state,
        actual_states: args.state,
        agent: args.agent,
        project: args.project,
        name: args.name,
    };
    let session = Session::open(global).await?;
    if args.watch {
        return watch::all(&session, &filter, args.output.output).await;
    }
    let page = session.organization.list_workspaces(&filter, &args.page.listing()).await?;
    session.printer.list(&page, args.output.output, now())?;
    if page.items.is_empty() {
        session.talk.say("No workspaces found.");
    }
    tell_of_more(&page, session.talk);
    Ok(())
}

/// A parser of states that help and completion know.
fn states<T>(names: impl Iterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names.collect::<Vec<_>>()).try_map(|text| text.parse::<T>())
}
