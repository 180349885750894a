//! When a workspace is stopped or terminated by itself, and how a user puts that off:
//! `POST /api/v1/organizations/{organization}/workspaces/{workspace}/extend`.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The next thing that a lifecycle rule does to a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deadline {
    pub action: LifecycleAction,
    pub rule: LifecycleRule,
    /// It happens within a minute after.
    pub at: Timestamp,
    /// How many hours users added to the current period.
    pub extended_hours: u32,
    /// How many more they may add.
    pub extendable_hours: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleAction {
    Stop,
    /// With everything on its volume.
    Terminate,
}

/// Named as in the agent's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleRule {
    MaxActiveHoursBeforeStop,
    MaxStoppedHoursBeforeTermination,
    MaxAgeHours,
}

impl fmt::Display for LifecycleRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MaxActiveHoursBeforeStop => "max_active_hours_before_stop",
            Self::MaxStoppedHoursBeforeTermination => "max_stopped_hours_before_termination",
            Self::MaxAgeHours => "max_age_hours",
        })
    }
}

/// More time for the current period of activity, or of being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "hours": 8 }]))]
pub struct ExtendWorkspace {
    /// At least 1.
    pub hours: u32,
}
