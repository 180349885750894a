//! Who is connected to a workspace: what proxies tell of it, and `…/workspaces/{workspace}/connections`. See decision 0084.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Paged;
use crate::members::MemberRef;
use crate::{ConnectionId, ProxyCopyId, SessionId, SubjectId, WorkspaceId, WorkspaceName};

/// How often a copy of a proxy tells at least, in seconds, while there is something to tell.
pub const TOLD_EVERY_SECONDS: u64 = 30;
/// What a copy has told is believed for so long, in seconds: one that is gone leaves nothing behind.
pub const BELIEVED_SECONDS: i64 = 90;
/// The most in one message, which is all that a copy tells.
pub const MAX_TOLD: usize = 1_000;
/// The most of one workspace in it.
pub const MAX_TOLD_OF_ONE: usize = 100;

/// By what somebody is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionKind {
    /// A browser, at one port.
    Browser,
    /// OpenSSH, and what uses it.
    Ssh,
    /// A program that shows a token in a header.
    Program,
    /// Whoever has the address of a port that is public, all together.
    Public,
}

impl ConnectionKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Ssh => "ssh",
            Self::Program => "program",
            Self::Public => "public",
        }
    }

    /// The one of that word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Browser, Self::Ssh, Self::Program, Self::Public].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// The body of `POST /api/v1/proxy/connected`: all that one copy of a proxy has open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TellConnected {
    /// What the copy calls itself, from its start to its end.
    pub proxy: ProxyCopyId,
    /// At most [`MAX_TOLD`], of which [`MAX_TOLD_OF_ONE`] at one workspace.
    pub open: Vec<ToldConnection>,
}

/// What a copy has open of one connection at one port. Times are ages, so that the clocks of both need not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToldConnection {
    pub workspace: WorkspaceId,
    pub port: u16,
    pub kind: ConnectionKind,
    /// As the server has called it, and whose it is: absent of those who have not signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whose: Option<Whose>,
    /// From where they came last; absent of those who have not signed in, who are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// How many requests, sockets and tunnels are open.
    pub open: u32,
    pub opened_seconds_ago: u64,
    /// When somebody last did something by it, as decision 0079 understands that.
    pub active_seconds_ago: u64,
    pub bytes_to_workspace: u64,
    pub bytes_to_person: u64,
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Whose {
    pub connection: ConnectionId,
    pub session: SessionId,
    pub subject: SubjectId,
}

/// Somebody is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connected {
    /// By which it is ended; absent of a public port's visitors, who come back at once: taking back what is shared is their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ConnectionId>,
    pub workspace: WorkspaceName,
    pub port: u16,
    pub kind: ConnectionKind,
    /// Absent: they have not signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<MemberRef>,
    /// For whose workspace it is, and for whoever may read the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    pub since: Timestamp,
    /// Within a minute.
    pub last_active_at: Timestamp,
    /// How many requests, sockets and tunnels are open; 0: somebody was there within the last minute.
    pub open: u32,
    pub bytes_to_workspace: u64,
    pub bytes_to_person: u64,
}

/// The answer to `GET …/connections`: all there are.
pub type AllConnected = Paged<Connected>;

/// `POST …/connections/end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndConnections {
    /// Absent: all of somebody who has signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ConnectionId>,
}

/// The answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionsEnded {
    pub ended: usize,
}

/// What was ended, on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndedConnection {
    pub connection: ConnectionId,
    pub subject: SubjectId,
    pub kind: ConnectionKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_word() {
        for kind in
            [ConnectionKind::Browser, ConnectionKind::Ssh, ConnectionKind::Program, ConnectionKind::Public]
        {
            assert_eq!(ConnectionKind::of(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.as_str());
        }
        assert_eq!(ConnectionKind::of("carrier pigeon"), None);
    }

    #[test]
    fn what_is_told_is_read_in_one_way() {
        let read = |text: &str| serde_json::from_str::<TellConnected>(text);
        let proxy = "00000000-0000-0000-0000-000000000001";
        assert!(read(&format!(r#"{{"proxy": "{proxy}", "open": []}}"#)).is_ok());
        for wrong in [
            r#"{"open": []}"#.to_owned(),
            format!(r#"{{"proxy": "{proxy}"}}"#),
            format!(r#"{{"proxy": "{proxy}", "open": [], "more": 1}}"#),
            format!(
                r#"{{"proxy": "{proxy}", "open": [{{"workspace": "{proxy}", "port": 1, "kind": "browser", "open": 1,
                "opened_seconds_ago": 1, "active_seconds_ago": -1, "bytes_to_workspace": 0, "bytes_to_person": 0}}]}}"#
            ),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}
