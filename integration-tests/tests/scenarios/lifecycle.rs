use berth_integration_tests::{Installation, WORKSPACE_IMAGE, variable};
use berth_schema::api::{Agent, AgentDisallowed, CreateWorkspace};
use berth_schema::variables::VariableKind;
use berth_schema::{ActualState, WorkspaceName};
use kube::ResourceExt as _;
use serde_json::json;

use crate::{PATIENCE, devfile};

/// The states that the protocol's page allows between a wish and its end.
fn only(seen: &[ActualState], allowed: &[ActualState]) {
    assert!(seen.iter().all(|state| allowed.contains(state)), "{seen:?}");
}

#[tokio::test]
async fn a_workspace_lives_from_creation_to_termination() -> anyhow::Result<()> {
    use ActualState::{
        CreationRequested, Running, Starting, Stopped, Stopping, Terminated, Terminating, Unknown,
    };
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let (admin, view) = (&berth.admin, &berth.view);

    let created = admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("welcome")?),
            agent: None,
            devfile: Some(devfile()),
            devcontainer: None,
            image: None,
            git_user: None,
            project: None,
            variables: vec![
                variable(VariableKind::Environment, "GREETING", b"hello"),
                variable(VariableKind::File, "key", &[0, 1, 2]),
            ],
        })
        .await?;
    assert_eq!(created.actual_state, CreationRequested);
    let (running, seen) = admin.reach(&created, Running, PATIENCE).await?;
    only(&seen, &[CreationRequested, Unknown, Starting, Running]);

    view.exec(&running, "echo written before the stop > /projects/note").await?;
    assert_eq!(view.http_get(&running, 8080, "/note").await?, "written before the stop\n");
    assert_eq!(view.exec(&running, "id -u; id -g").await?, b"5001\n0\n");
    let first_pod = view.pod(&running).await?.uid();

    let stop = admin.wish("welcome", "stop").await?;
    let (stopped, seen) = admin.reach(&stop, Stopped, PATIENCE).await?;
    only(&seen, &[Running, Stopping, Stopped]);
    assert!(view.pods(&stopped).await?.is_empty(), "Stopped means that no pod is left");
    assert_eq!(view.claims(&stopped).await?.len(), 1, "the volume is kept");

    let start = admin.wish("welcome", "start").await?;
    let (running, seen) = admin.reach(&start, Running, PATIENCE).await?;
    only(&seen, &[Stopped, Starting, Running]);
    assert_eq!(view.http_get(&running, 8080, "/note").await?, "written before the stop\n");
    let second_pod = view.pod(&running).await?.uid();
    assert_ne!(first_pod, second_pod);

    let restart = admin.wish("welcome", "restart").await?;
    let (running, seen) = admin.reach(&restart, Running, PATIENCE).await?;
    only(&seen, &[Running, Stopping, Stopped, Starting]);
    assert_ne!(view.pod(&running).await?.uid(), second_pod, "a restart makes another pod");
    assert!(running.generation > restart.generation, "the server ended the restart by itself");

    // Its agent is not allowed for it any more: it goes on with its pod, until its next start, or until it is to stop at once.
    let pod = view.pod(&running).await?.uid();
    let disallow = format!("agents/{}/disallow", running.agent);
    let told: AgentDisallowed = admin.post(&disallow, &json!({"organization": true})).await?.expect()?;
    assert_eq!(told.stopped, 0);
    assert_eq!(admin.post("workspaces/welcome/restart", &json!({})).await?.status.as_u16(), 409);
    let goes_on = admin.workspace("welcome").await?;
    assert_eq!((goes_on.generation, goes_on.actual_state), (running.generation, Running));
    assert_eq!(view.pod(&running).await?.uid(), pod);
    let stop_now = json!({"organization": true, "stop_now": true});
    let told: AgentDisallowed = admin.post(&disallow, &stop_now).await?.expect()?;
    assert_eq!(told.stopped, 1);
    let (stopped, _) = admin.reach(&admin.workspace("welcome").await?, Stopped, PATIENCE).await?;
    assert!(view.pods(&stopped).await?.is_empty());
    assert_eq!(view.claims(&stopped).await?.len(), 1, "the volume is kept");
    let allow = format!("agents/{}/allow", running.agent);
    admin.post(&allow, &json!({"organization": true})).await?.expect::<Agent>()?;
    let (running, _) = admin.reach(&admin.wish("welcome", "start").await?, Running, PATIENCE).await?;
    assert_eq!(view.http_get(&running, 8080, "/note").await?, "written before the stop\n");

    let terminate = admin.wish("welcome", "terminate").await?;
    let (gone, seen) = admin.reach(&terminate, Terminated, PATIENCE).await?;
    only(&seen, &[Running, Stopping, Stopped, Terminating, Terminated]);
    assert!(view.namespace(&gone).await?.is_none(), "the namespace is gone");
    assert!(view.volumes(&gone).await?.is_empty(), "the volumes are gone");
    assert!(admin.workspaces().await?.is_empty(), "what is gone is not listed");
    let next = admin.create_from_image("welcome", WORKSPACE_IMAGE).await?;
    assert_ne!(next.namespace, gone.namespace, "the name is free, and never meets what was left of the last");
    Ok(())
}

#[tokio::test]
async fn what_is_terminated_before_an_agent_saw_it_still_ends() -> anyhow::Result<()> {
    let Some(mut berth) = Installation::start().await? else {
        return Ok(());
    };
    berth.agent.kill9()?;
    berth.admin.create_from_image("brief", WORKSPACE_IMAGE).await?;
    let terminate = berth.admin.wish("brief", "terminate").await?;
    berth.agent.start_again().await?;
    berth.admin.reach(&terminate, ActualState::Terminated, PATIENCE).await?;
    Ok(())
}
