//! Credentials for Git hosts: what is set, what travels to an agent, and how the files are named that hold them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scope::{ScopeId, Secret};
use crate::text::is_plain;
use crate::variables::{SecretValue, deserialize_values, serialize_values};
use crate::{FieldError, OrganizationId, WorkspaceId};

/// Where the user name of a Git host does not matter, this one is given.
pub const DEFAULT_USERNAME: &str = "berth";
/// The longest user name of a Git host, in bytes.
pub const MAX_USERNAME: usize = 200;
/// The longest token, in bytes.
pub const MAX_TOKEN: usize = 4_096;
/// The longest audience, in bytes.
pub const MAX_AUDIENCE: usize = 500;
/// The most hosts of an organisation: their files share one Secret.
pub const MAX_HOSTS: usize = 100;

/// A Git host as git names it: a host name or IPv4 address in lower case, with a port where that is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z0-9.-]+(:[0-9]+)?$"))]
pub struct GitHost(String);

/// A text that is no Git host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a host name in lower case or an IPv4 address, with ':port' if it is not the usual one; no scheme, user or path"
)]
pub struct NoGitHost;

impl GitHost {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the file that holds its credential. A Secret's key has no colon. The scheme is a part of it, so that what is
    /// meant for TLS is never sent without.
    pub fn file_name(&self, plain_http: bool) -> String {
        let scheme = if plain_http { "http" } else { "https" };
        format!("{scheme}-{}", self.0.replace(':', "_"))
    }
}

impl FromStr for GitHost {
    type Err = NoGitHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
        let label = |label: &str| {
            let characters = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            (1..=63).contains(&label.len()) && characters && !label.starts_with('-') && !label.ends_with('-')
        };
        let port = port.is_none_or(|port| {
            !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        });
        // With scheme and port it has to be the key of a Secret, which has at most 253 characters.
        if name.len() <= 240 && name.split('.').all(label) && port {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoGitHost)
        }
    }
}

impl TryFrom<String> for GitHost {
    type Error = NoGitHost;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GitHost> for String {
    fn from(host: GitHost) -> Self {
        host.0
    }
}

impl fmt::Display for GitHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `aud` of the tokens that are signed for an organisation. Whoever administers an organisation sets its audience, and may set
/// the one of somebody else's host: so each token names, in what every verifier checks, the organisation that it is of. Nor is one whose
/// audience a group, a project or somebody has set ever one that a host takes for the organisation's.
pub fn token_audience(audience: &str, organization: OrganizationId, of: ScopeId) -> String {
    let organization = format!("{audience}/organization/{organization}");
    match of.id() {
        Some(id) => format!("{organization}/{}/{id}", of.scope()),
        None => organization,
    }
}

/// Where a host's credential comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GitMethod {
    /// A token that was stored.
    Token,
    /// A JWT of minutes, signed by the server for a host that trusts its published keys.
    Jwt,
}

impl GitMethod {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Jwt => "jwt",
        }
    }
}

/// `PUT …/git-credentials/{host}`: `token` or `audience`, one of them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "username": "robot", "token": "what the host has issued" }]))]
pub struct SetGitCredential {
    /// [`DEFAULT_USERNAME`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A token of the host; it is never shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// What the `aud` of signed tokens begins with: [`token_audience`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// For `http://` instead of `https://`: whoever is on the way reads it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
}

/// `PUT …/git-credentials`, of a group, a project, or whoever asks: the path names whose it is, and not the host.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "host": "git.example.com", "audience": "https://git.example.com" }]))]
pub struct PutGitCredential {
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
}

impl PutGitCredential {
    pub fn new(host: &GitHost, set: SetGitCredential) -> Self {
        let SetGitCredential { username, token, audience, plain_http } = set;
        Self { host: host.to_string(), username, token, audience, plain_http }
    }

    /// As it is asked of the organisation.
    pub fn into_parts(self) -> (String, SetGitCredential) {
        let Self { host, username, token, audience, plain_http } = self;
        (host, SetGitCredential { username, token, audience, plain_http })
    }
}

/// `POST …/git-credentials/remove`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveGitCredential {
    pub host: String,
}

/// What is known of a host's credential, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitCredential {
    pub host: GitHost,
    pub method: GitMethod,
    pub username: String,
    /// What was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The `aud` of its tokens, which the host has to demand. A server of before names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_audience: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
    pub updated_at: Timestamp,
}

