use std::time::Duration;

use berth_integration_tests::{Installation, WORKSPACE_IMAGE};
use berth_schema::{ActualState, DesiredState};

use crate::PATIENCE;

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_agent_and_server_are_killed_in_the_middle() -> anyhow::Result<()> {
    let Some(mut berth) = Installation::start().await? else {
        return Ok(());
    };
    let mut created = Vec::new();
    for number in 0..6 {
        created.push(berth.admin.create_from_image(&format!("fault-{number}"), WORKSPACE_IMAGE).await?);
        // At different moments of an apply.
        tokio::time::sleep(Duration::from_millis(30 * number)).await;
        if number == 2 {
            berth.agent.kill9()?;
        }
        if number == 4 {
            berth.server.kill9()?;
            berth.server.start_again().await?;
            berth.agent.start_again().await?;
        }
    }
    for workspace in &created {
        let running = berth.admin.running(workspace).await?;
        assert_eq!(berth.view.pods(&running).await?.len(), 1, "{} has one pod", running.name);
    }

    // Wishes while nobody listens are not lost either, and a restart survives a kill in its middle.
    berth.agent.kill9()?;
    let stop = berth.admin.wish("fault-0", "stop").await?;
    let restart = berth.admin.wish("fault-1", "restart").await?;
    berth.agent.start_again().await?;
    berth.agent.kill9()?;
    berth.server.restart().await?;
    let terminate = berth.admin.wish("fault-2", "terminate").await?;
    berth.agent.start_again().await?;

    let (stopped, _) = berth.admin.reach(&stop, ActualState::Stopped, PATIENCE).await?;
    assert!(berth.view.pods(&stopped).await?.is_empty());
    let restarted = berth.admin.running(&restart).await?;
    assert_eq!(restarted.desired_state, DesiredState::Running);
    let (gone, _) = berth.admin.reach(&terminate, ActualState::Terminated, PATIENCE).await?;
    assert!(berth.view.namespace(&gone).await?.is_none());
    assert_eq!(
        berth.admin.workspaces().await?.iter().filter(|w| w.actual_state == ActualState::Running).count(),
        4
    );
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_somebody_deleted_is_made_again() -> anyhow::Result<()> {
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::{Api, DeleteParams};
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let created = berth.admin.create_from_image("vandal", WORKSPACE_IMAGE).await?;
    let running = berth.admin.running(&created).await?;
    let namespaces: Api<Namespace> = Api::all(berth.view.client());
    let before = berth.view.namespace(&running).await?.expect("a namespace").metadata.uid;
    namespaces.delete(running.namespace.as_str(), &DeleteParams::default()).await?;
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let now = berth.view.namespace(&running).await?;
        if now.is_some_and(|namespace| namespace.metadata.uid != before) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the namespace was not made again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    berth.admin.running(&created).await?;
    Ok(())
}
