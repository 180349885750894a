//! Where a variable comes from: a chain of scopes, the nearest of which wins.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use uuid::Uuid;

use crate::api::VariableInput;
use crate::variables::VariableKind;
use crate::{GroupId, ProjectId, SubjectId};

/// The kinds of what a variable belongs to, the outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Organization,
    /// A group that the workspace's project is in, be it through others.
    Group,
    Project,
    /// Whoever makes the workspace.
    User,
    /// Given at the workspace's creation.
    Workspace,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Organization, Self::Group, Self::Project, Self::User, Self::Workspace];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Group => "group",
            Self::Project => "project",
            Self::User => "user",
            Self::Workspace => "workspace",
        }
    }
}

/// A text that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 'organization', 'group', 'project', 'user' or 'workspace'")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something around workspaces that has variables and Git credentials of its own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ScopeId {
    #[default]
    Organization,
    Group(GroupId),
    Project(ProjectId),
    /// A member's own.
    User(SubjectId),
}

impl ScopeId {
    pub const fn scope(self) -> Scope {
        match self {
            Self::Organization => Scope::Organization,
            Self::Group(_) => Scope::Group,
            Self::Project(_) => Scope::Project,
            Self::User(_) => Scope::User,
        }
    }

    /// `None`: the organisation itself.
    pub const fn id(self) -> Option<Uuid> {
        match self {
            Self::Organization => None,
            Self::Group(id) => Some(*id.as_uuid()),
            Self::Project(id) => Some(*id.as_uuid()),
            Self::User(id) => Some(*id.as_uuid()),
        }
    }

    /// `None`: nothing of that kind has variables that others inherit.
    pub const fn of(scope: Scope, id: Uuid) -> Option<Self> {
        match scope {
            Scope::Organization => Some(Self::Organization),
            Scope::Group => Some(Self::Group(GroupId::from_uuid(id))),
            Scope::Project => Some(Self::Project(ProjectId::from_uuid(id))),
            Scope::User => Some(Self::User(SubjectId::from_uuid(id))),
            Scope::Workspace => None,
        }
    }

    /// Where nothing is said of it, the organisation is meant.
    pub const fn is_organization(&self) -> bool {
        matches!(self, Self::Organization)
    }
}

/// `PUT …/variables`: one variable of the organisation, a group, a project, or whoever sets it. Workspaces that exist keep what they have.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{
        "name": "CA_BUNDLE",
        "kind": "file",
        "value_base64": "LS0tLS1CRUdJTi4uLg==",
        "final": true,
    }]))]
pub struct SetVariable {
    pub name: String,
    #[serde(default)]
    pub kind: VariableKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<Secret>,
    /// Nothing nearer may have a variable of this name and kind.
    #[serde(default, rename = "final")]
    pub is_final: bool,
}

/// `POST …/variables/remove`, of a group, a project, or whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "name": "CA_BUNDLE", "kind": "file" }]))]
pub struct RemoveVariable {
    pub name: String,
    #[serde(default)]
    pub kind: VariableKind,
}

/// Text that does not print.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(#[schemars(with = "String")] pub zeroize::Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SetVariable {
    /// As a workspace's creation has it.
    pub fn into_input(self) -> VariableInput {
        let text = |secret: Option<Secret>| secret.map(|Secret(text)| text);
        let (value, value_base64) = (text(self.value), text(self.value_base64));
        VariableInput { name: self.name, kind: self.kind, value, value_base64 }
    }
}

/// A variable of a scope, without its value: values are written, never read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScopeVariable {
    pub name: String,
    pub kind: VariableKind,
    /// +1 with each value, from 1.
    pub version: i64,
    #[serde(rename = "final")]
    pub is_final: bool,
    pub updated_at: Timestamp,
}

/// Where a workspace's value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VariableOrigin {
    pub name: String,
    pub kind: VariableKind,
    pub scope: Scope,
    /// Which group, project or user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_id: Option<Uuid>,
    /// What the group or project was called when the workspace took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The version that the scope had when the workspace took it.
    pub version: i64,
    /// When that version was set.
    pub set_at: Timestamp,
    /// When the workspace took it: from then on the scope's changes do not reach it.
    pub frozen_at: Timestamp,
    #[serde(rename = "final")]
    pub is_final: bool,
    /// What it took the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Scope>,
    /// The devfile sets one of this name for a container, which has that instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_set_by_devfile: bool,
}
