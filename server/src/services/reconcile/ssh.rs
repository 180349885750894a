//! What a workspace's sshd is given beside the workspace's variables. See decision 0063.

use berth_db::OrganizationConn;
use berth_schema::WorkspaceId;
use berth_schema::ssh::FILES;
use berth_schema::variables::{MAX_TOTAL_BYTES, SecretValue, VariableBundle};
use tracing::{error, warn};

use crate::crypto::{self, DataKey};
use crate::identity::AgentIdentity;
use crate::services::ssh_keys;
use crate::{Error, Op};

/// What the organisation's SSH keys follow from. Without it workspaces run as they do else.
pub(super) async fn root(
    op: &Op<AgentIdentity>,
    conn: &OrganizationConn<'_>,
) -> Result<Option<DataKey>, Error> {
    let root = ssh_keys::root(&op.context, conn, op.now).await?;
    Ok(root
        .inspect_err(
            |cause| error!(%cause, "the organisation's SSH keys cannot be had: workspaces start without"),
        )
        .ok())
}

/// Puts the files of sshd beside a workspace's own, as far as a Secret holds all of them.
pub(super) fn add(bundle: &mut VariableBundle, root: &DataKey, workspace: WorkspaceId) {
    let files = match crypto::ssh_files(root, workspace) {
        Ok(files) => files,
        Err(cause) => {
            error!(%workspace, %cause, "a workspace's SSH keys cannot be made: it starts without");
            return;
        }
    };
    let theirs: usize = foreign(bundle).map(|value| value.expose().len()).sum();
    let ours: usize = files.iter().map(|(_, value)| value.expose().len()).sum();
    if theirs + ours > MAX_TOTAL_BYTES {
        warn!(%workspace, "its variables leave no room for its SSH keys: it starts without");
        return;
    }
    for (name, value) in files {
        bundle.files.insert(name.to_owned(), value);
    }
}

/// The files that are the workspace's own variables.
pub(super) fn foreign(bundle: &VariableBundle) -> impl Iterator<Item = &SecretValue> {
    bundle.files.iter().filter(|(name, _)| !FILES.contains(&name.as_str())).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    use berth_schema::OrganizationId;
    use ring::rand::SystemRandom;

    use crate::crypto::{KeyRing, Owner};

    #[test]
    fn the_keys_are_left_out_where_a_secret_would_not_hold_them_beside_the_variables() {
        let ring: KeyRing = format!("first {}=\n", "A".repeat(43)).parse().expect("a key file");
        let owner = Owner::of_organization(OrganizationId::random());
        let (root, _) = DataKey::generate(&ring, owner, &SystemRandom::new()).expect("a key");
        let with = |bytes: usize| {
            let mut bundle = VariableBundle::default();
            bundle.files.insert("own".to_owned(), SecretValue::new(vec![0; bytes]));
            add(&mut bundle, &root, WorkspaceId::random());
            assert_eq!(foreign(&bundle).count(), 1);
            bundle.files.len()
        };
        assert_eq!(with(0), 4);
        assert_eq!(with(MAX_TOTAL_BYTES - 1_000), 4);
        assert_eq!(with(MAX_TOTAL_BYTES - 100), 1);
    }
}
