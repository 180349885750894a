//! The project of a workspace: a Git repository that is cloned into it when it starts first.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::git::GitHost;
use crate::text::is_plain;

/// Which repository, and what of it is checked out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectSpec {
    pub url: ProjectUrl,
    /// Absent: the repository's default branch.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitReference>,
}

/// What is wrong with a project's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectUrlError {
    #[error("must not be longer than {} characters", ProjectUrl::MAX)]
    TooLong,
    #[error("is not a URL; write https://host/path or ssh://git@host/path")]
    Form,
    #[error("must begin with https:// or ssh://")]
    Scheme,
    #[error(
        "must not hold a user or a password for HTTP: whoever sees the workspace would see it; give the credential as a variable"
    )]
    Credentials,
    #[error("must not hold a password: whoever sees the workspace would see it; use a key")]
    Password,
    #[error("has a host that begins with '-', which programs would take for an option")]
    Dash,
    #[error("must not have a query or a fragment")]
    Query,
    #[error("has no path of a repository")]
    Path,
}

/// The address of a Git repository: `https`, `ssh` or, where the server allows it, `http`; without credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "uri", "maxLength" = ProjectUrl::MAX))]
pub struct ProjectUrl(String);

impl ProjectUrl {
    /// The longest URL, in bytes.
    pub const MAX: usize = 2_048;

    pub fn new(text: &str) -> Result<Self, ProjectUrlError> {
        if text.len() > Self::MAX {
            return Err(ProjectUrlError::TooLong);
        }
        // The parser would silently drop tabs and line ends, and trim spaces.
        if text.chars().any(|c| c.is_whitespace() || !is_plain(c) || c == '\\') {
            return Err(ProjectUrlError::Form);
        }
        let url = Url::parse(text).map_err(|_| ProjectUrlError::Form)?;
        check(&url)?;
        Ok(Self(url.into()))
    }

    /// Whether it takes a key of somebody's to read it.
    pub fn is_ssh(&self) -> bool {
        self.0.starts_with("ssh:")
    }

    /// Its host as git names it, with the port where that is not the usual one; `None`: an address that no credential can be set for.
    pub fn host(&self) -> Option<GitHost> {
        let url = Url::parse(&self.0).ok()?;
        let host = url.host_str()?;
        match url.port() {
            Some(port) => format!("{host}:{port}").parse().ok(),
            None => host.parse().ok(),
        }
    }

    /// Whether everything on the way can read and change what is cloned.
    pub fn is_plain_http(&self) -> bool {
        self.0.starts_with("http:")
    }

    /// The name of the directory it is cloned into: the last part of its path, as far as that makes a harmless name.
    pub fn directory(&self) -> String {
        // There is a path, and nothing behind it.
        let last = self.0.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
        let last = last.strip_suffix(".git").unwrap_or(last);
        let kept = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let name: String = last.chars().map(kept).take(100).collect();
        let name = name.trim_start_matches(['.', '-']);
        // The one directory of the volume that is ours and not hidden.
        if name.is_empty() || name == "workspace-logs" { "project".to_owned() } else { name.to_owned() }
    }
}

fn check(url: &Url) -> Result<(), ProjectUrlError> {
    let http = match url.scheme() {
        "https" | "http" => true,
        "ssh" => false,
        _ => return Err(ProjectUrlError::Scheme),
    };
    if url.password().is_some() {
        return Err(if http { ProjectUrlError::Credentials } else { ProjectUrlError::Password });
    }
    if http && !url.username().is_empty() {
        return Err(ProjectUrlError::Credentials);
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProjectUrlError::Form)?;
    if host.starts_with('-') || url.username().starts_with('-') {
        return Err(ProjectUrlError::Dash);
    }
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let is_host = |host: &str| plain(host) || (host.starts_with('[') && host.ends_with(']'));
    if !is_host(host) || !plain(url.username()) {
        return Err(ProjectUrlError::Form);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ProjectUrlError::Query);
    }
    if url.path().trim_matches('/').is_empty() {
        return Err(ProjectUrlError::Path);
    }
    Ok(())
}

impl fmt::Display for ProjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProjectUrl {
    type Err = ProjectUrlError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for ProjectUrl {
    type Error = ProjectUrlError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<ProjectUrl> for String {
    fn from(url: ProjectUrl) -> Self {
        url.0
    }
}

/// Why a text is no Git reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the name of a branch, a tag or a commit: at most {} characters as `git check-ref-format` allows them, not beginning with '-'",
    GitReference::MAX
)]
pub struct GitReferenceError;

/// A branch, a tag or a commit's full hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("minLength" = 1, "maxLength" = GitReference::MAX))]
pub struct GitReference(String);

impl GitReference {
    /// The longest reference, in bytes.
    pub const MAX: usize = 255;

