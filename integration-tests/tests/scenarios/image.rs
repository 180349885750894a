use std::time::{Duration, Instant};

use berth_integration_tests::{Installation, WORKSPACE_IMAGE};
use berth_schema::ActualState;

use crate::PATIENCE;

/// The protocol promises the kubelet's reason within this time.
const PROMISE: Duration = Duration::from_secs(15);

#[tokio::test]
async fn an_image_that_cannot_be_pulled_fails_with_the_kubelets_reason_and_runs_once_corrected()
-> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let started = Instant::now();
    let created = berth.admin.create_from_image("typo", "127.0.0.1:1/nobody/nothing:1").await?;
    let (failed, _) = berth.admin.reach(&created, ActualState::Failed, PATIENCE).await?;
    assert!(started.elapsed() < PROMISE, "it took {:?}", started.elapsed());
    let reason = failed.reason.expect("a reason");
    assert!(["ErrImagePull", "ImagePullBackOff"].contains(&reason.reason.as_str()), "{reason:?}");
    assert!(reason.message.contains("127.0.0.1:1/nobody/nothing:1"), "{reason:?}");

    let rebuilt = berth.admin.rebuild("typo", WORKSPACE_IMAGE).await?;
    let running = berth.admin.running(&rebuilt).await?;
    assert_eq!(running.reason, None);
    assert_eq!(running.image, WORKSPACE_IMAGE);
    Ok(())
}
