//! When somebody last did something in a workspace: what proxies tell of it, and what becomes of a workspace where nothing happens.
//! See decision 0079.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::WorkspaceId;

/// How often a proxy tells, in seconds, also where nothing happens: while it tells nothing it is not known whether somebody works.
pub const TOLD_EVERY_SECONDS: u64 = 60;
/// The most workspaces in one message; whoever has more sends several.
pub const MAX_TOLD: usize = 500;
/// What is longer ago is not told.
pub const MAX_SECONDS_AGO: u32 = 3_600;

/// The body of `POST /api/v1/proxy/activity`: where something happened. Times are ages, so that the clocks of both need not agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TellActivity {
    /// At most [`MAX_TOLD`]; none is an answer, too: nothing happened anywhere.
    pub active: Vec<ActiveWorkspace>,
}

/// One workspace in which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveWorkspace {
    pub workspace: WorkspaceId,
    /// At most [`MAX_SECONDS_AGO`].
    pub seconds_ago: u32,
}

/// The rule that stops a workspace in which nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdleStop {
    /// So long nothing has to happen.
    pub minutes: u32,
    /// When it is stopped if nothing happens until then, within three minutes after. Absent: nobody tells what happens in it, and it is not stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}
