//! `berth elevations list`

use berth_schema::elevations::{Elevation, ElevationState};

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more, tell_of_others};
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Those that are over are listed with --state alone.

Examples:
  berth elevations list
  berth elevations list --state all";

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Open,
    Pending,
    Active,
    All,
}

impl State {
    fn is_of(self, elevation: &Elevation) -> bool {
        let (is_pending, is_active) =
            (elevation.state == ElevationState::Pending, elevation.state == ElevationState::Active);
        match self {
            Self::Open => is_pending || is_active,
            Self::Pending => is_pending,
            Self::Active => is_active,
            Self::All => true,
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Which: open (pending and active), pending, active or all
    #[arg(long, value_name = "STATE", default_value = "open", hide_possible_values = true)]
    state: State,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let wanted = |elevation: &Elevation| args.state.is_of(elevation);
    let (page, others) = session.organization.elevations(&args.page.listing(), wanted).await?;
    session.printer.list(&page, args.output.output, now())?;
    tell_of_more(&page, session.talk);
    tell_of_others(others, session.talk);
    Ok(())
}
