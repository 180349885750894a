//! `berth variables set`

use berth_schema::api::ChangeVariables;
use berth_schema::scope::{Secret, SetVariable};

use super::{OfWorkspace, change_own};
use crate::args::Global;
use crate::commands::whose::WhoseArgs;
use crate::error::Error;
use crate::input::Stdin;
use crate::input::variables::VariableArgs;
use crate::session::Session;

const HELP: &str = "\
New workspaces get what is nearest: their own, then yours, their project's, that of the groups it
is in, the organisation's. What is final is overridden by nothing nearer. Workspaces that exist keep
what they have: `berth variables renew` has one take what is around it anew, and with --workspace it is
given variables of its own. Its files are others within two minutes; its programs have another
environment when it starts, or is started anew by --restart.

Examples:
  berth variables set -e REGISTRY=registry.example.com
  berth variables set -e API_KEY --final             # API_KEY as in your own environment
  berth variables set --file ca.pem=corporate-ca.pem
  berth variables set --group platform -e REGISTRY=registry.platform.example.com
  berth variables set --mine -e EDITOR=vim
  berth variables set --workspace calm-blue-reef --file token=new-token.txt
  berth variables set --workspace calm-blue-reef -e API_KEY --restart";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Nothing nearer may have its own value
    #[arg(long = "final", conflicts_with = "workspace")]
    is_final: bool,

    #[command(flatten)]
    whose: WhoseArgs,

    #[command(flatten)]
    of_workspace: OfWorkspace,

    #[command(flatten)]
    variables: VariableArgs,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let variables = args.variables.read(&mut Stdin::default())?;
    if variables.is_empty() {
        return Err(Error::Usage {
            message: "no variable is given".to_owned(),
            hint: Some("give one or more of -e NAME=VALUE, --env-file FILE and --file NAME=PATH".to_owned()),
        });
    }
    if let Some(workspace) = &args.of_workspace.workspace {
        let set = variables.into_iter().collect();
        let change =
            ChangeVariables { set, restart: args.of_workspace.restart, ..ChangeVariables::default() };
        return change_own(global, workspace, &change).await;
    }
    let whose = args.whose.whose();
    let session = Session::open(global).await?;
    for variable in variables {
        let set = SetVariable {
            name: variable.name,
            kind: variable.kind,
            value: variable.value.map(Secret),
            value_base64: variable.value_base64.map(Secret),
            is_final: args.is_final,
        };
        let set = session.organization.set_variable(&whose, &set).await?;
        session.talk.say(&format!("'{}' ({}) is set, version {}.", set.name, set.kind, set.version));
    }
    Ok(())
}
