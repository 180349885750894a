//! Roles for a time: `…/elevations`, asked for in the organisation, at a group or at a project.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::{ElevationId, SubjectId};

/// How long one lasts at least, in seconds.
pub const MIN_SECONDS: u32 = 60;
/// How long it lasts where nobody says it.
pub const DEFAULT_SECONDS: u32 = 60 * 60;
/// How long it lasts at most.
pub const MAX_SECONDS: u32 = 8 * 60 * 60;
/// For how long somebody may decide about one that is asked for.
pub const OPEN_HOURS: i64 = 24;
/// The longest reason, in characters.
pub const MAX_REASON: usize = 500;
/// How many one person may ask for, or have, at one time.
pub const MAX_OPEN: i64 = 5;
/// How long ago whoever asks for one, or gives one, may have proven who they are, in seconds. The platform's rules say the same.
pub const RECENT_SECONDS: u64 = 600;

/// Somebody asks for a role. Where, the path says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "role": "maintainer", "reason": "the nightly build hangs", "seconds": 1800 }]))]
pub struct RequestElevation {
    pub role: Role,
    /// What it is for: 1 to 500 characters, for whoever decides and for the record.
    pub reason: String,
    /// 60 to 28800, from when it is approved; 3600 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// How far one has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ElevationState {
    /// Nobody has decided yet.
    Pending,
    /// The role holds.
    Active,
    Refused,
    /// Whoever asked does not any more, or may not.
    Withdrawn,
    /// Nobody has decided in time.
    Lapsed,
    /// It was ended before its time.
    Ended,
    /// Its time is over.
    Expired,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ElevationState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

/// A role for a time, asked for or given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Elevation {
    pub id: ElevationId,
    /// Who asks for it.
    pub member: SubjectId,
    pub name: String,
    pub role: Role,
    #[serde(flatten)]
    pub place: Place,
    pub reason: String,
    pub seconds: u32,
    pub state: ElevationState,
    pub created_at: Timestamp,
    /// Until when somebody may decide.
    pub decide_by: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<SubjectId>,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by_name: Option<String>,
    /// When it ends by itself, once it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When it was ended before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// Where a role holds: at the group or the project of that path, and at all in it; in the whole organisation where both are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

impl Place {
    /// In words, behind the name of a role: empty for the organisation.
    pub fn words(&self) -> String {
        match (&self.group, &self.project) {
            (Some(group), _) => format!(" at group '{group}'"),
            (None, Some(project)) => format!(" at project '{project}'"),
            (None, None) => String::new(),
        }
    }
}

/// A role that somebody has at the moment, beside what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Elevated {
    pub id: ElevationId,
    pub role: Role,
    #[serde(flatten)]
    pub place: Place,
    pub ends_at: Timestamp,
}
