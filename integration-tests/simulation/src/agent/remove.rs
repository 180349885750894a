//! Removing what is left of a workspace.

use berth_agent_core::{Action, Kind, Outcome, Prepared};

use super::AgentProcess;
use super::apply::words;
use crate::cluster::ClusterApi as _;

/// Takes the next step of a termination and tells how far it is. Repeating it is harmless.
pub(super) async fn run(process: &AgentProcess, action: &Action<Prepared>) -> Result<Outcome, String> {
    let namespace = action.namespace.as_str();
    let cluster = &process.cluster;
    match cluster.metadata(Kind::Namespace, namespace, namespace).await.map_err(words)? {
        None if cluster.volumes_left(namespace).await.map_err(words)? => Ok(Outcome::VolumesLeft),
        None => Ok(Outcome::Gone),
        Some(metadata) => {
            if metadata.deletion_timestamp.is_none() {
                cluster.delete(Kind::Namespace, &metadata).await.map_err(words)?;
            }
            Ok(Outcome::Leaving)
        }
    }
}