    /// By the rules of git-check-ref-format(1), with an allowance of one level.
    pub fn new(text: impl Into<String>) -> Result<Self, GitReferenceError> {
        let text = text.into();
        let forbidden = |c: char| !is_plain(c) || c.is_whitespace() || "~^:?*[\\".contains(c);
        let bad_part =
            |part: &str| part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some();
        let bad = text.len() > Self::MAX
            || text.starts_with('-')
            || text.ends_with('.')
            || text == "@"
            || text.contains("..")
            || text.contains("@{")
            || text.contains(forbidden)
            || text.split('/').any(bad_part);
        if bad { Err(GitReferenceError) } else { Ok(Self(text)) }
    }

    /// Whether it is the full hash of a commit (SHA-1 or SHA-256), which no name can be fetched by.
    pub fn is_commit(&self) -> bool {
        matches!(self.0.len(), 40 | 64) && self.0.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GitReference {
    type Err = GitReferenceError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for GitReference {
    type Error = GitReferenceError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<GitReference> for String {
    fn from(reference: GitReference) -> Self {
        reference.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_addresses_are_taken_and_name_their_directory() {
        for (text, directory) in [
            ("https://git.example/group/site.git", "site"),
            ("https://git.example:8443/group/site", "site"),
            ("http://10.0.0.1:3000/a/b/", "b"),
            ("ssh://git@git.example:2222/group/my.site.git", "my.site"),
            ("ssh://git.example/~user/x", "x"),
            ("https://[2001:db8::1]/x", "x"),
            ("https://git.example/group/%2e%2e%2fx", "_2e_2e_2fx"),
            ("https://git.example/.git", "project"),
            ("https://git.example/workspace-logs", "project"),
            ("https://git.example/-rf", "rf"),
        ] {
            let url = ProjectUrl::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.directory(), directory, "{text}");
        }
    }

    #[test]
    fn every_other_address_is_refused_with_its_reason() {
        use ProjectUrlError::{Credentials, Dash, Form, Password, Path, Query, Scheme, TooLong};
        let long = format!("https://git.example/{}", "a".repeat(ProjectUrl::MAX));
        for (text, error) in [
            ("", Form),
            ("git@git.example:group/site", Form),
            ("-oProxyCommand=x", Form),
            ("https://git.example/a b", Form),
            ("https://git.example/a\nb", Form),
            (" https://git.example/a", Form),
            ("https://git.example\\@evil.example/a", Form),
            ("https:///", Form),
            ("file:///etc/passwd", Scheme),
            ("ext::sh -c x", Form),
            ("ext::sh", Scheme),
            ("git://git.example/a", Scheme),
            ("https://user@git.example/a", Credentials),
            ("https://user:secret@git.example/a", Credentials),
            ("https://:secret@git.example/a", Credentials),
            ("ssh://git:secret@git.example/a", Password),
            ("ssh://-oProxyCommand=x/a", Dash),
            ("ssh://-x/a", Dash),
            ("ssh://-x@git.example/a", Dash),
            ("ssh://$(x)@git.example/a", Form),
            ("https://git.example/a?b", Query),
            ("https://git.example/a#b", Query),
            ("https://git.example", Path),
            ("https://git.example//", Path),
            (long.as_str(), TooLong),
        ] {
            assert_eq!(ProjectUrl::new(text), Err(error), "{text}");
        }
    }

    #[test]
    fn no_message_repeats_a_credential() {
        let error = ProjectUrl::new("https://user:s3cret@git.example/a").expect_err("a password").to_string();
        assert!(!error.contains("s3cret") && error.contains("variable"), "{error}");
    }

    #[test]
    fn a_host_is_named_as_credentials_are_set_for_it() {
        let host = |text: &str| ProjectUrl::new(text).expect("a URL").host().map(|host| host.to_string());
        assert_eq!(host("https://Git.Example:443/a").as_deref(), Some("git.example"));
        assert_eq!(host("https://git.example:8443/a").as_deref(), Some("git.example:8443"));
        assert_eq!(host("http://10.0.0.1:80/a").as_deref(), Some("10.0.0.1"));
        assert_eq!(host("https://[2001:db8::1]/a"), None);
    }

    #[test]
    fn references_are_those_that_git_allows() {
        for text in ["main", "feature/x-1", "v1.2.3", "ünï", "0123456789012345678901234567890123456789"] {
            GitReference::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        for text in [
            "", "-x", "a..b", "a b", "a\nb", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a@{0}", "@", "a.",
            "a^",
        ] {
            GitReference::new(text).expect_err(text);
        }
    }

    #[test]
    fn a_full_hash_is_a_commit() {
        let commit = |text: &str| GitReference::new(text).expect("a reference").is_commit();
        assert!(commit(&"0a".repeat(20)) && commit(&"0a".repeat(32)));
        assert!(!commit(&"0a".repeat(19)) && !commit(&"0A".repeat(20)) && !commit("main"));
    }
}
