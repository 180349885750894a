use std::time::{Duration, Instant};

use berth_integration_tests::{Installation, WORKSPACE_IMAGE};
use berth_schema::ActualState;

const HOW_MANY: usize = 50;

#[tokio::test]
async fn fifty_workspaces_created_at_once_all_run_or_say_in_words_that_the_node_is_full() -> anyhow::Result<()>
{
    let Some(berth) = Installation::start_alone().await? else {
        return Ok(());
    };
    let creations = (0..HOW_MANY).map(|number| {
        let admin = berth.admin.clone();
        tokio::spawn(
            async move { admin.create_from_image(&format!("burst-{number}"), WORKSPACE_IMAGE).await },
        )
    });
    for creation in creations.collect::<Vec<_>>() {
        creation.await??;
    }

    let deadline = Instant::now() + Duration::from_secs(300);
    let full = loop {
        let all = berth.admin.workspaces().await?;
        assert_eq!(all.len(), HOW_MANY, "none is lost");
        let waiting: Vec<_> =
            all.iter().filter(|workspace| workspace.actual_state != ActualState::Running).collect();
        let full = |reason: &str| reason == "Unschedulable";
        if waiting
            .iter()
            .all(|workspace| workspace.reason.as_ref().is_some_and(|reason| full(&reason.reason)))
        {
            break waiting.len();
        }
        assert!(Instant::now() < deadline, "not settled: {waiting:#?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    // Two cores with requests of 50m each hold most of them.
    assert!(full < HOW_MANY / 2, "{full} of {HOW_MANY} found no room");

    // Neither doubled nor left over.
    for workspace in berth.admin.workspaces().await? {
        assert!(berth.view.pods(&workspace).await?.len() <= 1, "{} has two pods", workspace.name);
        berth.admin.wish(&workspace.id.to_string(), "terminate").await?;
    }
    for workspace in berth.admin.workspaces().await? {
        berth.admin.reach(&workspace, ActualState::Terminated, Duration::from_secs(240)).await?;
    }
    Ok(())
}
