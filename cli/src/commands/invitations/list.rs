//! `berth invitations list`

use berth_schema::members::{Invitation, InvitationState};

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more, tell_of_others};
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Links are never shown again. Those that are over are listed with --state alone.

Examples:
  berth invitations list
  berth invitations list --state all";

/// Which invitations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Open,
    Accepted,
    Revoked,
    Expired,
    All,
}

impl State {
    fn is_of(self, invitation: &Invitation) -> bool {
        match self {
            Self::Open => invitation.state == InvitationState::Open,
            Self::Accepted => invitation.state == InvitationState::Accepted,
            Self::Revoked => invitation.state == InvitationState::Revoked,
            Self::Expired => invitation.state == InvitationState::Expired,
            Self::All => true,
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Which invitations: open, accepted, revoked, expired or all
    #[arg(long, value_name = "STATE", default_value = "open", hide_possible_values = true)]
    state: State,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let wanted = |invitation: &Invitation| args.state.is_of(invitation);
    let (page, others) = session.organization.invitations(&args.page.listing(), wanted).await?;
    session.printer.list(&page, args.output.output, now())?;
    tell_of_more(&page, session.talk);
    tell_of_others(others, session.talk);
    Ok(())
}
