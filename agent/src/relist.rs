//! A fresh look at the whole cluster, when the server doubts that what is missing is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_agent_core::{Identity, Kind, lives_there};
use berth_schema::WorkspaceId;
use berth_schema::kubernetes::AGENT_ID;
use kube::api::ListParams;

use crate::cluster::Cluster;
use crate::failure::{Failure, during};

/// What a workspace cannot be without, or holds its data. A list of any of these that shows it is proof that it is there.
const KINDS: [Kind; 3] = [Kind::Namespace, Kind::PersistentVolumeClaim, Kind::Deployment];
/// How long all lists together may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Objects per page of a list.
const PAGE: u32 = 500;

/// Every workspace of which something is in the cluster now, where it may live, whatever the watches have shown.
pub async fn workspaces(cluster: &Cluster, identity: &Identity) -> Result<BTreeSet<WorkspaceId>, Failure> {
    let seconds = PATIENCE.as_secs();
    tokio::time::timeout(PATIENCE, list(cluster, identity))
        .await
        .unwrap_or(Err(Failure::TimedOut { seconds }))
}

async fn list(cluster: &Cluster, identity: &Identity) -> Result<BTreeSet<WorkspaceId>, Failure> {
    let mut found = BTreeSet::new();
    for kind in KINDS {
        let api = cluster.everywhere(kind);
        let mut parameters =
            ListParams::default().labels(&format!("{AGENT_ID}={}", cluster.agent)).limit(PAGE);
        loop {
            let page = api.list_metadata(&parameters).await;
            let page = page.map_err(during(format!("listing all {}", kind.plural())))?;
            let objects = page.items.iter();
            found.extend(objects.filter_map(|object| lives_there(identity, kind, &object.metadata)));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => break,
            }
        }
    }
    Ok(found)
}
