//! What is looked for in a repository: the file that says what a workspace is made of.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::is_plain;

/// Where a file is in a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("minLength" = 1, "maxLength" = RepositoryPath::MAX))]
pub struct RepositoryPath(String);

/// Why a text is no path of a devfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be the path of a file from the root of the repository, ending in .yaml, .yml or .json: at most {} characters and {} names with '/' between, none of them '.', '..' or '.git'",
    RepositoryPath::MAX,
    RepositoryPath::MAX_DEPTH
)]
pub struct RepositoryPathError;

impl RepositoryPath {
    /// The longest path, in bytes.
    pub const MAX: usize = 255;
    /// The most names: each takes a look of its own.
    pub const MAX_DEPTH: usize = 8;

    pub fn new(text: impl Into<String>) -> Result<Self, RepositoryPathError> {
        let text = text.into();
        let is_name = |name: &str| {
            !matches!(name, "" | "." | "..")
                && !name.eq_ignore_ascii_case(".git")
                && name.chars().all(|c| is_plain(c) && c != '\\')
        };
        let is_document = [".yaml", ".yml", ".json"].iter().any(|end| text.ends_with(end));
        let is_path = text.len() <= Self::MAX
            && text.split('/').count() <= Self::MAX_DEPTH
            && text.split('/').all(is_name);
        if is_path && is_document { Ok(Self(text)) } else { Err(RepositoryPathError) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RepositoryPath {
    type Err = RepositoryPathError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for RepositoryPath {
    type Error = RepositoryPathError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<RepositoryPath> for String {
    fn from(path: RepositoryPath) -> Self {
        path.0
    }
}

/// Where in its repository a workspace's devfile was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundIn {
    /// The full hash of the commit that was looked at.
    pub commit: String,
    /// Absent: there was none, and the workspace is made of the default devfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RepositoryPath>,
}

impl FoundIn {
    /// As much of the commit as people compare.
    pub fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }
}

impl fmt::Display for FoundIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{path} of commit {}", self.short()),
            None => write!(f, "the default devfile: commit {} has none", self.short()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_repository() {
        for text in
            ["devfile.yaml", ".devfile/ruby.yml", "apps/shop/.devcontainer/devcontainer.json", "ü/a.yaml"]
        {
            assert!(RepositoryPath::new(text).is_ok(), "{text}");
        }
        let deep = format!("{}a.yaml", "a/".repeat(RepositoryPath::MAX_DEPTH));
        let long = format!("{}.yaml", "a".repeat(RepositoryPath::MAX));
        for text in [
            "",
            "/devfile.yaml",
            "../devfile.yaml",
            "a/../devfile.yaml",
            "a//b.yaml",
            "./devfile.yaml",
            "a/.yaml/",
            ".git/config.yaml",
            "a/.GIT/b.yaml",
            "a\\b.yaml",
            "a\nb.yaml",
            "Dockerfile",
            &deep,
            &long,
        ] {
            assert!(RepositoryPath::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_found_is_told_in_one_line() {
        let path = RepositoryPath::new("devfile.yaml").ok();
        let found = FoundIn { commit: "0123456789abcdef".repeat(2), path };
        assert_eq!(found.to_string(), "devfile.yaml of commit 0123456789ab");
        let nothing = FoundIn { path: None, ..found };
        assert_eq!(nothing.to_string(), "the default devfile: commit 0123456789ab has none");
    }
}
