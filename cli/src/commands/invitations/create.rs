//! `berth invitations create`

use berth_schema::access::Role;
use berth_schema::members::{INVITATION_HOURS, Invite, MAX_INVITATION_HOURS};

use crate::args::Global;
use crate::commands::secret::SecretOutput;
use crate::error::Error;
use crate::names::role;
use crate::session::Session;

const HELP: &str = "\
Whoever has the link may join, once, whatever they are called: send it to them alone. They join as
who they are signed in as, or get an account by it. Nobody invites anybody to be more than they are.

Examples:
  berth invitations create 'Ada Lovelace' --role developer
  berth invitations create 'Ada Lovelace' --role maintainer --expires-in-hours 24";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Whom it is for
    #[arg(value_name = "NAME")]
    name: String,

    /// What they are to be: owner, maintainer, developer, viewer or auditor
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Role,

    /// How long the link may wait
    #[arg(long, value_name = "HOURS", default_value_t = INVITATION_HOURS,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_INVITATION_HOURS)))]
    expires_in_hours: u32,

    #[command(flatten)]
    output: SecretOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let (name, role, hours) = (args.name.clone(), args.role, args.expires_in_hours);
    let invite = Invite { name, role, expires_in_hours: Some(hours) };
    let invited = session.organization.invite(&invite).await?;
    session.talk.say(&format!(
        "'{}' may join as {role} until {}. The link is not shown again.",
        invited.details.name, invited.details.expires_at
    ));
    args.output.print(&invited.link, &invited)
}
