//! Associated data: what a ciphertext is bound to. A row that was moved elsewhere does not open.

use berth_schema::variables::VariableKind;
use berth_schema::{OrganizationId, WorkspaceId};
use uuid::Uuid;

/// Parts with their lengths before them, so that no two lists of parts give the same bytes.
fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// Whose a data key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub organization: OrganizationId,
    pub workspace: WorkspaceId,
}

/// What one variable is, beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    pub name: &'a str,
    pub kind: VariableKind,
    /// The version of the value, from 1.
    pub version: i64,
}

pub(super) fn of_data_key(owner: Owner, data_key: Uuid, kek: &str) -> Vec<u8> {
    join(&[
        b"berth-dek/1",
        owner.organization.as_uuid().as_bytes(),
        owner.workspace.as_uuid().as_bytes(),
        data_key.as_bytes(),
        kek.as_bytes(),
    ])
}

pub(super) fn of_variable(owner: Owner, label: Label<'_>, data_key: Uuid) -> Vec<u8> {
    join(&[
        b"berth-var/1",
        owner.organization.as_uuid().as_bytes(),
        owner.workspace.as_uuid().as_bytes(),
        label.name.as_bytes(),
        label.kind.as_str().as_bytes(),
        &label.version.to_be_bytes(),
        data_key.as_bytes(),
    ])
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
