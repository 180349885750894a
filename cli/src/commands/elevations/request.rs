//! `berth elevations request`

use berth_schema::access::Role;
use berth_schema::elevations::{DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS, RequestElevation};

use crate::args::Global;
use crate::client::elevations::Where;
use crate::error::Error;
use crate::names::{GroupRef, ProjectRef, role};
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Somebody else who could give you the role decides, within 24 hours. From then on it holds for as
long as you said, for your logins alone: no token has it. You need to have signed in, or confirmed
at /confirm, within ten minutes.

Examples:
  berth elevations request maintainer --reason 'rotate the registry password'
  berth elevations request maintainer --reason 'move the api' --group platform --minutes 30";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// What you want to be: owner, maintainer, developer, viewer or auditor
    #[arg(value_name = "ROLE", value_parser = role)]
    role: Role,

    /// What it is for: whoever decides reads it, and it is on record
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// For how long, from when somebody gives it: 480 at most
    #[arg(long, value_name = "MINUTES", default_value_t = DEFAULT_SECONDS / 60,
          value_parser = clap::value_parser!(u32).range(i64::from(MIN_SECONDS / 60)..=i64::from(MAX_SECONDS / 60)))]
    minutes: u32,

    /// At that group and all that is in it, not in the whole organisation
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupRef>,

    /// At that project
    #[arg(long, value_name = "PROJECT", conflicts_with = "group")]
    project: Option<ProjectRef>,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let place = match (&args.group, &args.project) {
        (Some(group), _) => Where::Group(group),
        (None, Some(project)) => Where::Project(project),
        (None, None) => Where::Organization,
    };
    let seconds = Some(args.minutes * 60);
    let wanted = RequestElevation { role: args.role, reason: args.reason.clone(), seconds };
    let asked = session.organization.request_elevation(place, &wanted).await?;
    session.talk.say(&format!(
        "You ask to be {}{} for {} minutes. Somebody else may decide until {}: `berth elevations approve {}`.",
        asked.role,
        asked.place.words(),
        asked.seconds / 60,
        asked.decide_by,
        asked.id
    ));
    session.printer.one(&asked, args.output.output, now())
}
