//! `berth tokens revoke`

use berth_schema::access::RevokeToken;

use crate::args::Global;
use crate::error::Error;
use crate::names::TokenRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal;

const HELP: &str = "\
Asks first on a terminal; elsewhere --yes is needed. Tokens that it has made stay: `berth tokens
list` shows who made each. The last one that may change anything is kept unless you --force it;
`berth-server token create`, on the server's machine, makes a new one.

Examples:
  berth tokens revoke ci
  berth tokens revoke ci --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The token's name or id
    #[arg(value_name = "NAME")]
    token: TokenRef,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Even the last token that may change anything
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    if !args.yes {
        terminal::confirm(&format!("Take token '{}' away for good?", args.token))?;
    }
    let session = Session::open(global).await?;
    let token = session.organization.revoke_token(&args.token, RevokeToken { force: args.force }).await?;
    session.talk.say(&format!("Token '{}' is revoked.", token.name));
    session.printer.one(&token, args.output.output, now())
}
