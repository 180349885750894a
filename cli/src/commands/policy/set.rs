//! `berth policy set`

use berth_schema::policy::SetPolicy;

use super::rules;
use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::session::Session;

const HELP: &str = "\
The rules replace those before whole, and hold from the next request on. Wrong ones are not taken,
nor are such by which no owner could set others again.

Examples:
  berth policy get > policy.cedar
  berth policy set -f policy.cedar --dry-run
  berth policy set -f policy.cedar --if-version 3
  berth policy set --built-in";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["file", "built_in"])))]
pub(crate) struct Args {
    /// The new rules, in Cedar ('-': standard input)
    #[arg(long, short, value_name = "FILE")]
    file: Option<Source>,

    /// Go back to the server's own rules
    #[arg(long)]
    built_in: bool,

    /// Only if the policy is still of this version (see `get`)
    #[arg(long, value_name = "NUMBER", conflicts_with = "dry_run")]
    if_version: Option<i64>,

    /// Have them checked, and set nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let given = args.file.as_ref().map(|file| rules(file, &mut Stdin::default())).transpose()?;
    let wanted = SetPolicy { rules: given, built_in: args.built_in };
    let session = Session::open(global).await?;
    if args.dry_run {
        session.organization.check_policy(&wanted).await?;
        session.talk.say("The rules are right; nothing was set.");
        return Ok(());
    }
    let policy = session.organization.set_policy(&wanted, args.if_version).await?;
    session.talk.say(&format!("The policy is at version {}.", policy.details.version));
    Ok(())
}
