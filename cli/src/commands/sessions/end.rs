//! `berth sessions end`

use std::time::Duration;

use berth_schema::ConnectionId;
use berth_schema::connected::EndConnections;
use tokio::time::sleep;

use crate::args::Global;
use crate::client::interruptible;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::session::Session;

const HELP: &str = "\
What is open by it is cut within a second, and what it was begun by opens nothing any more. Whoever
it was may come back: where you ended it from another login than theirs, once they have confirmed
who they are. For good, take back what is shared with them (`berth ports unshare`), or end the login.

Examples:
  berth sessions list calm-blue-reef
  berth sessions end calm-blue-reef 0191e2b4-0000-4000-8000-000000000001
  berth sessions end calm-blue-reef --all";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// The connection's id, as `list` shows it
    #[arg(value_name = "ID", required_unless_present = "all")]
    connection: Option<ConnectionId>,

    /// All connections of people who have signed in, your own included
    #[arg(long, conflicts_with = "connection")]
    all: bool,
}

/// Proxies tell within five seconds who has come: whoever came just before is known then.
const TOLD_BY: Duration = Duration::from_secs(6);

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let end = async || {
        let which = EndConnections { id: args.connection };
        session.organization.end_connections(&args.workspace, which).await.map(|answer| answer.ended)
    };
    let ended = end().await?;
    session.talk.say(&match ended {
        0 => "Nobody who has signed in is known to be connected.".to_owned(),
        1 => "1 connection was ended.".to_owned(),
        many => format!("{many} connections were ended."),
    });
    if args.all {
        session.talk.say("Once more in 6 seconds, for who has just come …");
        let more = interruptible(async {
            sleep(TOLD_BY).await;
            end().await
        });
        session.talk.say(&match more.await? {
            0 => "Nobody had.".to_owned(),
            1 => "1 connection more was ended.".to_owned(),
            many => format!("{many} connections more were ended."),
        });
    }
    Ok(())
}
