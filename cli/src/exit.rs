//! Exit codes: a contract with scripts, listed in `berth --help`.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Error = 1,
    /// clap ends the process with the same number for what it refuses itself.
    Usage = 2,
    NotFound = 3,
    LoginNeeded = 4,
    Denied = 5,
    Conflict = 6,
    TimeOut = 7,
    /// A check came to another result than the one that is good.
    Unproven = 8,
    /// 128 + SIGINT, as shells say it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The end of `berth --help`.
pub(crate) const HELP: &str = "\
Examples:
  berth login https://berth.example.com
  berth create --image debian:13 --wait
  berth list
  berth stop calm-blue-reef --wait

Environment, besides what the options name:
  BERTH_TOKEN  The token; there is no option for it, because other users see the options of a process
  NO_COLOR     No colours, when set to anything
  A --context on the command line sets BERTH_URL, BERTH_TOKEN, BERTH_ORGANIZATION and BERTH_CA_FILE
  aside.

Exit codes:
  0    done
  1    an error
  2    wrong usage
  3    not found
  4    login needed
  5    denied
  6    conflict: it exists already, or somebody changed it meanwhile
  7    --wait timed out
  8    not as it should be: agents check-network --wait (not enforced, or not found out), policy test,
       auth can-i (no)
  130  interrupted";
