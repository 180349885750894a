//! What every command needs that goes into a workspace by OpenSSH.

use berth_schema::connection::ProgramConnection;
use berth_schema::{DesiredState, NameError};

use super::command::Openssh;
use super::keys::{Keys, of_alias};
use crate::args::Global;
use crate::config::Config;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::session::Session;
use crate::wait::WaitArgs;

/// Which workspace, and what to do where it does not run.
#[derive(Debug, clap::Args)]
pub(crate) struct Door {
    /// The workspace's name or id
    #[arg(value_name = "NAME", value_parser = of_host)]
    pub(crate) workspace: WorkspaceRef,

    /// Start the workspace and wait for it, where it does not run
    #[arg(long)]
    pub(crate) start: bool,
}

/// A workspace's name or id; also by what OpenSSH calls it.
fn of_host(text: &str) -> Result<WorkspaceRef, NameError> {
    of_alias(text).parse()
}

/// Where the files of OpenSSH are.
pub(crate) fn keys(global: &Global) -> Result<Keys, Error> {
    Ok(Keys::beside(Config::load(global.config.as_deref())?.path()))
}

/// Has a certificate issued, and starts the workspace first where that is asked for.
pub(crate) async fn open(
    global: &Global,
    workspace: &WorkspaceRef,
    start: bool,
) -> Result<(Session, Keys, ProgramConnection), Error> {
    let keys = keys(global)?;
    let public = keys.public()?;
    let session = Session::open(global).await?;
    if start {
        started(&session, workspace).await?;
    }
    let connection = session.organization.connect(workspace, Some(public)).await?;
    Ok((session, keys, connection))
}

/// OpenSSH's options for a workspace, with a fresh certificate.
pub(crate) async fn openssh(
    global: &Global,
    workspace: &WorkspaceRef,
    start: bool,
) -> Result<Openssh, Error> {
    let (_, keys, connection) = open(global, workspace, start).await?;
    Openssh::new(global, &keys, &connection)
}

async fn started(session: &Session, workspace: &WorkspaceRef) -> Result<(), Error> {
    let organization = &session.organization;
    let mut found = organization.workspace(workspace).await?;
    if found.desired_state != DesiredState::Running {
        found = organization.change_workspace(workspace, "start", None).await?;
        session.talk.say(&format!("Workspace '{}' is asked to start.", found.name));
    }
    WaitArgs::until_done().wait(organization, found, session.talk).await.map(drop)
}
