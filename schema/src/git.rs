//! Credentials for Git hosts.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::scope::Secret;

/// Where the user name of a Git host does not matter, this one is given.
pub const DEFAULT_USERNAME: &str = "berth";
/// The longest token.
pub const MAX_TOKEN: usize = 4096;

/// A Git host as git names it: a host name or IPv4 address in lower case, with a port where that is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GitHost(String);

/// A text that is no Git host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a host name or an IPv4 address, with ':port' if it is not the usual one; no scheme, user or path")]
pub struct NoGitHost;

impl GitHost {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the file that holds its credential: a Secret's key has no colon.
    pub fn file_name(&self) -> String {
        format!("{CREDENTIAL_FILE_PREFIX}{}", self.0.replace(':', "_"))
    }
}

/// What the names of credential files begin with, beside the files of users' variables.
pub const CREDENTIAL_FILE_PREFIX: &str = ".berth-git-";

impl FromStr for GitHost {
    type Err = NoGitHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
        let label = |label: &str| {
            let characters =
                label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            (1..=63).contains(&label.len()) && characters && !label.starts_with('-') && !label.ends_with('-')
        };
        let port = port.is_none_or(|port| {
            !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        });
        if name.len() <= 253 && name.split('.').all(label) && port {
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

/// Where a host's credential comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetGitCredential {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A token of the host; it is never shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Who a signed token is for, as the host expects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// What is known of a host's credential, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitCredential {
    pub host: GitHost,
    pub method: GitMethod,
    pub username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    pub updated_at: Timestamp,
}

/// Who commits: `user.name` and `user.email` of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitUser {
    pub name: String,
    pub email: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_git_says_and_nothing_that_could_be_a_path() {
        for text in ["git.example.com", "10.0.0.1:8080", "localhost", "a-b.c:1"] {
            assert_eq!(text.parse::<GitHost>().map(String::from).as_deref(), Ok(text));
        }
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
            "[::1]",
        ] {
            assert_eq!(text.parse::<GitHost>(), Err(NoGitHost), "{text}");
        }
        assert_eq!("a.b:22".parse::<GitHost>().map(|host| host.file_name()).as_deref(), Ok(".berth-git-a.b_22"));
    }
}
