//! A person, as the server shows them to their own command line: `GET /api/v1/account`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::elevations::Elevated;
use crate::{AccountId, OrganizationId, OrganizationName, SessionId, SshKeyId, SubjectId};

/// The account that an access token of a login belongs to, and what it is in each organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    pub id: AccountId,
    /// What the person is called.
    pub name: String,
    pub session: AccountSession,
    /// By name. None: the person was let in and belongs nowhere.
    pub organizations: Vec<AccountOrganization>,
    /// Since when there is a device that is not known as theirs, another one than this session's: they are asked on the page `/sessions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_device_at: Option<Timestamp>,
}

/// The session that the access token was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountSession {
    pub id: SessionId,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
}

/// What an account is in one organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountOrganization {
    pub id: OrganizationId,
    pub name: OrganizationName,
    pub role: Role,
    /// The organisation lets this person do nothing at the moment.
    pub suspended: bool,
    /// What they are for a time, beside that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elevations: Vec<Elevated>,
    /// What the person is known by there. A server of before does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<SubjectId>,
}

/// A public key that lets its person in by plain `ssh`: `GET /api/v1/account/ssh-keys`. See decision 0092.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SshKey {
    pub id: SshKeyId,
    pub name: String,
    /// `ssh-ed25519 AAAA…`, without a comment.
    pub public_key: String,
    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    pub created_at: Timestamp,
    /// Within a minute. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// When it opens nothing any more, unless it is used.
    pub ends_at: Timestamp,
    /// The same, however much it is used.
    pub expires_at: Timestamp,
}

/// `POST /api/v1/account/ssh-keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddSshKey {
    /// 1 to 100 characters.
    pub name: String,
    /// The content of a file that ends in `.pub`.
    pub public_key: String,
}
