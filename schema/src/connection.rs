//! What a proxy asks the server, and what it is told.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::audit::Concern;
use crate::ports::PublicPort;
use crate::{ConnectionId, SessionId, SubjectId, WorkspaceId, WorkspaceName};

/// The header in which a program shows a proxy its token. Never a query: those are in logs and histories.
pub const TOKEN_HEADER: &str = "berth-token";
/// Where a proxy carries sshd's bytes, at every host of a workspace: a WebSocket whose binary messages are the bytes, of which an
/// empty one says that no more follow.
pub const TUNNEL_PATH: &str = "/.berth/ssh";
/// The longest message of a tunnel, in bytes.
pub const TUNNEL_MESSAGE: usize = 64 * 1_024;

/// Whom a program's token is shown to: the proxies of the agent (`client_id`) of that workspace. Whoever is shown one can tell by it
/// whether the server is worth asking.
pub fn token_audience(issuer: &str, client_id: &str, workspace: WorkspaceId) -> String {
    format!("{issuer}/api/v1/proxy/{client_id}/workspaces/{workspace}/begin")
}

/// What proves something: a token that the server has signed, or what it was asked for with. Whoever prints it sees nothing of it.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
pub struct Credential(#[schemars(with = "String")] Zeroizing<String>);

impl Serialize for Credential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl Credential {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Credential {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Zeroizing<String>> for Credential {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// The answer to `POST /api/v1/agent/proxy-token`: by what the agent's proxy proves itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyToken {
    pub token: Credential,
    pub expires_at: Timestamp,
}

/// The body of `POST /api/v1/proxy/connections`: a browser has brought a code to a workspace's host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenConnection {
    pub code: Credential,
    pub redirect_uri: String,
    pub code_verifier: Credential,
    pub workspace: WorkspaceId,
    /// What the host says that the workspace is called.
    pub name: WorkspaceName,
    pub port: u16,
}

/// Whether somebody may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Until another decision says otherwise, and at most until then, when the session ends. How long it is believed unasked is the
    /// proxy's to know: the clocks of both need not agree on seconds.
    Allowed {
        until: Timestamp,
        /// Who that is, and of when the decision is; absent in what a server of before says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<Grounds>,
    },
    Denied {
        why: Why,
    },
}

/// By whom and when a decision is overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grounds {
    /// Absent where nobody is signed in: a proxy of before asks for nobody like that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// Who shares the port with them; absent where the workspace is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharer: Option<SubjectId>,
    /// What the server calls the connection, by which it is told of and ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// The newest change that it can be relied on to have seen: see [`Changes::head`].
    pub seen: u64,
}

/// The answer to `GET /api/v1/proxy/changes?after=N`: what was changed in the organisation that may end connections. It is held while there is
/// nothing to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The newest change that is told of, from where the next question goes on: the sequence of the organisation's record. One that is lower
    /// than what was asked with is another record's: the database was brought back.
    pub head: u64,
    /// Grounds connections are to be decided about again, each once.
    #[serde(deserialize_with = "Concern::read_all")]
    pub concerns: Vec<Concern>,
    /// Where nobody has to sign in: a hint, which says what is worth asking about for somebody who has not. Whether they are let in
    /// is decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public: Vec<PublicPort>,
    /// The agent was revoked: nobody is let in by its proxies any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

/// So long an answer without news is held at most, in seconds, as its question asks (`wait`).
pub const MAX_HELD_SECONDS: u64 = 50;

/// Why somebody may not connect. Browsers are told none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The session has ended, or is none.
    Session,
    /// Suspended, or nobody in the organisation.
    Membership,
    /// It is somebody else's, another agent's, gone, or called otherwise.
    Workspace,
    /// No browser is let in there.
    Port,
    /// The organisation's rules do not permit it.
    Policy,
}

impl Why {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Membership => "membership",
            Self::Workspace => "workspace",
            Self::Port => "port",
            Self::Policy => "policy",
        }
    }
}

/// The answer to [`OpenConnection`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    #[serde(flatten)]
    pub decision: Decision,
    /// Grounds session it is, to be shown with each question; absent where it was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Credential>,
    /// When the grant ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_until: Option<Timestamp>,
}

/// The body of `POST /api/v1/organizations/{organization}/workspaces/{workspace}/connection`: a program of somebody who is logged in
/// wants to get into a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AskForConnection {
    /// `ssh-ed25519 …`: it gets a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_public_key: Option<String>,
}

/// The answer to [`AskForConnection`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramConnection {
    pub workspace: WorkspaceId,
    pub name: WorkspaceName,
    /// What opens the workspace's hosts, in [`TOKEN_HEADER`].
    pub token: Credential,
    /// Until when something can begin by it. What has begun goes on as long as the session does.
    pub expires_at: Timestamp,
    /// Where the workspace's ports answer, with `{port}` in place of the port.
    pub url: String,
    /// Where sshd's bytes are carried.
    pub tunnel: String,
    /// Absent where no key was brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshCredentials>,
    /// Absent where nothing answers that, or a server of before does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_ssh: Option<PlainSsh>,
}

