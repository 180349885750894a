//! READ COMMITTED: a statement sees what was committed when it began, and what its own transaction wrote.

use berth_schema::DesiredState;
use berth_simulation::store::{Intent, Transaction as _};

use crate::ground::{AGENTS, Ground, begin, create, id, leader, look, now, row, want};
use crate::on_both;

async fn what_is_not_committed_is_seen_by_nobody_else<G: Ground>(ground: &G) {
    let (mut writer, mut reader) = (begin(ground).await, begin(ground).await);
    writer.insert(row(1)).await.expect("it is new");
    assert_eq!(reader.find(id(1)).await, Ok(None));
    assert_eq!(reader.pending(AGENTS[0]).await, Ok(vec![]));
    let own = writer.find(id(1)).await.expect("works").expect("its own row");
    assert_eq!(own.workspace, row(1).workspace);
    assert_eq!(writer.pending(AGENTS[0]).await.expect("works").len(), 1);
    assert_eq!(writer.of_agent(AGENTS[0], &[id(1)]).await.expect("works").len(), 1);
    writer.commit().await.expect("it is committed");
    // The same transaction, a later statement.
    assert!(reader.find(id(1)).await.expect("works").is_some());
}

async fn what_is_rolled_back_never_was<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let mut writer = begin(ground).await;
    writer.insert(row(2)).await.expect("it is new");
    let stopped = Intent::Desired(DesiredState::Stopped);
    writer.change_intent(id(1), None, stopped, now()).await.expect("it can be changed");
    writer.advance(AGENTS[0], leader(7), 7).await.expect("it moves on");
    writer.roll_back().await;
    assert_eq!(look(ground, 2).await, None);
    assert_eq!(look(ground, 1).await.expect("a row").workspace, row(1).workspace);
    let mut later = begin(ground).await;
    assert_eq!(later.advance(AGENTS[0], leader(1), 1).await, Ok(berth_simulation::store::Order::Newest));
}

async fn readers_wait_for_nobody<G: Ground>(ground: &G) {
    create(ground, 1).await;
    let mut writer = begin(ground).await;
    let stopped = Intent::Desired(DesiredState::Stopped);
    writer.change_intent(id(1), None, stopped, now()).await.expect("it can be changed");
    let mut reader = begin(ground).await;
    let seen = reader.find(id(1)).await.expect("works").expect("a row");
    assert_eq!(seen.workspace.desired_state, DesiredState::Running);
    assert_eq!(reader.pending(AGENTS[0]).await.expect("works").len(), 1);
    writer.commit().await.expect("it is committed");
    let seen = reader.find(id(1)).await.expect("works").expect("a row");
    assert_eq!(seen.workspace.desired_state, DesiredState::Stopped);
}

async fn an_agent_sees_its_own_in_the_order_of_their_ids<G: Ground>(ground: &G) {
    for number in [3, 1, 2] {
        create(ground, number).await;
    }
    let mut other = row(4);
    other.agent = AGENTS[1];
    let mut transaction = begin(ground).await;
    transaction.insert(other).await.expect("it is new");
    transaction.commit().await.expect("it is committed");
    want(ground, 2, DesiredState::Terminated).await.expect("it can be changed");

    let mut transaction = begin(ground).await;
    let ids = |rows: Vec<berth_simulation::store::Row>| -> Vec<_> {
        rows.iter().map(|row| row.workspace.id).collect()
    };
    assert_eq!(ids(transaction.pending(AGENTS[0]).await.expect("works")), [id(1), id(2), id(3)]);
    assert_eq!(ids(transaction.pending(AGENTS[1]).await.expect("works")), [id(4)]);
    let asked = [id(4), id(3), id(9), id(1), id(3)];
    assert_eq!(ids(transaction.of_agent(AGENTS[0], &asked).await.expect("works")), [id(1), id(3)]);
}

on_both!(
    what_is_not_committed_is_seen_by_nobody_else,
    what_is_rolled_back_never_was,
    readers_wait_for_nobody,
    an_agent_sees_its_own_in_the_order_of_their_ids,
);
