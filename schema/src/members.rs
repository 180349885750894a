//! Who belongs to an organisation, and who is invited: `…/members` and `…/invitations`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Role, SubjectKind};
use crate::elevations::Elevated;
use crate::{InvitationId, SubjectId};

/// A member as what is theirs names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRef {
    pub id: SubjectId,
    /// What they are called now.
    pub name: String,
}

/// The longest that an invitation may wait, in hours.
pub const MAX_INVITATION_HOURS: u32 = 30 * 24;
/// How long it waits where nobody says it.
pub const INVITATION_HOURS: u32 = 7 * 24;
/// The longest name of a person, in characters.
pub const MAX_NAME: usize = 200;

/// A person or service of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    pub id: SubjectId,
    pub name: String,
    pub kind: SubjectKind,
    pub role: Role,
    /// Whether they sign in: a person with an account. Others have tokens alone.
    pub signs_in: bool,
    pub created_at: Timestamp,
    /// Since when they may do nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
    /// What they are for a time, beside their role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elevations: Vec<Elevated>,
}

/// What is to be another way of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMember {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether they may do nothing. What they have goes on to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
}

/// Somebody is to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "name": "Ada Lovelace", "role": "developer", "expires_in_hours": 24 }]))]
pub struct Invite {
    /// Whom it is for: 1 to 200 characters. Whoever has the link may join, whatever they are called.
    pub name: String,
    pub role: Role,
    /// 1 to 720; 168 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_hours: Option<u32>,
}

/// How far an invitation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InvitationState {
    Open,
    Accepted,
    Revoked,
    Expired,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl InvitationState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

/// An invitation, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invitation {
    pub id: InvitationId,
    pub name: String,
    pub role: Role,
    pub state: InvitationState,
    pub created_at: Timestamp,
    pub created_by: SubjectId,
    pub expires_at: Timestamp,
    /// Who joined by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<SubjectId>,
}

/// A new invitation. The link is shown this once; it opens once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invited {
    #[serde(flatten)]
    pub details: Invitation,
    /// Whole where the server knows its own address (`--public-url`), else below it.
    pub link: String,
}
