//! `berth variables set`

use berth_schema::scope::{Secret, SetVariable};

use crate::args::Global;
use crate::error::Error;
use crate::input::Stdin;
use crate::input::variables::VariableArgs;
use crate::session::Session;

const HELP: &str = "\
Workspaces that exist keep the values they were created with. A workspace's own variable takes the
place of the organisation's, unless that is final.

Examples:
  berth variables set -e REGISTRY=registry.example.com
  berth variables set -e API_KEY --final             # API_KEY as in your own environment
  berth variables set --file ca.pem=corporate-ca.pem";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// No workspace may have its own value
    #[arg(long = "final")]
    is_final: bool,

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
    let session = Session::open(global).await?;
    for variable in variables {
        let set = SetVariable {
            name: variable.name,
            kind: variable.kind,
            value: variable.value.map(Secret),
            value_base64: variable.value_base64.map(Secret),
            is_final: args.is_final,
        };
        let set = session.organization.set_variable(&set).await?;
        session.talk.say(&format!("'{}' ({}) is set, version {}.", set.name, set.kind, set.version));
    }
    Ok(())
}
