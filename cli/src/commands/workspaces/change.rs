//! `berth workspaces start|stop|restart`, and what `delete` shares with them: asking for a change of one or several
//! workspaces and waiting for it.

use berth_schema::api::Workspace;
use tokio::time::Instant;

use super::Expect;
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::{ChangeOutput, Format};
use crate::session::{Session, now};
use crate::wait::WaitArgs;

pub(crate) const START_HELP: &str = "\
Examples:
  berth start calm-blue-reef --wait
  berth list --desired-state stopped -o name | xargs berth start";

pub(crate) const STOP_HELP: &str = "\
Examples:
  berth stop calm-blue-reef
  berth stop calm-blue-reef warm-red-quay --wait --timeout 2m";

pub(crate) const RESTART_HELP: &str = "\
Examples:
  berth restart calm-blue-reef --wait";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The workspaces' names or ids
    #[arg(value_name = "NAME", required = true)]
    workspaces: Vec<WorkspaceRef>,

    #[command(flatten)]
    expect: Expect,

    #[command(flatten)]
    output: ChangeOutput,

    #[command(flatten)]
    wait: WaitArgs,
}

/// What the server is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
    Restart,
    Terminate,
}

impl Verb {
    const fn path(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Terminate => "terminate",
        }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Start => "is asked to start",
            Self::Stop => "is asked to stop",
            Self::Restart => "is asked to restart",
            Self::Terminate => "is being deleted",
        }
    }
}

pub(crate) async fn run(global: &Global, verb: Verb, args: &Args) -> Result<(), Error> {
    change(global, verb, &args.workspaces, args.expect, args.wait, args.output.output).await
}

/// Asks for all changes first, then waits for one after the other within one time-out: they happen side by side. One that fails does not
/// keep the others from happening.
pub(super) async fn change(
    global: &Global,
    verb: Verb,
    workspaces: &[WorkspaceRef],
    expect: Expect,
    wait: WaitArgs,
    format: Format,
) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let mut failures = Failures::new(&session, workspaces.len());
    let (mut changed, started) = (Vec::new(), Instant::now());
    for workspace in workspaces {
        match session.organization.change_workspace(workspace, verb.path(), expect.if_generation).await {
            Ok(workspace) => {
                session.talk.say(&format!("Workspace '{}' {}.", workspace.name, verb.told()));
                changed.push(workspace);
            }
            Err(error) => failures.add(error)?,
        }
    }
    for workspace in changed {
        let result = finish(&session, workspace, (wait, started), format, workspaces.len() > 1).await;
        if let Err(error) = result {
            failures.add(error)?;
        }
    }
    failures.into_result()
}

async fn finish(
    session: &Session,
    workspace: Workspace,
    (wait, started): (WaitArgs, Instant),
    format: Format,
    is_one_of_several: bool,
) -> Result<(), Error> {
    if is_one_of_several && wait.is_wanted() {
        session.talk.say(&format!("Workspace '{}':", workspace.name));
    }
    let workspace = wait.wait_since(started, &session.organization, workspace, session.talk).await?;
    session.printer.one(&workspace, format, now())
}

/// Errors on the way. With one workspace the error is the command's own; of several each is told when it happens.
pub(super) struct Failures<'a> {
    session: &'a Session,
    all: usize,
    failed: usize,
    first: Option<Error>,
}

impl<'a> Failures<'a> {
    pub(super) fn new(session: &'a Session, all: usize) -> Self {
        Self { session, all, failed: 0, first: None }
    }

    /// An interruption, or a closed output, ends everything.
    pub(super) fn add(&mut self, error: Error) -> Result<(), Error> {
        if self.all == 1 || matches!(error, Error::Interrupted | Error::OutputClosed | Error::LoginNeeded(_))
        {
            return Err(error);
        }
        self.session.talk.error(&error);
        self.failed += 1;
        self.first.get_or_insert(error);
        Ok(())
    }

    pub(super) fn into_result(self) -> Result<(), Error> {
        match self.first {
            None => Ok(()),
            Some(first) => Err(Error::Several { failed: self.failed, all: self.all, exit: first.exit() }),
        }
    }
}
