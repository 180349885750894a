//! `berth tokens list`

use berth_schema::access::{Token, TokenKind};
use jiff::Timestamp;

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more, tell_of_others};
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Secrets are never shown. The id is a part of a token's text (`sid` of its claims): what was found in
some file is found here with `-o wide`. Tokens that were revoked or have expired are listed with
--state alone. One whose state is 'Key revoked' opens nothing before `berth tokens rotate` has given
it another secret.

With --sessions the browsers and command lines are listed in which people are signed in, as far as
they have been to the organization. `berth tokens revoke ID` takes one out of it, until whoever has it
has proven anew who they are; its person ends it everywhere at /sessions of the server.

Examples:
  berth tokens list
  berth tokens list -o wide
  berth tokens list --state all
  berth tokens list --sessions -o wide";

/// Which tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// Those that are neither revoked nor expired
    Valid,
    Revoked,
    Expired,
    All,
}

impl State {
    fn is_of(self, token: &Token, now: Timestamp) -> bool {
        let is_revoked = token.revoked_at.is_some();
        let is_expired = token.expires_at.is_some_and(|end| end <= now);
        match self {
            Self::Valid => !is_revoked && !is_expired,
            Self::Revoked => is_revoked,
            Self::Expired => is_expired && !is_revoked,
            Self::All => true,
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Which tokens: valid, revoked, expired or all
    #[arg(long, value_name = "STATE", default_value = "valid", hide_possible_values = true)]
    state: State,

    /// Where people are signed in, instead of the tokens that were made
    #[arg(long)]
    sessions: bool,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let now = now();
    let wanted = |token: &Token| args.state.is_of(token, now);
    let kind = if args.sessions { TokenKind::Session } else { TokenKind::AccessToken };
    let (page, others) = session.organization.list_tokens((kind, &args.page.listing()), wanted).await?;
    session.printer.list(&page, args.output.output, now)?;
    tell_of_more(&page, session.talk);
    tell_of_others(others, session.talk);
    Ok(())
}
