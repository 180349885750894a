//! `berth logs`

use berth_schema::logs::{LogOptions, is_container_name};

use crate::args::Global;
use crate::client::read_logs;
use crate::commands::tokens::parse_period;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output;
use crate::session::{Session, connect};

const HELP: &str = "\
What the containers of a workspace write, as its cluster keeps it: also of one that does not start.
Where no container is named it is the one that failed, else the main one, or the last that has begun
before it. Bytes are printed as they were written, to a terminal as well. With --follow it ends when
the container does, or when you may not read it any more.

What the postStart commands of a devfile, the clone of its project, the editor and sshd write is in
files of the workspace: berth exec NAME -- sh -c 'tail $PROJECTS_ROOT/workspace-logs/*.log'

Examples:
  berth logs calm-blue-reef
  berth logs calm-blue-reef --previous --tail 50
  berth logs calm-blue-reef -c berth-tools
  berth logs calm-blue-reef -f --since 10m --timestamps";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// A container of the workspace, also one that runs before the others start
    #[arg(long, short, value_name = "CONTAINER", value_parser = container)]
    container: Option<String>,

    /// Go on with what is written from now on
    #[arg(long, short)]
    follow: bool,

    /// Of the container's run before this one
    #[arg(long, short)]
    previous: bool,

    /// So many lines from the end; all of them where nothing is said
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    tail: Option<u32>,

    /// What was written in the last time: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    since: Option<u32>,

    /// Begin each line with when it was written
    #[arg(long)]
    timestamps: bool,
}

fn container(text: &str) -> Result<String, &'static str> {
    if is_container_name(text) {
        return Ok(text.to_owned());
    }
    Err("must be lower-case letters, digits and '-', at most 63 of them")
}

/// A time in whole seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let time = parse_period(text)?;
    u32::try_from(time.as_secs())
        .ok()
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "must be a second or more, as in 30s, 10m or 2h".to_owned())
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let (target, _) = connect(global)?;
    let session = Session::open(global).await?;
    let connection = session.organization.connect(&args.workspace, None).await?;
    let is_named = args.container.is_some();
    let options = LogOptions {
        container: args.container,
        previous: args.previous,
        follow: args.follow,
        tail: args.tail,
        since: args.since,
        timestamps: args.timestamps,
    };
    let mut logs = read_logs(&connection, target.ca_file.as_deref(), &options).await?;
    if !is_named {
        session.talk.say(&format!("Logs of container '{}'; -c names another one.", logs.container));
    }
    while let Some(piece) = logs.piece().await? {
        output::bytes(&piece)?;
    }
    if args.follow {
        session.talk.say("The container has ended, or was replaced: nothing follows.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        for wrong in ["", "0s", "500ms", "-1h", "10", "9999999999h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
