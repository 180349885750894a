//! `berth ports share`

use berth_schema::ports::{DEFAULT_SHARE_MINUTES, PublishPort, SharePort, ShareWith};

use super::whom::{Whom, Words};
use crate::args::Global;
use crate::commands::tokens::parse_minutes;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Who is signed in and meant opens the port's address in a browser. The workspace itself, its editor
and its terminal stay yours. It ends by itself, with `berth ports unshare`, and with your own right
to share. Said again it is another time from now on. A person's id is what `berth whoami` calls
their 'Member id', and what the page Yours shows them.

Examples:
  berth ports share calm-blue-reef 8080 --user 0191e2b4-0000-4000-8000-000000000001
  berth ports share calm-blue-reef 8080 --group platform/payments --for 48h
  berth ports share calm-blue-reef 8080 --public --for 30m";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// A port that its devfile declares, or that is open
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    #[command(flatten)]
    whom: Whom,

    /// For how long: 8h where nothing is said; 30d at most, 7d with --public
    #[arg(long = "for", value_name = "TIME", value_parser = parse_minutes)]
    minutes: Option<u32>,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let Some(with) = args.whom.with() else {
        return Err(Error::usage("say with whom: --user, --group, --whole-organization or --public"));
    };
    let session = Session::open(global).await?;
    let (port, minutes) = (args.port, args.minutes.unwrap_or(DEFAULT_SHARE_MINUTES));
    let ports = match &with {
        ShareWith::Public => {
            session.organization.publish_port(&args.workspace, &PublishPort { port, minutes }).await?
        }
        with => {
            let share = SharePort { port, with: with.clone(), minutes };
            session.organization.share_port(&args.workspace, &share).await?
        }
    };
    let shared = super::of(ports, port)?;
    session.talk.say(&format!("Port {port} is shared with {}{}", Words(&with), super::address(&shared)));
    session.printer.one(&shared, args.output.output, now())
}
