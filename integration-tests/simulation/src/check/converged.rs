//! Whether what is wanted is there (I6), and nothing else (I7).

use berth_agent_core::SecretVersions;
use berth_planner::REPORT_UNREADABLE;
use berth_schema::kubernetes::{environment_secret, file_secret};
use berth_schema::{ActualState, DesiredState, WorkspaceId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::cluster::{Object, SimulatedCluster, generation_of};
use crate::poison::Poisons;
use crate::scenario::Image;
use crate::store::{MemoryStore, Row};

/// Everything that has to be at rest.
#[derive(Debug)]
pub struct Picture<'a> {
    pub store: &'a MemoryStore,
    pub clusters: &'a [SimulatedCluster],
    pub poisons: &'a Poisons,
}

/// What one cluster has of a workspace.
#[derive(Debug, Default)]
struct Found {
    objects: usize,
    /// Metadata of the Secrets of its environment and its files.
    secrets: [Option<ObjectMeta>; 2],
    /// Values that somebody has changed.
    edited: bool,
    /// How the agent left them, as the Deployment has it.
    left: Option<SecretVersions>,
    pods: usize,
    /// Generation in the annotation, replicas, resource version.
    deployment: Option<(Option<i64>, Option<i32>, Option<String>)>,
}

/// The first thing that is not as wanted, in words; `None` when everything is.
pub fn unconverged(picture: &Picture<'_>) -> Option<String> {
    let rows = picture.store.rows();
    for cluster in picture.clusters {
        if !cluster.is_at_rest() {
            return Some("the cluster itself has things to do".to_owned());
        }
        let mut stranger = None;
        cluster.objects(|object| {
            let known = object.workspace().is_some_and(|workspace| rows.contains_key(&workspace));
            if !known {
                stranger = Some(format!("an object that nobody knows: {:?}", object.metadata().name));
            }
        });
        if stranger.is_some() {
            return stranger;
        }
    }
    rows.values().find_map(|row| {
        let found = find(picture.clusters, row.workspace.id, row.workspace.name.as_str());
        let problem = problem(row, &found, picture.poisons)?;
        let workspace = &row.workspace;
        let (desired, actual) = (workspace.desired_state, workspace.actual_state);
        let generations = (workspace.generation, workspace.applied_generation);
        Some(format!(
            "{} desired {desired} actual {actual} {generations:?}: {problem}; {found:?}",
            workspace.id
        ))
    })
}

fn find(clusters: &[SimulatedCluster], workspace: WorkspaceId, name: &str) -> Found {
    let secrets = [environment_secret(name), file_secret(name)];
    let mut found = Found::default();
    for cluster in clusters {
        cluster.objects(|object| {
            if object.workspace() != Some(workspace) {
                return;
            }
            found.objects += 1;
            let metadata = object.metadata();
            match object {
                Object::Pod(_) => found.pods += 1,
                Object::Deployment(live) if metadata.name.as_deref() == Some(name) => {
                    let replicas = live.object.spec.as_ref().and_then(|spec| spec.replicas);
                    let generation = generation_of(metadata).map(berth_schema::Generation::get);
                    found.left = SecretVersions::recorded(metadata);
                    found.deployment = Some((generation, replicas, metadata.resource_version.clone()));
                }
                Object::Deployment(_) | Object::Plain { .. } => {
                    found.edited |= object.is_edited();
                    let which = secrets.iter().position(|secret| metadata.name.as_ref() == Some(secret));
                    if let Some(which) = which {
                        found.secrets[which] = Some(metadata.clone());
                    }
                }
            }
        });
    }
    found
}

/// Whether the API server refuses its Deployment.
pub fn is_poisonous(row: &Row) -> bool {
    let main = row.workspace.spec.main();
    main.is_some_and(|container| container.image == Image::Poison.as_str())
}

fn problem(row: &Row, found: &Found, poisons: &Poisons) -> Option<&'static str> {
    let workspace = &row.workspace;
    let image = workspace.spec.main().map(|container| container.image.as_str());
    let is = |state| workspace.actual_state == state;
    if workspace.desired_state == DesiredState::Terminated {
        let gone = is(ActualState::Terminated) && found.objects == 0;
        return (!gone).then_some("it is not gone");
    }
    // Nothing can be made of it but its error, which it has to show.
    if poisons.hides(workspace.id) {
        let told = workspace.reason.as_ref().is_some_and(|reason| reason.reason == REPORT_UNREADABLE);
        let silent = poisons.is_unread(workspace.id) && !poisons.row(workspace.id) && !told;
        return silent.then_some("that its reports cannot be read is not told");
    }
    // The API server refuses it for good: that is told, and nothing else can be done.
    if is_poisonous(row) {
        return (!is(ActualState::Error)).then_some("its refusal is not told");
    }
    let Some((generation, replicas, version)) = &found.deployment else {
        return Some("it has no Deployment");
    };
    let (state, pods) = match workspace.desired_state {
        DesiredState::Running if image == Some(Image::Missing.as_str()) => (ActualState::Failed, 1),
        DesiredState::Running => (ActualState::Running, 1),
        DesiredState::Stopped => (ActualState::Stopped, 0),
        DesiredState::RestartRequested => return Some("its restart does not end"),
        DesiredState::Terminated => return None,
    };
    let checks = [
        (*generation == Some(workspace.generation.get()), "the Deployment is of another generation"),
        (workspace.applied_generation == workspace.generation, "what is applied is not proven"),
        (*replicas == workspace.desired_state.replicas(), "the Deployment has other replicas"),
        (
            version.as_deref() == workspace.deployment_resource_version.as_deref(),
            "the newest Deployment was not reported",
        ),
        (is(state), "the actual state is another"),
        (found.pods == pods, "the pods are others"),
        (found.secrets.iter().all(Option::is_some) || pods == 0, "its Secrets are missing"),
        (!found.edited || pods == 0, "its Secrets hold what somebody else put there"),
        (found.left == written(&found.secrets) || pods == 0, "its Secrets are not as they were left"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, message)| message)
}

fn written(secrets: &[Option<ObjectMeta>; 2]) -> Option<SecretVersions> {
    let there: Vec<ObjectMeta> = secrets.iter().flatten().cloned().collect();
    SecretVersions::written(&there)
}
