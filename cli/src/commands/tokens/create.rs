//! `berth tokens create`

use berth_schema::access::{CreateToken, Role, TokenName, TokenScope};
use jiff::SignedDuration;

use super::parse_period;
use crate::args::Global;
use crate::commands::secret::SecretOutput;
use crate::error::Error;
use crate::names::role;
use crate::session::{Session, now};

const HELP: &str = "\
The server keeps only a hash of the token and cannot show it again. A token cannot make one that
may do more, or lives longer, than itself. It ends after 366 days at most; without --expires-in
after 365, or with the token that makes it. What it may do is what its role permits, and with
--read-only nothing that changes anything. Without --role it is what you are: what an owner makes
is an owner's.

Examples:
  berth tokens create ci --role developer --expires-in 90d > ci.token
  berth tokens create laptop --same-subject > laptop.token
  berth tokens create zoe --role developer > zoe.token
  berth tokens create dashboard --read-only -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// What it is called in lists and timelines
    #[arg(value_name = "NAME")]
    name: TokenName,

    /// It may look at everything and change nothing
    #[arg(long)]
    read_only: bool,

    /// It is another token of yours: it shares your quotas; otherwise it is somebody else's
    #[arg(long)]
    same_subject: bool,

    /// What somebody else is to be: owner, maintainer, developer, viewer or auditor [default: what you are]
    #[arg(long, value_name = "ROLE", value_parser = role, conflicts_with = "same_subject")]
    role: Option<Role>,

    /// When it ends, from now on, at most 366d
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    expires_in: Option<SignedDuration>,

    #[command(flatten)]
    output: SecretOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let expires_at = super::from_now(args.expires_in, now())?;
    let scope = if args.read_only { TokenScope::ReadOnly } else { TokenScope::Full };
    let (same_subject, role) = (args.same_subject, args.role);
    let wanted = CreateToken { name: args.name.clone(), scope, expires_at, same_subject, role };
    let session = Session::open(global).await?;
    let created = session.organization.create_token(&wanted).await?;
    let end = super::end(&created.details);
    let role = created.role.map(|role| format!(", with the role {role}")).unwrap_or_default();
    session.talk.say(&format!(
        "Token '{}' ({scope}{role}) is made; {end}. Keep it: it is not shown again.",
        created.details.name
    ));
    args.output.print(&created.token, &created)
}
