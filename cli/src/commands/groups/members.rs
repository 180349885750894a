//! `berth groups members`, `give-role` and `take-role`

use berth_schema::access::Role;

use crate::args::Global;
use crate::client::At;
use crate::commands::given;
use crate::commands::page::PageArgs;
use crate::error::Error;
use crate::names::{GroupRef, role};
use crate::output::ReadOutput;

const MEMBERS: &str = "\
Those who are something there itself; whoever is something above it is so here, too.

Examples:
  berth groups members platform/payments
  berth groups members platform/payments -o wide";

#[derive(Debug, clap::Args)]
#[command(after_help = MEMBERS)]
pub(crate) struct Members {
    /// The group's path or id
    #[arg(value_name = "GROUP")]
    group: GroupRef,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

const GIVE: &str = "\
It holds from the next request on, in place of a role that they were given there before. Nobody gives
a role that is more than they are there themselves.

Examples:
  berth groups give-role platform/payments 'Ada Lovelace' maintainer";

#[derive(Debug, clap::Args)]
#[command(after_help = GIVE)]
pub(crate) struct Give {
    /// The group's path or id
    #[arg(value_name = "GROUP")]
    group: GroupRef,

    /// The member's name or id
    #[arg(value_name = "MEMBER")]
    member: String,

    /// owner, maintainer, developer, viewer or auditor
    #[arg(value_name = "ROLE", value_parser = role)]
    role: Role,
}

const TAKE: &str = "\
What they are above it, and in the organisation, they stay.

Examples:
  berth groups take-role platform/payments 'Ada Lovelace'";

#[derive(Debug, clap::Args)]
#[command(after_help = TAKE)]
pub(crate) struct Take {
    /// The group's path or id
    #[arg(value_name = "GROUP")]
    group: GroupRef,

    /// The member's name or id
    #[arg(value_name = "MEMBER")]
    member: String,
}

pub(crate) async fn list(global: &Global, args: Members) -> Result<(), Error> {
    given::list(global, &At::Group(args.group), &args.page, args.output.output).await
}

pub(crate) async fn give(global: &Global, args: Give) -> Result<(), Error> {
    given::give(global, &At::Group(args.group), &args.member, args.role).await
}

pub(crate) async fn take(global: &Global, args: Take) -> Result<(), Error> {
    given::take(global, &At::Group(args.group), &args.member).await
}