/// Who commits: `user.name` and `user.email` of a workspace, for a user who has set neither.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitUser {
    pub name: String,
    pub email: String,
}

/// The longest of either, in characters.
const MAX_GIT_USER: usize = 200;

impl GitUser {
    /// Everything that git's configuration or a commit could not hold, by field.
    pub fn wrong(&self) -> Vec<FieldError> {
        let fits = |text: &str| {
            let plain = text.chars().all(|character| is_plain(character) && !matches!(character, '<' | '>'));
            plain && !text.trim().is_empty() && text.chars().count() <= MAX_GIT_USER
        };
        let message = || {
            format!(
                "must be 1 to {MAX_GIT_USER} characters without control or invisible characters, '<' and '>'"
            )
        };
        let fields = [("git_user.name", &self.name), ("git_user.email", &self.email)];
        fields
            .into_iter()
            .filter(|(_, text)| !fits(text))
            .map(|(field, _)| FieldError::new(field, message()))
            .collect()
    }
}

/// In an agent's message: what it knows of Git credentials, and what it wants. Absent from agents that write none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitAsk {
    /// The version of the organisation's hosts that it was told last.
    pub version: i64,
    /// Workspaces whose credentials in the cluster are missing, of another version, or due to be renewed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<WorkspaceId>,
}

/// All credentials of one workspace, on their way to its agent. They take the place of what the cluster has.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CredentialBundle {
    /// The version of the organisation's hosts that they were issued from.
    pub version: i64,
    /// Seconds after which they are to be asked for again; absent: nothing of them expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_after_seconds: Option<u64>,
    /// By [`GitHost::file_name`], as git's credential protocol has it.
    #[serde(default, serialize_with = "serialize_values", deserialize_with = "deserialize_values")]
    pub files: BTreeMap<String, SecretValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_git_says_and_nothing_that_could_be_a_path() {
        for text in ["git.example.com", "10.0.0.1:8080", "localhost", "a-b.c:1"] {
            assert_eq!(text.parse::<GitHost>().map(String::from).as_deref(), Ok(text));
        }
        let long = format!("{}.a", ["a".repeat(63).as_str(); 4].join("."));
        for text in [
            "",
            "Git.example.com",
            "https://a",
            "user@a",
            "a/b",
            "a:",
            "a:0",
            "a:99999",
            "a:1:2",
            "..",
            "a..b",
            "-a",
            "a b",
            "a\n",
            "a_b",
            "[::1]",
            &long,
        ] {
            assert_eq!(text.parse::<GitHost>(), Err(NoGitHost), "{text}");
        }
    }

    #[test]
    fn a_file_is_named_after_scheme_host_and_port() {
        let host: GitHost = "a.b:22".parse().expect("a host");
        assert_eq!(host.file_name(false), "https-a.b_22");
        assert_eq!(host.file_name(true), "http-a.b_22");
    }

    #[test]
    fn who_commits_has_a_name_and_an_address_of_one_line() {
        let wrong = |name: &str, email: &str| {
            let user = GitUser { name: name.to_owned(), email: email.to_owned() };
            user.wrong().into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        assert_eq!(wrong("Ada \"Countess\" Łovelace", "ada@example.com"), [""; 0]);
        assert_eq!(wrong("Ada\n[core]", " "), ["git_user.name", "git_user.email"]);
        assert_eq!(wrong("Ada\u{202e}", "a\u{e0041}@b"), ["git_user.name", "git_user.email"]);
        assert_eq!(wrong(&"a".repeat(201), "<a@b>"), ["git_user.name", "git_user.email"]);
    }

    #[test]
    fn a_bundle_of_credentials_prints_none() {
        let files = BTreeMap::from([("https-a".to_owned(), SecretValue::new(b"password=hunter2".to_vec()))]);
        let bundle = CredentialBundle { version: 1, renew_after_seconds: None, files };
        assert!(!format!("{bundle:?}").contains("hunter2"));
        let json = serde_json::to_string(&bundle).expect("JSON");
        let back: CredentialBundle = serde_json::from_str(&json).expect("and back");
        assert_eq!(back.files["https-a"].expose(), b"password=hunter2");
    }
}
