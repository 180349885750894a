//! Associated data: what a ciphertext is bound to. A row that was moved elsewhere does not open.

use berth_schema::scope::{Scope, ScopeId};
use berth_schema::{OrganizationId, WorkspaceId};
use uuid::Uuid;

/// Parts with their lengths before them, so that no two lists of parts give the same bytes.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// Whose a data key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Workspace {
        organization: OrganizationId,
        workspace: WorkspaceId,
    },
    /// Something around workspaces. An organisation is its own scope.
    Scope {
        organization: OrganizationId,
        scope: Scope,
        id: Uuid,
    },
}

impl Owner {
    pub const fn of_workspace(organization: OrganizationId, workspace: WorkspaceId) -> Self {
        Self::Workspace { organization, workspace }
    }

    pub const fn of_organization(organization: OrganizationId) -> Self {
        Self::of_scope(organization, ScopeId::Organization)
    }

    pub const fn of_scope(organization: OrganizationId, scope: ScopeId) -> Self {
        let id = match scope.id() {
            Some(id) => id,
            None => *organization.as_uuid(),
        };
        Self::Scope { organization, scope: scope.scope(), id }
    }

    /// What leads the associated data: what it is for, and whose it is.
    fn join(&self, purpose: &[u8], rest: &[&[u8]]) -> Vec<u8> {
        let whose: Vec<&[u8]> = match self {
            Self::Workspace { organization, workspace } => {
                vec![purpose, organization.as_uuid().as_bytes(), workspace.as_uuid().as_bytes()]
            }
            Self::Scope { organization, scope, id } => vec![
                purpose,
                b"scope",
                scope.as_str().as_bytes(),
                organization.as_uuid().as_bytes(),
                id.as_bytes(),
            ],
        };
        join(&[&whose, rest].concat())
    }
}

/// The kind of a token for a Git host, whose name is the host.
pub const GIT_TOKEN: &str = "git-token";
/// The kind of a client's secret at an identity provider.
pub const CLIENT_SECRET: &str = "client-secret";

/// What one variable is, beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    pub name: &'a str,
    /// [`berth_schema::variables::VariableKind::as_str`], [`GIT_TOKEN`] or [`CLIENT_SECRET`].
    pub kind: &'static str,
    /// The version of the value, from 1.
    pub version: i64,
}

/// `contents`: what is under the key ([`super::contents`]); `None`: it was wrapped before that was bound.
pub(super) fn of_data_key(owner: Owner, data_key: Uuid, kek: &str, contents: Option<&[u8]>) -> Vec<u8> {
    match contents {
        None => owner.join(b"berth-dek/1", &[data_key.as_bytes(), kek.as_bytes()]),
        Some(contents) => owner.join(b"berth-dek/2", &[data_key.as_bytes(), kek.as_bytes(), contents]),
    }
}

pub(super) fn of_variable(owner: Owner, label: Label<'_>, data_key: Uuid) -> Vec<u8> {
    owner.join(
        b"berth-var/1",
        &[label.name.as_bytes(), label.kind.as_bytes(), &label.version.to_be_bytes(), data_key.as_bytes()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_between_parts_cannot_be_moved() {
        assert_ne!(join(&[b"ab", b"c"]), join(&[b"a", b"bc"]));
        assert_ne!(join(&[b"ab"]), join(&[b"ab", b""]));
    }
}
