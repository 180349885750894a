//! `berth agents orphans`

use std::fmt;
use std::str::FromStr;

use berth_schema::api::Paged;
use berth_schema::{NameError, WorkspaceId, WorkspaceName};

use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
What an agent has in its cluster and the server does not know, for example after the database was
restored. Nothing is removed because a database does not know it: `berth agents remove-orphan`
allows it for one of them, `berth agents keep-orphan` takes that back.

Examples:
  berth agents orphans berlin
  berth agents orphans berlin -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    #[command(flatten)]
    output: ReadOutput,
}

/// An orphan, by its name or its id.
#[derive(Clone, Debug)]
pub(super) enum OrphanRef {
    Id(WorkspaceId),
    Name(WorkspaceName),
}

impl FromStr for OrphanRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.parse().map(Self::Id).or_else(|_| WorkspaceName::new(text).map(Self::Name))
    }
}

impl fmt::Display for OrphanRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => write!(f, "'{name}'"),
        }
    }
}

/// The id of the orphan that is meant. Names of orphans are not unique: of several, none is meant.
pub(super) async fn resolve(
    session: &Session,
    agent: &AgentRef,
    orphan: &OrphanRef,
) -> Result<WorkspaceId, Error> {
    let name = match orphan {
        OrphanRef::Id(id) => return Ok(*id),
        OrphanRef::Name(name) => name,
    };
    let orphans = session.organization.orphans(agent).await?.items;
    let mut named = orphans.iter().filter(|orphan| orphan.name == *name).map(|orphan| orphan.workspace_id);
    match (named.next(), named.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(Error::NotFound {
            message: format!("agent '{agent}' has no orphan '{name}'"),
            hint: format!("`berth agents orphans {agent}` shows those it has"),
        }),
        (Some(_), Some(_)) => Err(Error::Usage {
            message: format!("agent '{agent}' has several orphans named '{name}'"),
            hint: Some(format!("give the id of one: `berth agents orphans {agent} -o wide`")),
        }),
    }
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let orphans = session.organization.orphans(&args.agent).await?;
    let page = Paged { items: orphans.items, next: None };
    session.printer.list(&page, args.output.output, now())?;
    if page.items.is_empty() {
        session.talk.say(&format!("Agent '{}' has no orphans.", args.agent));
    }
    Ok(())
}
