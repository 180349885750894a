//! `berth ports open`

use berth_schema::PortName;
use berth_schema::ports::{DEFAULT_OPEN_MINUTES, OpenPort};

use crate::args::Global;
use crate::commands::tokens::parse_minutes;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
You get to it in a browser, at an address of its own, until the workspace stops or restarts, and no
longer than --for. Nobody else does, until you share it. Said again it is another time from now on.
The program has to listen on all addresses (0.0.0.0); one that listens on localhost alone is reached
by `berth port-forward`. Ports that the devfile declares are there without this.

Examples:
  berth ports open calm-blue-reef 3000
  berth ports open calm-blue-reef 3000 --name preview --for 8h";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// The port
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// For how long at most: 24h where nothing is said; 30d at most
    #[arg(long = "for", value_name = "TIME", value_parser = parse_minutes)]
    minutes: Option<u32>,

    /// What to call it; port-PORT where nothing is said
    #[arg(long = "name", value_name = "LABEL")]
    name: Option<PortName>,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let minutes = args.minutes.unwrap_or(DEFAULT_OPEN_MINUTES);
    let open = OpenPort { port: args.port, name: args.name.clone(), minutes };
    let ports = session.organization.open_port(&args.workspace, &open).await?;
    let opened = super::of(ports, args.port)?;
    session.talk.say(&format!("Port {} is open{}", args.port, super::address(&opened)));
    session.printer.one(&opened, args.output.output, now())
}
