//! A command of a workspace, and where it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A shell command in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    pub id: String,
    pub component: String,
    pub command_line: String,
    /// Absent: the image's own directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<Directory>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Run once for the data volume: not again when it has ended with 0 there, as it is written now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// Whether `command_line` holds variables of [`crate::late`], which are filled in later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// Where a command runs. Stored as text: a path, or `$PROJECT_SOURCE` with a path below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Directory {
    /// At an absolute path.
    Absolute(String),
    /// In the project's directory, which is known when the workspace is rendered; or below it, at a path without a slash in
    /// front. Empty: in itself.
    Project(String),
}

const PROJECT: &str = "$PROJECT_SOURCE";

impl From<String> for Directory {
    fn from(text: String) -> Self {
        match text.strip_prefix(PROJECT) {
            Some(below) => Self::Project(below.trim_start_matches('/').to_owned()),
            None => Self::Absolute(text),
        }
    }
}

impl From<Directory> for String {
    fn from(directory: Directory) -> Self {
        match directory {
            Directory::Absolute(path) => path,
            Directory::Project(below) if below.is_empty() => PROJECT.to_owned(),
            Directory::Project(below) => format!("{PROJECT}/{below}"),
        }
    }
}

impl Directory {
    /// The path, with the project at `project`.
    pub fn path(&self, project: &str) -> String {
        match self {
            Self::Absolute(path) => path.clone(),
            Self::Project(below) if below.is_empty() => project.to_owned(),
            Self::Project(below) => format!("{project}/{below}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_that_was_stored_before_runs_where_it_ran() {
        let stored =
            json!({"id": "a", "component": "main", "command_line": "make", "working_dir": "/projects/x"});
        let command: CommandSpec = serde_json::from_value(stored.clone()).expect("a command");
        assert_eq!(command.working_dir, Some(Directory::Absolute("/projects/x".to_owned())));
        assert!(!command.once && !command.late);
        assert_eq!(serde_json::to_value(command).expect("JSON"), stored);
    }

    #[test]
    fn a_directory_of_the_project_follows_the_project() {
        for (text, path) in [
            ("$PROJECT_SOURCE", "/projects/shop"),
            ("$PROJECT_SOURCE/app/web", "/projects/shop/app/web"),
            ("/tmp", "/tmp"),
        ] {
            let directory = Directory::from(text.to_owned());
            assert_eq!(directory.path("/projects/shop"), path);
            assert_eq!(String::from(directory), text);
        }
    }
}
