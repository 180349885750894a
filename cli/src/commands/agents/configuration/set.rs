//! `berth agents configuration set`

use berth_schema::configuration::ConfigurationView;

use super::Document;
use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::session::Session;

const HELP: &str = "\
The document replaces the whole configuration. When any field is wrong, all wrong fields are
named and the old configuration stays in force. A change of what is in the cluster reaches every
workspace of the agent; running ones restart when their pod changes.

Examples:
  berth agents configuration get berlin > berlin.yaml
  berth agents configuration diff berlin -f berlin.yaml
  berth agents configuration set berlin -f berlin.yaml
  echo '{\"user\": 5002}' | berth agents configuration set berlin -f -";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    #[command(flatten)]
    document: Document,

    /// Only if the configuration is still of this version (see `get`)
    #[arg(long, value_name = "NUMBER")]
    if_version: Option<i64>,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let document = args.document.read()?;
    let session = Session::open(global).await?;
    let view = session.organization.set_configuration(&args.agent, &document, args.if_version).await?;
    let effect = effect(view.rendered_again.unwrap_or(0), "is", "are");
    session.talk.say(&format!(
        "The configuration of agent '{}' is at version {}; {effect}.",
        args.agent, view.version
    ));
    for line in of_groups(&view, "does", "do") {
        session.talk.say(&line);
    }
    Ok(())
}

/// What `allowed_groups` leads to, a line each.
pub(super) fn of_groups(view: &ConfigurationView, one: &str, several: &str) -> Vec<String> {
    let mut lines = Vec::new();
    match view.not_taken.unwrap_or(0) {
        0 => {}
        1 => lines
            .push(format!("1 workspace that is to run there {one} not start again, by 'allowed_groups'.")),
        count => lines.push(format!(
            "{count} workspaces that are to run there {several} not start again, by 'allowed_groups'."
        )),
    }
    let unknown = view.unknown_groups.iter();
    lines.extend(unknown.map(|name| format!("allowed_groups: '{name}' is no group that you see.")));
    lines
}

/// What becomes of the workspaces.
pub(super) fn effect(workspaces: i64, one: &str, several: &str) -> String {
    match workspaces {
        0 => "no workspace changes".to_owned(),
        1 => format!("1 workspace {one} applied anew"),
        count => format!("{count} workspaces {several} applied anew"),
    }
}
