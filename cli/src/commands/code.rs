//! `berth code`

use std::path::Path;

use super::{open, ssh_config};
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::session::Session;
use crate::ssh::host_alias;

const HELP: &str = "\
VS Code's extension Remote-SSH connects by your OpenSSH, which has to know workspaces:
`berth ssh-config --install` once.

Examples:
  berth code calm-blue-reef
  berth code calm-blue-reef --folder /projects/site";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// The folder that is opened
    #[arg(long, value_name = "PATH", default_value = "/projects", value_parser = parse_folder)]
    folder: String,

    /// Print the link and open nothing
    #[arg(long)]
    print: bool,
}

/// A workspace, as programs of this machine reach it by OpenSSH.
pub(super) struct Machine {
    pub(super) session: Session,
    /// What OpenSSH calls the workspace.
    pub(super) host: String,
}

impl Machine {
    /// Whoever has not installed what OpenSSH has to know is told.
    pub(super) async fn of(global: &Global, workspace: &WorkspaceRef) -> Result<Self, Error> {
        let session = Session::open(global).await?;
        let workspace = session.organization.workspace(workspace).await?;
        if !ssh_config::is_installed()? {
            session.talk.warn("your OpenSSH does not know workspaces yet; run `berth ssh-config --install`");
        }
        Ok(Self { session, host: host_alias(workspace.name.as_str()) })
    }
}

pub(super) fn parse_folder(text: &str) -> Result<String, &'static str> {
    if Path::new(text).is_absolute() { Ok(text.to_owned()) } else { Err("must begin with a slash") }
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let machine = Machine::of(global, &args.workspace).await?;
    let mut url: url::Url = format!("vscode://vscode-remote/ssh-remote+{}", machine.host)
        .parse()
        .map_err(|_| Error::Other("there is no link to such a workspace".to_owned()))?;
    let path = format!("{}{}", url.path(), args.folder);
    url.set_path(&path);
    open::show(&machine.session, url.as_str(), args.print)
}
