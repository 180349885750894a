use std::time::{Duration, Instant};

use anyhow::ensure;
use berth_integration_tests::{HostileRegistry, Installation, WORKSPACE_IMAGE, refuse_deployments, unique};
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

/// What goes on beside the poison.
const BESIDE: usize = 20;

#[tokio::test]
async fn a_registry_that_answers_with_a_nul_is_the_matter_of_its_workspace_alone() -> anyhow::Result<()> {
    let Some(berth) = Installation::start_alone().await? else {
        return Ok(());
    };
    let registry = HostileRegistry::on_the_node_of(berth.cluster).await?;
    let poison = unique("nul");
    let created = berth.admin.create_from_image(&poison, &registry.image()).await?;
    let (failed, _) = berth.admin.reach(&created, ActualState::Failed, PATIENCE).await?;
    let reason = failed.reason.expect("a reason");
    assert!(reason.message.contains("403 Nope") || reason.message.contains("jawohl"), "{reason:?}");
    assert!(!reason.message.contains(['\0', '\u{202e}', '\u{1b}', '\n']), "{reason:?}");

    // Five at a time, all the while that the registry goes on refusing: started, stopped, removed.
    for five in (0..BESIDE).collect::<Vec<_>>().chunks(5) {
        let mut others = Vec::new();
        for number in five {
            others.push(berth.admin.create_from_image(&format!("beside-{number}"), WORKSPACE_IMAGE).await?);
        }
        for other in &others {
            berth.admin.running(other).await?;
        }
        for other in &mut others {
            *other = berth.admin.wish(&other.id.to_string(), "stop").await?;
        }
        for other in &mut others {
            berth.admin.reach(other, ActualState::Stopped, PATIENCE).await?;
            *other = berth.admin.wish(&other.id.to_string(), "terminate").await?;
        }
        for other in &others {
            berth.admin.reach(other, ActualState::Terminated, PATIENCE).await?;
        }
    }
    let terminate = berth.admin.wish(&poison, "terminate").await?;
    berth.admin.reach(&terminate, ActualState::Terminated, PATIENCE).await?;
    ensure!(berth.view.namespace(&created).await?.is_none(), "something of the poison is left");
    Ok(())
}
