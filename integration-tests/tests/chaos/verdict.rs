//! Whether everything is as it was wished, and nothing else is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use berth_integration_tests::{Actor, ClusterView};
use berth_schema::api::Workspace;
use berth_schema::{ActualState, DesiredState, NamespaceName, WorkspaceId, kubernetes};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, Pod};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt as _};
use tokio_postgres::NoTls;

use crate::story::{Stories, Story};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until every wish is in force, in what the API tells and in the cluster alike.
pub(crate) async fn converged(
    admin: &Actor,
    view: &ClusterView,
    stories: &Stories,
    deadline: Instant,
) -> anyhow::Result<()> {
    loop {
        // Whoever looks while a part comes back looks again.
        let wrong = match look(admin, view, stories).await {
            Ok(wrong) if wrong.is_empty() => return Ok(()),
            Ok(wrong) => wrong,
            Err(cause) => vec![format!("{cause:#}")],
        };
        if Instant::now() > deadline {
            bail!("not converged in time:\n{}", wrong.join("\n"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Everything that is not as it shall be.
async fn look(admin: &Actor, view: &ClusterView, stories: &Stories) -> anyhow::Result<Vec<String>> {
    let told: BTreeMap<WorkspaceId, Workspace> =
        admin.workspaces().await?.into_iter().map(|workspace| (workspace.id, workspace)).collect();
    let seen = Seen::take(&view.client()).await?;
    let living = stories.living();
    let mut wrong: Vec<String> = living.iter().filter_map(|story| judge(story, &told, &seen).err()).collect();

    let wanted: BTreeSet<WorkspaceId> = living.iter().map(|story| story.created.id).collect();
    let unwanted = |what: &str, ids: Vec<WorkspaceId>| -> Vec<String> {
        let left = ids.into_iter().filter(|id| !wanted.contains(id));
        left.map(|id| format!("{what} of {id} is there, which nobody wants")).collect()
    };
    wrong.extend(unwanted("a row", told.keys().copied().collect()));
    wrong.extend(unwanted("a pod", seen.pods.keys().copied().collect()));
    wrong.extend(unwanted("a Deployment", seen.deployments.keys().copied().collect()));
    wrong.extend(unwanted("a namespace", seen.namespaces.keys().copied().collect()));
    Ok(wrong)
}

/// What is in the cluster under Berth's labels, by workspace.
struct Seen {
    /// The names of its pods.
    pods: BTreeMap<WorkspaceId, Vec<String>>,
    deployments: BTreeMap<WorkspaceId, Deployment>,
    namespaces: BTreeMap<WorkspaceId, String>,
}

impl Seen {
    async fn take(client: &Client) -> anyhow::Result<Self> {
        let ours = ListParams::default().labels(kubernetes::WORKSPACE_ID);
        let pods = Api::<Pod>::all(client.clone()).list(&ours).await?;
        let deployments = Api::<Deployment>::all(client.clone()).list(&ours).await?;
        let namespaces = Api::<Namespace>::all(client.clone()).list(&ours).await?;
        let mut by_workspace: BTreeMap<WorkspaceId, Vec<String>> = BTreeMap::new();
        for pod in pods.items {
            by_workspace.entry(owner(&pod)?).or_default().push(pod.name_any());
        }
        Ok(Self {
            pods: by_workspace,
            deployments: deployments
                .into_iter()
                .map(|one| Ok((owner(&one)?, one)))
                .collect::<anyhow::Result<_>>()?,
            namespaces: namespaces
                .into_iter()
                .map(|one| Ok((owner(&one)?, one.name_any())))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

fn owner(object: &impl kube::ResourceExt) -> anyhow::Result<WorkspaceId> {
    let id = object.labels().get(kubernetes::WORKSPACE_ID).context("an object without its label")?;
    id.parse().with_context(|| format!("{id} is no workspace's id"))
}

/// One workspace that shall live.
fn judge(story: &Story, told: &BTreeMap<WorkspaceId, Workspace>, seen: &Seen) -> Result<(), String> {
    let id = story.created.id;
    let name = &story.created.name;
    let require = |holds: bool, what: String| if holds { Ok(()) } else { Err(format!("{name}: {what}")) };

    let row = told.get(&id).ok_or_else(|| format!("{name} is lost"))?;
    require(row.generation >= story.generation, format!("generation {} was forgotten", story.generation))?;
    require(row.desired_state == story.end(), format!("{} instead of {}", row.desired_state, story.end()))?;
    let (state, pods) = match story.end() {
        DesiredState::Running => (ActualState::Running, 1),
        _ => (ActualState::Stopped, 0),
    };
    let proven = row.applied_generation == row.generation;
    require(proven, format!("generation {} proven of {}", row.applied_generation, row.generation))?;
    require(
        row.actual_state == state,
        format!("{} instead of {state}, because of {:?}", row.actual_state, row.reason),
    )?;

    let there = seen.pods.get(&id).map_or(&[][..], Vec::as_slice);
    require(there.len() == pods, format!("has the pods {there:?}"))?;
    require(seen.namespaces.contains_key(&id), "has no namespace".to_owned())?;
    let mark = seen.deployments.get(&id).and_then(mark_of);
    require(mark.as_ref() == Some(&story.mark.1), format!("was built as {mark:?}, not as {}", story.mark.1))
}

/// The mark of the devfile that a Deployment was made from.
fn mark_of(deployment: &Deployment) -> Option<String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let environment = pod.containers.iter().filter_map(|container| container.env.as_ref()).flatten();
    environment.filter(|variable| variable.name == "MARK").find_map(|variable| variable.value.clone())
}

/// Once everything has converged: each creation exists once, and of what was terminated nothing is left.
pub(crate) async fn nothing_else(
    view: &ClusterView,
    stories: &Stories,
    database_url: &str,
) -> anyhow::Result<()> {
    let living = stories.living();
    let namespaces: BTreeSet<NamespaceName> =
        living.iter().map(|story| story.created.namespace.clone()).collect();
    let ids: BTreeSet<String> = living.iter().map(|story| story.created.id.to_string()).collect();
    let mut left = Vec::new();
    for (group, version, kind) in KINDS {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::all_with(view.client(), &resource);
        let labels = ListParams::default().labels(kubernetes::AGENT_ID);
        for object in api.list(&labels).await?.items {
            if !object.labels().get(kubernetes::WORKSPACE_ID).is_some_and(|id| ids.contains(id)) {
                left.push(format!("{kind} {}/{}", object.namespace().unwrap_or_default(), object.name_any()));
            }
        }
    }
    let belongs = |name: &str| namespaces.iter().any(|namespace| namespace.as_str() == name);
    for volume in Api::<PersistentVolume>::all(view.client()).list(&ListParams::default()).await?.items {
        let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        let namespace = claim.and_then(|claim| claim.namespace.as_deref()).unwrap_or_default();
        if !belongs(namespace) {
            left.push(format!("PersistentVolume {} of {namespace}", volume.name_any()));
        }
    }
    // By name too: what lost its labels is still there. The proxy's namespace comes with the agent and stays.
    for namespace in Api::<Namespace>::all(view.client()).list(&ListParams::default()).await?.items {
        let name = namespace.name_any();
        let of_the_proxy = namespace.labels().contains_key(kubernetes::PROXY_OF);
        if name.starts_with("berth-") && !belongs(&name) && !of_the_proxy {
            left.push(format!("Namespace {name}"));
        }
    }
    ensure!(left.is_empty(), "left over: {left:#?}");
    rows(stories, living.len(), database_url).await
}

/// Every kind that a workspace has an object of.
const KINDS: [(&str, &str, &str); 10] = [
    ("", "v1", "Namespace"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "ResourceQuota"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "Secret"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "Service"),
    ("", "v1", "Pod"),
    ("apps", "v1", "Deployment"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
];

/// What the database holds, past row-level security.
async fn rows(stories: &Stories, living: usize, database_url: &str) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(database_url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let row = client.query_one(COUNTS, &[]).await?;
    let count = |column| usize::try_from(row.get::<_, i64>(column)).context("a negative count");
    let created = stories.all().len();
    ensure!(count(0)? == created, "{} rows of {created} creations", count(0)?);
    ensure!(count(1)? == created, "{} keys of {created} creations", count(1)?);
    ensure!(count(2)? == living, "{} living rows of {living}", count(2)?);
    ensure!(count(3)? == living, "{} data keys of {living}: shredding was forgotten", count(3)?);
    drop(client);
    connection.await.context("the connection's task")??;
    Ok(())
}

const COUNTS: &str = "
SELECT (SELECT count(*) FROM workspaces), (SELECT count(*) FROM idempotency_keys WHERE resource_kind = 'workspace'),
       (SELECT count(*) FROM workspaces WHERE living), (SELECT count(*) FROM workspace_data_keys)";
