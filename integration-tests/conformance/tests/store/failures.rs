//! Connections that break, and a database that crashes.

use berth_schema::DesiredState;
use berth_simulation::store::{Intent, StoreError, Transaction as _};

use crate::ground::{AGENTS, Ground, Real, Simulated, begin, create, id, leader, look, now, row, want};
use crate::on_both;

/// Of a broken commit nobody learns whether it was done. Over many, both happen, and never a half.
async fn a_commit_whose_connection_breaks_is_done_or_not<G: Ground>(ground: &G) {
    let (mut done, mut lost) = (0, 0);
    for number in (0..40).step_by(2) {
        create(ground, number).await;
        let mut transaction = begin(ground).await;
        transaction.insert(row(number + 1)).await.expect("it is new");
        let stopped = Intent::Desired(DesiredState::Stopped);
        transaction.change_intent(id(number), None, stopped, now()).await.expect("it can be changed");
        ground.break_commit().await;
        assert_eq!(transaction.commit().await, Err(StoreError::Unknown));
        // Whoever locks the row now waits for the end of the lost transaction.
        let after = want(ground, number, DesiredState::Running).await.expect("the lock is not held for ever");
        let inserted = look(ground, number + 1).await.is_some();
        let changed = after.workspace.generation.get() == 3;
        assert_eq!(inserted, changed, "half of it was done");
        if inserted { done += 1 } else { lost += 1 }
    }
    assert!(done > 0 && lost > 0, "{done} done, {lost} lost");
}

async fn a_crash_undoes_what_is_not_committed_and_nothing_else<G: Ground>(ground: &G) {
    create(ground, 1).await;
    want(ground, 1, DesiredState::Stopped).await.expect("it can be changed");
    let mut open = begin(ground).await;
    let running = Intent::Desired(DesiredState::Running);
    open.change_intent(id(1), None, running.clone(), now()).await.expect("it can be changed");
    open.advance(AGENTS[0], leader(5), 5).await.expect("it moves on");
    ground.crash().await;
    assert_eq!(open.find(id(1)).await, Err(StoreError::Unavailable));
    assert!(open.commit().await.is_err());
    // The lock went with it, and what was promised is there.
    let row = loop {
        match want(ground, 1, DesiredState::Running).await {
            Err(StoreError::Unavailable) => {}
            result => break result.expect("it can be changed"),
        }
    };
    assert_eq!(row.workspace.generation.get(), 3);
}

on_both!(a_commit_whose_connection_breaks_is_done_or_not);

#[test]
fn a_simulated_crash_undoes_what_is_not_committed_and_nothing_else() {
    let told = berth_simulation::run::alone(0, |env| async move {
        a_crash_undoes_what_is_not_committed_and_nothing_else(&Simulated::new(&env)).await;
    });
    assert!(told.is_some(), "it hangs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_crash_undoes_what_is_not_committed_and_nothing_else() {
    a_crash_undoes_what_is_not_committed_and_nothing_else(&Real::alone().await).await;
}
