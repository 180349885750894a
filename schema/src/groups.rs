//! Groups: the tree of an organisation, `…/groups`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{Role, SubjectKind};
use crate::names::{GroupName, NameError};
use crate::{AgentName, GroupId, SubjectId};

/// How many levels of groups there may be.
pub const MAX_DEPTH: usize = 8;
/// How many an organisation may have.
pub const MAX_GROUPS: i64 = 1_000;
/// How many people may be something at one group or project itself.
pub const MAX_GIVEN: i64 = 500;

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("has a name (what is between '/') that is none: it {0}")]
    Name(#[source] NameError),
    #[error("has {depth} levels, at most {max} are allowed")]
    TooDeep { depth: usize, max: usize },
    #[error("looks like an id; choose another name")]
    LooksLikeAnId,
}

/// Where a group is: its name behind those of the groups that it is in, `platform/payments`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z]([a-z0-9-]*[a-z0-9])?(/[a-z]([a-z0-9-]*[a-z0-9])?)*$"))]
pub struct GroupPath(String);

impl GroupPath {
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        check(&text, MAX_DEPTH, |name| GroupName::new(name).map(drop))?;
        Ok(Self(text))
    }

    /// Of a group of that name, below the one of `parent` or the organisation itself.
    pub fn below(parent: Option<&Self>, name: &GroupName) -> Result<Self, PathError> {
        Self::new(joined(parent, name.as_str()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn depth(&self) -> usize {
        self.0.split('/').count()
    }

    /// The last of its names.
    pub fn name(&self) -> GroupName {
        GroupName::new(last(&self.0)).expect("it was checked")
    }

    /// What it is in; `None`: the organisation itself.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// Itself and everything that it is in, the nearest first.
    pub fn up(&self) -> Vec<Self> {
        std::iter::successors(Some(self.clone()), Self::parent).collect()
    }

    /// Whether it is that group, or in it through others or not.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

pub(crate) fn joined(parent: Option<&GroupPath>, name: &str) -> String {
    parent.map_or_else(|| name.to_owned(), |parent| format!("{parent}/{name}"))
}

pub(crate) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Whether a text is a path of at most so many names, each of which `is_name` takes. What is an id is no path: it would name
/// something else.
pub(crate) fn check(
    text: &str,
    max: usize,
    is_name: impl Fn(&str) -> Result<(), NameError>,
) -> Result<(), PathError> {
    let depth = text.split('/').count();
    if depth > max {
        return Err(PathError::TooDeep { depth, max });
    }
    for name in text.split('/') {
        is_name(name).map_err(PathError::Name)?;
    }
    if text.parse::<Uuid>().is_ok() { Err(PathError::LooksLikeAnId) } else { Ok(()) }
}

impl fmt::Display for GroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GroupPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl TryFrom<String> for GroupPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl From<GroupPath> for String {
    fn from(path: GroupPath) -> Self {
        path.0
    }
}

/// `POST …/groups`, and `POST …/groups/{group}/groups` for one below another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "name": "payments" }]))]
pub struct CreateGroup {
    pub name: GroupName,
}

/// `PATCH …/groups/{group}`: another name, another place, or both. What is in it comes along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "path": "platform/payments" }]))]
pub struct ChangeGroup {
    pub path: GroupPath,
}

/// A group of the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    pub id: GroupId,
    pub path: GroupPath,
    /// Absent: it is below the organisation itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<GroupId>,
    pub created_at: Timestamp,
    /// Agents that take workspaces of projects in it, as far as whoever asks may see them. Only where one group is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<AgentName>>,
}

/// `PUT …/groups/{group}/members`, and the same of projects: what somebody is there, and at all below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "member": "Ada Lovelace", "role": "maintainer" }]))]
pub struct GiveRole {
    /// Their name or id.
    pub member: String,
    pub role: Role,
}

/// `POST …/groups/{group}/members/remove`, and the same of projects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeRole {
    /// Their name or id.
    pub member: String,
}

/// Somebody who is something at a group or project itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenRole {
    pub member: SubjectId,
    pub name: String,
    pub kind: SubjectKind,
    pub role: Role,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> GroupPath {
        GroupPath::new(text).expect(text)
    }

    #[test]
    fn a_path_knows_what_it_is_in() {
        let deep = path("platform/payments/api");
        assert_eq!((deep.depth(), deep.name().as_str()), (3, "api"));
        let up: Vec<String> = deep.up().into_iter().map(String::from).collect();
        assert_eq!(up, ["platform/payments/api", "platform/payments", "platform"]);
        assert_eq!(path("platform").parent(), None);
        assert!(deep.is_within(&path("platform")) && deep.is_within(&deep));
        assert!(!path("platform-two/a").is_within(&path("platform")), "a name that begins alike");
        assert!(!path("platform").is_within(&deep));
        let name = GroupName::new("api").expect("a name");
        assert_eq!(GroupPath::below(Some(&path("platform/payments")), &name), Ok(deep));
        assert_eq!(GroupPath::below(None, &name), Ok(path("api")));
    }

    #[test]
    fn what_is_no_path_says_why() {
        for bad in ["", "/", "a/", "/a", "a//b", "A", "a/..", "a b", "a/é", &"a".repeat(64)] {
            assert!(matches!(GroupPath::new(bad), Err(PathError::Name(_))), "{bad}");
        }
        let levels = |n: usize| vec!["a"; n].join("/");
        assert!(GroupPath::new(levels(MAX_DEPTH)).is_ok());
        let error = PathError::TooDeep { depth: 9, max: 8 };
        assert_eq!(GroupPath::new(levels(MAX_DEPTH + 1)), Err(error));
        assert_eq!(GroupPath::new(levels(100_000)).map_err(|error| error.to_string().len() < 100), Err(true));
        for id in ["deadbeef-0000-4000-8000-000000000001", &"ab".repeat(16)] {
            assert_eq!(GroupPath::new(id), Err(PathError::LooksLikeAnId), "{id}");
        }
    }
}
