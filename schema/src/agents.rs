//! What became of an agent's identity: its token, its leaders, its keys.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::groups::GroupPath;
use crate::{AgentId, GroupId};

/// An agent's token, but for the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentCredential {
    pub made_at: Timestamp,
    /// The token was replaced and the new one has not been used yet: until its first use, or this time, the old one opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_valid_until: Option<Timestamp>,
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum AgentEventKind {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
            /// One that this version does not know.
            #[serde(other)]
            Unknown,
        }

        impl AgentEventKind {
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ Self::Unknown => "unknown" }
            }
        }

        impl From<String> for AgentEventKind {
            fn from(text: String) -> Self {
                [$(Self::$variant,)+].into_iter().find(|kind| kind.as_str() == text).unwrap_or(Self::Unknown)
            }
        }
    };
}

event_kinds! {
    /// An administrator made another token.
    TokenRotated = "token_rotated",
    /// The new token was used for the first time; with that the old one has ended.
    TokenTakenIntoUse = "token_taken_into_use",
    /// An administrator had the order of reports begin anew.
    EpochReset = "epoch_reset",
    Revoked = "revoked",
    /// Workspaces of another agent became its own, or its own another's.
    Adopted = "adopted",
    /// A leader named an epoch that none comes to honestly.
    EpochJumped = "epoch_jumped",
    /// A leader that had been deposed came back: two processes lead in its name, in turns.
    LeadersAlternate = "leaders_alternate",
    /// Another sealing key, sooner than an agent makes one by itself.
    KeyChangedEarly = "key_changed_early",
}

impl AgentEventKind {
    /// Whether somebody else may be using the agent's token.
    pub const fn is_warning(self) -> bool {
        matches!(self, Self::EpochJumped | Self::LeadersAlternate | Self::KeyChangedEarly)
    }
}

impl fmt::Display for AgentEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that happened to an agent's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentEvent {
    pub at: Timestamp,
    pub kind: AgentEventKind,
    /// In whole sentences, for a person.
    pub message: String,
    /// The name of the access token of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// It asks for a look, and nobody has replaced the token since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
}

/// `POST …/agents/{agent}/rotate-token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateAgentToken {
    /// For so many seconds the old token opens unless the new one is used before; at most
    /// [`crate::access::MAX_OVERLAP`]. 0: it ends at once.
    #[serde(default = "a_day")]
    pub overlap_seconds: u64,
    /// In place of a new token that was made earlier and is not used yet.
    #[serde(default)]
    pub replace_unused: bool,
}

const fn a_day() -> u64 {
    24 * 60 * 60
}

impl Default for RotateAgentToken {
    fn default() -> Self {
        Self { overlap_seconds: a_day(), replace_unused: false }
    }
}

/// `POST …/agents/{agent}/adopt`: takes over the workspaces of an agent that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptWorkspaces {
    /// The agent that was revoked: its name or id.
    pub from: String,
}

/// What an adoption led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspacesAdopted {
    pub from: AgentId,
    pub workspaces: u64,
}

/// `POST …/agents/{agent}/allow`: for whose workspaces, one of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "group": "platform/payments" }]))]
pub struct AllowAgent {
    /// Those of the projects in the group of that path or id, at any depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Those of the whole organisation, of no project included.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub organization: bool,
}

/// `POST …/agents/{agent}/disallow`: takes that back. What runs goes on until its next start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisallowAgent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub organization: bool,
    /// Everything is stopped at once that runs there and could not be started there any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop_now: bool,
}

/// Whose workspaces an agent takes by its owners' word. Its configuration may leave less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentTakes {
    /// Those of the whole organisation.
    pub organization: bool,
    /// Those of the projects in these groups, at any depth: of the groups that whoever asks may see.
    pub groups: Vec<AllowedGroup>,
    /// There may be groups that whoever asks does not see.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What its configuration leaves of that (`allowed_groups`); absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<NarrowedTo>,
}

/// The groups that an agent's configuration leaves, by what whoever asks may see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NarrowedTo {
    /// Paths of groups, as they are now.
    pub groups: Vec<GroupPath>,
    /// What is no path of a group that whoever asks sees, for whoever may read the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl AgentTakes {
    /// What it takes, as the end of a sentence.
    pub fn words(&self) -> String {
        let groups = joined(self.groups.iter().map(|group| group.path.as_str()));
        let allowed = match (self.organization, self.groups.is_empty(), self.partial) {
            (true, true, _) => "workspaces of the whole organization".to_owned(),
            (true, false, _) => format!("workspaces of the whole organization, of {groups} by itself, too"),
            (false, false, _) => format!("workspaces of projects in {groups}"),
            (false, true, true) => "workspaces of no group that you see".to_owned(),
            (false, true, false) => {
                "no workspaces: it is allowed for no group, and not for the whole organization".to_owned()
            }
        };
        match &self.narrowed {
            Some(narrowed) => format!("{allowed}; {}", narrowed.words()),
            None => allowed,
        }
    }
}

impl NarrowedTo {
    fn words(&self) -> String {
        let known = match self.groups.as_slice() {
            [] => "no group that you see".to_owned(),
            groups => format!("projects in {}", joined(groups.iter().map(GroupPath::as_str))),
        };
        let unknown = match self.unknown.as_slice() {
            [] => String::new(),
            names => format!(" ('{}': no such group that you see)", names.join("', '")),
        };
        format!("its configuration ('allowed_groups') leaves of that those of {known}{unknown}")
    }
}

fn joined<'a>(paths: impl Iterator<Item = &'a str>) -> String {
    paths.collect::<Vec<_>>().join(", ")
}

/// A group that an agent is allowed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AllowedGroup {
    pub id: GroupId,
    pub path: GroupPath,
}
