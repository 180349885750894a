//! Projects: what workspaces are made for, `…/projects`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::groups::{self, GroupPath, PathError};
use crate::names::{AgentName, GroupName, ProjectName};
use crate::project::ProjectSpec;
use crate::{GroupId, ProjectId, RepositoryPath};

/// How many an organisation may have.
pub const MAX_PROJECTS: i64 = 5_000;

/// Where a project is: its name behind the path of the group that it is in, `platform/payments/api`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z]([a-z0-9-]*[a-z0-9])?(/[a-z]([a-z0-9-]*[a-z0-9])?)*$"))]
pub struct ProjectPath(String);

impl ProjectPath {
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        // Names of both have one form.
        groups::check(&text, groups::MAX_DEPTH + 1, |name| GroupName::new(name).map(drop))?;
        Ok(Self(text))
    }

    /// Of a project of that name, in that group or the organisation itself.
    pub fn within(group: Option<&GroupPath>, name: &ProjectName) -> Result<Self, PathError> {
        Self::new(groups::joined(group, name.as_str()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last of its names.
    pub fn name(&self) -> ProjectName {
        ProjectName::new(groups::last(&self.0)).expect("it was checked")
    }

    /// What it is in; `None`: the organisation itself.
    pub fn group(&self) -> Option<GroupPath> {
        self.0.rsplit_once('/').map(|(group, _)| GroupPath::new(group).expect("it was checked"))
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProjectPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl TryFrom<String> for ProjectPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl From<ProjectPath> for String {
    fn from(path: ProjectPath) -> Self {
        path.0
    }
}

/// What a project says of its workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectSettings {
    /// What is cloned into them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<ProjectSpec>,
    /// Which file of the repository they are made of. Absent: one where devfiles usually are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devfile_path: Option<RepositoryPath>,
    /// Where they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
}

/// `POST …/projects`, and `POST …/groups/{group}/projects` for one in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{
        "name": "shop",
        "settings": { "repository": { "url": "https://git.example.com/acme/shop.git" }, "agent": "cluster-1" },
    }]))]
pub struct CreateProject {
    pub name: ProjectName,
    #[serde(default)]
    pub settings: ProjectSettings,
}

/// `PATCH …/projects/{project}`. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeProject {
    /// Another name, another place, or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<ProjectPath>,
    /// In place of all those of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<ProjectSettings>,
}

/// A project as what belongs to it names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectRef {
    pub id: ProjectId,
    /// As it is now: it changes with each move.
    pub path: ProjectPath,
}

/// A project of the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Project {
    pub id: ProjectId,
    pub path: ProjectPath,
    /// Absent: it is below the organisation itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<GroupId>,
    pub settings: ProjectSettings,
    /// +1 with each change; in `ETag` and `If-Match`.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_in_a_group_or_the_organisation_itself() {
        let path = ProjectPath::new("platform/payments/api").expect("a path");
        assert_eq!(path.name().as_str(), "api");
        let group = path.group().expect("a group");
        assert_eq!(group.as_str(), "platform/payments");
        assert_eq!(ProjectPath::within(Some(&group), &path.name()), Ok(path));
        assert_eq!(ProjectPath::new("api").expect("a path").group(), None);
        // In the deepest group there is.
        assert!(ProjectPath::new(["a"; groups::MAX_DEPTH + 1].join("/")).is_ok());
        assert!(ProjectPath::new(["a"; groups::MAX_DEPTH + 2].join("/")).is_err());
    }
}
