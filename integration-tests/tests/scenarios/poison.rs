use std::time::{Duration, Instant};

use anyhow::ensure;
use berth_integration_tests::{Installation, WORKSPACE_IMAGE, refuse_deployments, unique};
use berth_schema::ActualState;

use crate::PATIENCE;

/// Two rounds of an agent without news.
const TWO_ROUNDS: Duration = Duration::from_secs(20);
const OTHERS: usize = 5;

#[tokio::test]
async fn one_that_the_api_server_refuses_says_so_in_its_words_and_the_others_run() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let (poison, words) = (unique("poison"), "an administrator forbids this one");
    refuse_deployments(&berth.view.client(), &poison, words).await?;
    let started = Instant::now();
    let created = berth.admin.create_from_image(&poison, WORKSPACE_IMAGE).await?;
    let mut others = Vec::new();
    for number in 0..OTHERS {
        others.push(berth.admin.create_from_image(&format!("healthy-{number}"), WORKSPACE_IMAGE).await?);
    }
    let (refused, _) = berth.admin.reach(&created, ActualState::Error, PATIENCE).await?;
    assert!(started.elapsed() < TWO_ROUNDS, "it took {:?}", started.elapsed());
    let reason = refused.reason.expect("a reason");
    assert!(reason.message.contains(words), "{reason:?}");
    for other in &others {
        berth.admin.running(other).await?;
    }

    // It neither spins nor holds up what is new.
    let late = berth.admin.create_from_image("late", WORKSPACE_IMAGE).await?;
    berth.admin.running(&late).await?;
    let terminate = berth.admin.wish(&poison, "terminate").await?;
    berth.admin.reach(&terminate, ActualState::Terminated, PATIENCE).await?;
    ensure!(berth.view.namespace(&created).await?.is_none(), "something of the poison is left");
    Ok(())
}
