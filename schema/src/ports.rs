//! The ports of workspaces, and whom they are shared with: `…/workspaces/{workspace}/ports`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Paged;
use crate::groups::GroupPath;
use crate::kubernetes::{EDITOR_PORT, SSH_PORT};
use crate::members::MemberRef;
use crate::{GroupId, PortName, SubjectId, WorkspaceId};

/// How many shares a workspace may have at a time, of all its ports together.
pub const MAX_SHARES: usize = 20;
/// How many ports of one agent's workspaces may be public at a time.
pub const MAX_PUBLIC: usize = 200;
/// How long a port is shared where nobody says it, in minutes.
pub const DEFAULT_SHARE_MINUTES: u32 = 8 * 60;
/// The longest that a port is shared at once with people of the organisation, in minutes.
pub const MAX_SHARE_MINUTES: u32 = 30 * 24 * 60;
/// The longest that a port is public at once, in minutes.
pub const MAX_PUBLIC_MINUTES: u32 = 7 * 24 * 60;

/// How many ports that its devfile does not declare a workspace may have open at a time.
pub const MAX_OPENED: usize = 16;
/// How long such a port is open where nobody says it, in minutes.
pub const DEFAULT_OPEN_MINUTES: u32 = 24 * 60;
/// The longest that it is open at once, in minutes.
pub const MAX_OPEN_MINUTES: u32 = 30 * 24 * 60;

/// Whether a port may be shared or opened at all: who may work in the workspace gets at the editor and sshd, and nobody else.
pub const fn is_shareable(port: u16) -> bool {
    port != EDITOR_PORT && port != SSH_PORT
}

/// With whom a port is to be shared, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareWith {
    /// A person, by their id; by their name for those who may look at the organisation's members.
    User(String),
    /// Whoever is something at a group, at one in it or at a project in it, or at one that it is in: by its path or id.
    Group(String),
    /// Whoever belongs to the organisation.
    Organization,
    /// Whoever has the address: [`PublishPort`] alone does that.
    Public,
}

/// `POST …/ports/share`: again to change until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "port": 8080, "with": { "group": "platform/payments" }, "minutes": 60 }]))]
pub struct SharePort {
    pub port: u16,
    pub with: ShareWith,
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    pub minutes: u32,
}

/// `POST …/ports/publish`: whoever has its address gets at it, without signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishPort {
    pub port: u16,
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    pub minutes: u32,
}

/// `POST …/ports/open`: one that the devfile does not declare, for whose workspace it is; again to change until when, and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "port": 3000, "name": "web" }]))]
pub struct OpenPort {
    pub port: u16,
    /// Absent: `port-<port>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PortName>,
    #[serde(default = "usual_opening", skip_serializing_if = "is_usual_opening")]
    pub minutes: u32,
}

impl OpenPort {
    /// What it is called.
    pub fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| format!("port-{}", self.port), ToString::to_string)
    }
}

const fn usual_opening() -> u32 {
    DEFAULT_OPEN_MINUTES
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_usual_opening(minutes: &u32) -> bool {
    *minutes == DEFAULT_OPEN_MINUTES
}

/// `POST …/ports/close`: it ends at once, and so do its shares. One that is not open is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClosePort {
    pub port: u16,
}

const fn usual() -> u32 {
    DEFAULT_SHARE_MINUTES
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_usual(minutes: &u32) -> bool {
    *minutes == DEFAULT_SHARE_MINUTES
}

/// `POST …/ports/unshare`: it ends at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnsharePort {
    pub port: u16,
    /// Absent: with everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<ShareWith>,
}

/// Whom a port is shared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedWith {
    User(MemberRef),
    Group(SharedGroup),
    Organization,
    /// Whoever has the address.
    Public,
}

/// A group that a port is shared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SharedGroup {
    pub id: GroupId,
    /// Absent where whoever looks may not see the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<GroupPath>,
}

