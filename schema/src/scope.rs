//! Where a variable comes from: a chain of scopes, the nearest of which wins.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::VariableInput;
use crate::variables::VariableKind;

/// What a variable belongs to, the outermost first. Groups, projects and users take their places between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Organization,
    /// Given at the workspace's creation.
    Workspace,
}

impl Scope {
    pub const ALL: [Self; 2] = [Self::Organization, Self::Workspace];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Workspace => "workspace",
        }
    }
}

/// A text that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 'organization' or 'workspace'")]
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

/// `PUT …/variables`: one variable of the organisation. Workspaces that exist keep what they have.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// Text that does not print.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub zeroize::Zeroizing<String>);

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableOrigin {
    pub name: String,
    pub kind: VariableKind,
    pub scope: Scope,
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
}
