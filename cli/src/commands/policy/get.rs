//! `berth policy get`

use crate::args::Global;
use crate::error::Error;
use crate::output;
use crate::session::Session;

const HELP: &str = "\
Where the organisation has set none, these are the server's own rules.

Examples:
  berth policy get > policy.cedar
  berth policy get --version 3
  berth policy get --schema > policy.cedarschema";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Of this version, in place of the one that holds
    #[arg(long, value_name = "NUMBER")]
    version: Option<i64>,

    /// What rules may speak of, in place of the rules
    #[arg(long)]
    schema: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let policy = session.organization.policy(args.version).await?;
    let whose =
        if policy.details.built_in { "the server's own rules" } else { "rules of the organization's" };
    session.talk.say(&format!("Version {}: {whose}.", policy.details.version));
    output::document(if args.schema { &policy.schema } else { &policy.rules })
}