/// Why a share or an opened port lets nobody in at the moment: it needs that whose workspace it is might do that now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shut {
    /// They are not of the organisation any more.
    Removed,
    Suspended,
    /// Nothing permits it to them any more.
    NotPermitted,
    /// A rule of the organisation forbids it, or cannot be evaluated.
    Rule,
    /// Another reason, of a later version.
    #[serde(other)]
    Unknown,
}

impl Shut {
    /// For people, behind "lets nobody in now: ".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Removed => "whose workspace it is has left the organization",
            Self::Suspended => "whose workspace it is is suspended",
            Self::NotPermitted => "whose workspace it is may not open or share it like that any more",
            Self::Rule => "a rule of the organization forbids it",
            Self::Unknown => "the server does not permit it",
        }
    }
}

/// That a port is shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortShare {
    pub with: SharedWith,
    /// Since when it is so as it is.
    pub shared_at: Timestamp,
    pub expires_at: Timestamp,
    /// Why it lets nobody in now, and may again before it ends; absent: it lets in whom it is with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shut: Option<Shut>,
}

/// That a port is open which the devfile does not declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenedPort {
    /// Since when it is so as it is.
    pub opened_at: Timestamp,
    /// At the latest: it ends when the workspace stops or starts anew.
    pub expires_at: Timestamp,
    /// Why it lets nobody in now, and may again before it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shut: Option<Shut>,
}

/// A port of a workspace that its devfile declares, or that its owner has opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Port {
    pub name: String,
    pub port: u16,
    /// Where browsers get to it; absent where the agent installs no proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Absent: the devfile declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<OpenedPort>,
    /// None: only whoever made the workspace gets to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<PortShare>,
}

/// The answer to `GET …/ports`, and to what changes them: all there are.
pub type Ports = Paged<Port>;

/// Whom a port is shared with, on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    User(SubjectId),
    Group(GroupId),
    Organization,
    Public,
}

/// A port that is open to whoever has its address, as proxies are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PublicPort {
    pub workspace: WorkspaceId,
    pub port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_the_workspace_itself_is_not_shared() {
        assert!(!is_shareable(EDITOR_PORT) && !is_shareable(SSH_PORT) && is_shareable(8080));
    }

    #[test]
    fn a_port_is_opened_by_its_number_and_what_is_not_said_is_the_usual() {
        let read = |text: &str| serde_json::from_str::<OpenPort>(text);
        let plain = read(r#"{"port": 3000}"#).expect("a port");
        assert_eq!((plain.called().as_str(), plain.minutes), ("port-3000", DEFAULT_OPEN_MINUTES));
        let named = read(r#"{"port": 3000, "name": "preview", "minutes": 5}"#).expect("a port");
        assert_eq!((named.called().as_str(), named.minutes), ("preview", 5));
        for wrong in [
            "{}",
            r#"{"port": 65536}"#,
            r#"{"port": -1}"#,
            r#"{"port": 3000, "name": ""}"#,
            r#"{"port": 3000, "name": "<b>"}"#,
            r#"{"port": 3000, "with": "public"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_says_with_whom_in_one_way() {
        let read = |text: &str| serde_json::from_str::<SharePort>(text);
        let share = read(r#"{"port": 8080, "with": {"user": "Bob"}}"#).expect("a share");
        assert_eq!((share.with, share.minutes), (ShareWith::User("Bob".to_owned()), DEFAULT_SHARE_MINUTES));
        assert!(read(r#"{"port": 8080, "with": "organization", "minutes": 5}"#).is_ok());
        for wrong in [
            r#"{"port": 8080}"#,
            r#"{"port": 8080, "with": "everybody"}"#,
            r#"{"port": 8080, "with": {"user": "a", "group": "b"}}"#,
            r#"{"port": 70000, "with": "organization"}"#,
            r#"{"port": 8080, "with": "organization", "minutes": -1}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
