//! `berth tokens …`

mod create;
mod get;
mod list;
mod revoke;
mod rotate;

use berth_schema::TokenId;
use berth_schema::access::Token;
use clap::Subcommand;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::args::Global;
use crate::client::Client;
use crate::config::{Credential, Target};
use crate::error::Error;
use crate::names::OrganizationRef;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token and print it, once
    Create(create::Args),
    /// List tokens: who made them, when they were last used, when they end
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show one token, without its secret
    #[command(visible_alias = "show")]
    Get(get::Args),
    /// Give a token another secret and print it, once
    Rotate(rotate::Args),
    /// Take tokens away for good
    Revoke(revoke::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Create(args) => create::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Get(args) => get::run(global, &args).await,
        Command::Rotate(args) => rotate::run(global, &args).await,
        Command::Revoke(args) => revoke::run(global, &args).await,
    }
}

/// The organisation that is meant, and the token that asks. A login is no token of its own, and always has an organisation.
async fn whose(target: &Target, client: &Client) -> Result<(OrganizationRef, Option<TokenId>), Error> {
    match (&target.credential, target.organization.clone()) {
        (Credential::Login(_), Some(organization)) => Ok((organization, None)),
        (_, organization) => {
            let whoami = client.whoami().await?;
            Ok((organization.unwrap_or_else(|| whoami.organization.into()), whoami.token_id))
        }
    }
}

/// A day has 24 hours, a week seven days.
pub(crate) fn parse_period(text: &str) -> Result<SignedDuration, String> {
    let wanted = "a time as in 90d, 12h or 30m";
    let span: Span = text.parse().map_err(|_| format!("not {wanted}"))?;
    let period =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| format!("not {wanted}"))?;
    if period.is_positive() { Ok(period) } else { Err(format!("must be above zero, {wanted}")) }
}

/// A time in whole minutes.
pub(crate) fn parse_minutes(text: &str) -> Result<u32, String> {
    let time = parse_period(text)?;
    let minutes = u32::try_from(time.as_mins()).ok();
    minutes
        .filter(|minutes| SignedDuration::from_mins(i64::from(*minutes)) == time)
        .ok_or_else(|| "must be in whole minutes, as in 30m, 8h or 2d".to_owned())
}

/// That time, after now.
fn from_now(period: Option<SignedDuration>, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let at = period.map(|period| now.checked_add(period)).transpose();
    at.map_err(|_| Error::usage("the time is too far in the future"))
}

/// When a token ends, as half a sentence.
fn end(token: &Token) -> String {
    token.expires_at.map_or_else(|| "it never ends".to_owned(), |end| format!("it ends at {end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_minutes() {
        assert_eq!(parse_minutes("30m"), Ok(30));
        assert_eq!(parse_minutes("1h30m"), Ok(90));
        assert_eq!(parse_minutes("2d"), Ok(2 * 24 * 60));
        for wrong in ["", "0m", "90s", "30", "-1h", "8 parsecs", "9999999999h"] {
            assert!(parse_minutes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_period_is_in_days_hours_or_minutes() {
        assert_eq!(parse_period("90d"), Ok(SignedDuration::from_hours(90 * 24)));
        assert_eq!(parse_period("1h30m"), Ok(SignedDuration::from_mins(90)));
        for bad in ["", "90", "-1d", "0s", "1y", "9999999999999999d"] {
            assert!(parse_period(bad).is_err(), "{bad}");
        }
    }
}
