//! `berth members set-role`, `suspend` and `resume`

use berth_schema::access::Role;
use berth_schema::members::ChangeMember;

use crate::args::Global;
use crate::error::Error;
use crate::names::role;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
It holds from the next request on. The last owner who gets in keeps the role and is not suspended.
Nobody makes anybody more than they are themselves.

Examples:
  berth members set-role 'Ada Lovelace' maintainer
  berth members suspend 'Ada Lovelace'";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct SetRole {
    #[command(flatten)]
    pub(super) whom: Whom,

    /// owner, maintainer, developer, viewer or auditor
    #[arg(value_name = "ROLE", value_parser = role)]
    pub(super) role: Role,
}

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Whom {
    /// The member's name or id
    #[arg(value_name = "NAME")]
    member: String,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(super) async fn run(global: &Global, whom: &Whom, change: &ChangeMember) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let member = session.organization.change_member(&whom.member, change).await?;
    let state = if member.suspended_at.is_some() { ", and is suspended" } else { "" };
    session.talk.say(&format!("'{}' is {}{state}.", member.name, member.role));
    session.printer.one(&member, whom.output.output, now())
}
