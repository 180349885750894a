//! `berth tokens rotate`

use berth_schema::access::{RotateToken, TokenCreated};
use jiff::SignedDuration;

use super::parse_period;
use crate::args::Global;
use crate::client::Organization;
use crate::commands::secret::SecretOutput;
use crate::config::{Credential, Locked, Target};
use crate::error::Error;
use crate::names::TokenRef;
use crate::session::{self, now};
use crate::token::Token;

const HELP: &str = "\
It stays the same token in lists and timelines, with another secret. The old secret ends at once;
with --overlap it goes on for that time, so that nothing that uses it has to stop. Where the token
is the one that you are logged in with, your context gets the new one.

Examples:
  berth tokens rotate ci > ci.token
  berth tokens rotate ci --overlap 1h > ci.token
  berth tokens rotate 'first administrator'";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The token's name or id
    #[arg(value_name = "NAME")]
    token: TokenRef,

    /// For how long the old secret goes on, at most 7d
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    overlap: Option<SignedDuration>,

    /// When the token ends, from now on, at most 366d [default: as before, or in 365d where it had no end]
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    expires_in: Option<SignedDuration>,

    #[command(flatten)]
    output: SecretOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let wanted = RotateToken {
        overlap_seconds: args.overlap.map_or(0, |overlap| overlap.as_secs().unsigned_abs()),
        expires_at: super::from_now(args.expires_in, now())?,
    };
    let talk = global.talk();
    let (target, client) = session::connect(global)?;
    let (organization, own) = super::whose(&target, &client).await?;
    let rotated = Organization::new(client, organization).rotate_token(&args.token, &wanted).await?;
    let details = &rotated.details;
    let old = match details.previous_valid_until {
        Some(until) => format!("the old one goes on until {until}"),
        None => "the old one has ended".to_owned(),
    };
    talk.say(&format!("Token '{}' has a new secret; {old}. Keep it: it is not shown again.", details.name));
    // Before anything else can fail: it is the only copy.
    let kept = if own == Some(details.id) { keep(global, &target, &rotated).await } else { Ok(None) };
    let printed = args.output.print(&rotated.token, &rotated);
    if let Some(name) = kept? {
        talk.say(&format!("Context '{name}' uses it from now on."));
    }
    printed
}

/// Stores the new secret where the old one was found: in a context, if it came from one.
async fn keep(global: &Global, target: &Target, rotated: &TokenCreated) -> Result<Option<String>, Error> {
    let Some(name) = target.context.clone().filter(|_| global.token.is_none()) else { return Ok(None) };
    let mut config = Locked::open(global.config.as_deref()).await?;
    if let Some(context) = config.contents.contexts.get_mut(&name) {
        context.credential = Credential::Token(Token::from_input(rotated.token.clone())?);
        config.save()?;
    }
    Ok(Some(name))
}
