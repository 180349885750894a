//! `berth variables delete`

use berth_schema::api::ChangeVariables;
use berth_schema::scope::RemoveVariable;
use berth_schema::variables::{VariableKind, check_name};

use super::{OfWorkspace, change_own};
use crate::args::Global;
use crate::commands::whose::WhoseArgs;
use crate::error::Error;
use crate::session::Session;

const HELP: &str = "\
Examples:
  berth variables delete REGISTRY
  berth variables delete ca.pem --kind file
  berth variables delete REGISTRY --project platform/payments/api
  berth variables delete API_KEY --workspace calm-blue-reef";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The variable's name
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    whose: WhoseArgs,

    #[command(flatten)]
    of_workspace: OfWorkspace,

    /// environment or file
    #[arg(long, value_name = "KIND", default_value = "environment")]
    kind: VariableKind,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    check_name(args.kind, &args.name).map_err(|error| Error::Usage {
        message: format!("'{}' {error}", args.name),
        hint: Some("one that is a file is meant with --kind file".to_owned()),
    })?;
    if let Some(workspace) = &args.of_workspace.workspace {
        let remove = vec![RemoveVariable { name: args.name.clone(), kind: args.kind }];
        let change =
            ChangeVariables { remove, restart: args.of_workspace.restart, ..ChangeVariables::default() };
        return change_own(global, workspace, &change).await;
    }
    let session = Session::open(global).await?;
    let deleted = session.organization.delete_variable(&args.whose.whose(), args.kind, &args.name).await?;
    session
        .talk
        .say(&format!("'{}' ({}) is deleted; workspaces that have it keep it.", deleted.name, deleted.kind));
    Ok(())
}
