//! `berth elevations approve`, `refuse` and `end`

use berth_schema::ElevationId;
use berth_schema::elevations::ElevationState;

use crate::args::Global;
use crate::error::Error;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

pub(super) const APPROVE_HELP: &str = "\
It needs a login that was confirmed within ten minutes, of somebody else than whoever asks, who
could give them that role for good.

Examples:
  berth elevations list --state pending
  berth elevations approve 0191e2b4-0000-4000-8000-000000000001";

pub(super) const REFUSE_HELP: &str = "\
Whoever could give that role for good may refuse it.

Examples:
  berth elevations list --state pending
  berth elevations refuse 0191e2b4-0000-4000-8000-000000000001";

pub(super) const END_HELP: &str = "\
Your own, or one that you could have given. What ends is over at once, on every server: requests,
connections and streams.

Examples:
  berth elevations list
  berth elevations end 0191e2b4-0000-4000-8000-000000000001";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    elevation: ElevationId,

    #[command(flatten)]
    output: ChangeOutput,
}

/// `how`: the last part of its address.
pub(crate) async fn run(global: &Global, args: &Args, how: &str) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let decided = session.organization.decide_elevation(args.elevation, how).await?;
    let (name, role, place) = (&decided.name, decided.role, decided.place.words());
    session.talk.say(&match (decided.state, decided.ends_at) {
        (ElevationState::Active, Some(end)) => format!("'{name}' is {role}{place} until {end}."),
        (ElevationState::Ended, _) => format!("'{name}' is {role}{place} no longer."),
        (ElevationState::Withdrawn, _) => format!("Nobody asks for '{name}' to be {role}{place} any more."),
        (state, _) => format!("The wish of '{name}' to be {role}{place} is {}.", state.as_str()),
    });
    session.printer.one(&decided, args.output.output, now())
}
