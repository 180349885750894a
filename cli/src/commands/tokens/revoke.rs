//! `berth tokens revoke`

use berth_schema::access::RevokeToken;

use crate::args::Global;
use crate::client::Organization;
use crate::error::Error;
use crate::names::TokenRef;
use crate::output::{ChangeOutput, Printer};
use crate::session::{self, now};
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
        terminal::can_confirm()?;
    }
    let talk = global.talk();
    let (target, client) = session::connect(global)?;
    let (organization, own) = super::whose(&target, &client).await?;
    let organization = Organization::new(client, organization);
    let is_in_use = own.is_some() && own == Some(organization.token(&args.token).await?.id);
    if !args.yes {
        let which = if is_in_use { ", which you are using," } else { "" };
        terminal::confirm(&format!("Take token '{}'{which} away for good?", args.token))?;
    }
    let token = organization.revoke_token(&args.token, RevokeToken { force: args.force }).await?;
    talk.say(&format!("Token '{}' is revoked.", token.name));
    if is_in_use {
        talk.warn("it is the one that this command used: the next one needs another (`berth login`)");
    }
    Printer::of(global).one(&token, args.output.output, now())
}