/// Where `ssh` gets in without this program, with a key that was registered. See decision 0092.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlainSsh {
    pub host: String,
    pub port: u16,
    /// `ssh-ed25519 …`: by what it is known there.
    pub host_key: String,
}

impl PlainSsh {
    /// As `known_hosts` has it.
    pub fn known_hosts_line(&self) -> String {
        match self.port {
            22 => format!("{} {}", self.host, self.host_key),
            port => format!("[{}]:{port} {}", self.host, self.host_key),
        }
    }
}

/// What OpenSSH needs to know a workspace, and to be known there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SshCredentials {
    /// As whom to log in.
    pub user: String,
    /// `ssh-ed25519-cert-v01@openssh.com …`, of the key that was brought.
    pub certificate: String,
    /// Until when one can log in by it.
    pub certificate_until: Timestamp,
    /// `ssh-ed25519 …`: by what the workspace's sshd is known, from its next start on if it runs since before there were such keys.
    pub host_key: String,
}

/// The body of `POST /api/v1/proxy/ssh-connections`: somebody has shown by plain `ssh` that a key is theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenBySsh {
    /// What they have called the workspace.
    pub name: WorkspaceName,
    /// `SHA256:…` of the key.
    pub fingerprint: String,
    /// `ssh-ed25519 …`: of this connection's own key, by which the proxy gets to the workspace's sshd.
    pub ssh_public_key: String,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedBySsh {
    #[serde(flatten)]
    pub opened: Opened,
    /// Absent where it was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<SshEntry>,
}

/// Where somebody has come to, and what gets the proxy there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshEntry {
    pub workspace: WorkspaceId,
    pub ssh: SshCredentials,
}

/// The answer to `GET /api/v1/proxy/ssh-host-key`: by what all copies of an agent's proxy are known to `ssh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshHostKey {
    /// The seed of an Ed25519 key, in base64.
    pub seed: Credential,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_written_as_a_proxy_of_before_reads_them() {
        let until = Timestamp::from_second(1_800_000_000).expect("a time");
        let json = |value: &Opened| serde_json::to_string(value).expect("JSON");
        let opened = Opened {
            decision: Decision::Allowed { until, grounds: None },
            grant: Some(Credential::from("a.b.c".to_owned())),
            grant_until: Some(until),
        };
        let text = r#"{"decision":"allowed","until":"2027-01-15T08:00:00Z","grant":"a.b.c","grant_until":"2027-01-15T08:00:00Z"}"#;
        assert_eq!(json(&opened), text);
        assert_eq!(serde_json::from_str::<Opened>(text).expect("and back"), opened);
        let denied =
            Opened { decision: Decision::Denied { why: Why::Workspace }, grant: None, grant_until: None };
        assert_eq!(json(&denied), r#"{"decision":"denied","why":"workspace"}"#);
        assert!(!format!("{opened:?}").contains("a.b.c"));
    }

    #[test]
    fn grounds_are_written_as_a_proxy_of_before_reads_them() {
        let id = |last: u8| format!("00000000-0000-0000-0000-00000000000{last}");
        let of = |sharer| Grounds {
            session: id(1).parse().ok(),
            subject: id(2).parse().ok(),
            sharer,
            connection: None,
            seen: 7,
        };
        let own = format!(r#"{{"session":"{}","subject":"{}","seen":7}}"#, id(1), id(2));
        assert_eq!(serde_json::to_string(&of(None)).expect("JSON"), own);
        assert_eq!(serde_json::from_str::<Grounds>(&own).expect("and back"), of(None));
        let shared = serde_json::to_string(&of(id(3).parse().ok())).expect("JSON");
        assert!(shared.contains(&format!(r#""sharer":"{}""#, id(3))), "{shared}");
        let nobody: Grounds = serde_json::from_str(r#"{"seen":7}"#).expect("of nobody");
        assert_eq!((nobody.session, nobody.subject, nobody.sharer), (None, None, None));
    }

    #[test]
    fn a_change_that_only_a_newer_server_knows_concerns_everybody() {
        let text = r#"{"head":7,"concerns":[{"subject":"00000000-0000-0000-0000-000000000001"},{"planet":"x"},"everybody",3],"later":1}"#;
        let changes: Changes = serde_json::from_str(text).expect("changes");
        assert_eq!((changes.head, changes.over), (7, false));
        let [Concern::Subject(_), rest @ ..] = changes.concerns.as_slice() else { panic!("{changes:?}") };
        assert_eq!(rest, [Concern::Everybody; 3]);
    }
}
