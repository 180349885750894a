use berth_db::{
    AgentTokenRotation, Conflict, DbError, DbErrorKind, Deposed, Epoch, Leader, Order, PageRequest, Standing,
    constraints,
};
use berth_schema::TermId;
use berth_schema::api::SuspectedLoss;

use crate::support::{World, after, new_agent};

/// Without who was deposed.
fn bare(mut standing: Standing) -> Standing {
    standing.deposed = None;
    standing
}

fn on_record(epoch: Epoch) -> Epoch {
    match epoch {
        Epoch::Current(standing) => Epoch::Current(bare(standing)),
        stale @ Epoch::Stale { .. } => stale,
    }
}

fn in_order(order: Order) -> Order {
    match order {
        Order::Newest(standing) => Order::Newest(bare(standing)),
        Order::Repeated(standing) => Order::Repeated(bare(standing)),
        stale @ Order::Stale { .. } => stale,
    }
}

#[tokio::test]
async fn a_new_leader_is_told_of_with_the_one_before_and_its_predecessor() {
    let world = World::new().await;
    let terms: Vec<_> = (0..3).map(|_| Some(TermId::random())).collect();
    let advance = async |epoch, term| {
        let advanced = world.database.transaction(world.organization, "test", async |conn| {
            conn.agents().advance(world.agent, Leader { epoch, term }, 1).await
        });
        match advanced.await.expect("works") {
            Order::Newest(standing) => standing.deposed,
            order => panic!("{order:?}"),
        }
    };
    let deposed = |epoch, term, before| Some(Deposed { epoch, term, before });
    assert_eq!(advance(1, terms[0]).await, deposed(0, None, None));
    assert_eq!(advance(2, terms[1]).await, deposed(1, terms[0], None));
    assert_eq!(advance(3, terms[2]).await, deposed(2, terms[1], terms[0]));
}

#[tokio::test]
async fn a_token_that_was_replaced_moves_nothing() {
    let world = World::new().await;
    let advance = async |hash, sequence| {
        let leader = Leader { epoch: 1, term: None };
        let advanced = world.database.transaction(world.organization, "test", async |conn| {
            conn.agents().shown(hash).advance(world.agent, leader, sequence).await
        });
        advanced.await.map(drop).map_err(|error| error.kind)
    };
    let ended = Err(DbErrorKind::Conflict(Conflict::TokenEnded));
    // The world's agent has the first of these.
    let (old, new) = ([2; 32], [3; 32]);
    assert_eq!(advance(old, 1).await, Ok(()));
    assert_eq!(advance(new, 2).await, ended);
    let rotated = world.database.transaction(world.organization, "test", async |conn| {
        let rotation = AgentTokenRotation { secret_hash: new, previous: None };
        conn.agents().rotate_token(world.agent, &rotation, after(1)).await
    });
    rotated.await.expect("works");
    assert_eq!(advance(old, 2).await, ended);
    assert_eq!(advance(new, 2).await, Ok(()));
}

#[tokio::test]
async fn an_epoch_only_rises() {
    let world = World::new().await;
    let raise = async |epoch| {
        let raised = world.database.transaction(world.organization, "test", async |conn| {
            conn.agents().raise_epoch(world.agent, Leader { epoch, term: None }).await
        });
        on_record(raised.await.expect("works"))
    };
    assert_eq!(raise(3).await, Epoch::Current(Standing::default()));
    assert_eq!(raise(3).await, Epoch::Current(Standing::default()));
    assert_eq!(raise(2).await, Epoch::Stale { current: 3 });
    assert_eq!(raise(4).await, Epoch::Current(Standing::default()));
}

#[tokio::test]
async fn an_epoch_that_is_known_writes_nothing() {
    let world = World::new().await;
    let location = async || {
        let row = crate::support::client(&world.url).await;
        let row = row.query_one("SELECT ctid::text, xmin::text FROM agents", &[]).await.expect("a row");
        (row.get::<_, String>(0), row.get::<_, String>(1))
    };
    let raise = async || {
        world
            .database
            .transaction(world.organization, "test", async |conn| {
                conn.agents().raise_epoch(world.agent, Leader { epoch: 1, term: None }).await
            })
            .await
            .expect("works");
    };
    raise().await;
    let before = location().await;
    raise().await;
    assert_eq!(location().await, before);
}

#[tokio::test]
async fn reports_are_taken_in_their_order_once() {
    let world = World::new().await;
    let advance = async |epoch, sequence| {
        let advanced = world.database.transaction(world.organization, "test", async |conn| {
            conn.agents().advance(world.agent, Leader { epoch, term: None }, sequence).await
        });
        in_order(advanced.await.expect("works"))
    };
    assert_eq!(advance(1, 5).await, Order::Newest(Standing::default()));
    assert_eq!(advance(1, 5).await, Order::Repeated(Standing::default()));
    assert_eq!(advance(1, 4).await, Order::Repeated(Standing::default()));
    assert_eq!(advance(1, 6).await, Order::Newest(Standing::default()));
    assert_eq!(advance(2, 1).await, Order::Newest(Standing::default()));
    assert_eq!(advance(1, 7).await, Order::Stale { current: 2 });
}

#[tokio::test]
async fn an_epoch_belongs_to_the_term_that_was_heard_first_in_it() {
    let world = World::new().await;
    let (first, second) = (Some(TermId::random()), Some(TermId::random()));
    let raise = async |epoch, term| {
        let raised = world.database.transaction(world.organization, "test", async |conn| {
            conn.agents().raise_epoch(world.agent, Leader { epoch, term }).await
        });
        on_record(raised.await.expect("works"))
    };
    let advance = async |epoch, term, sequence| {
        let advanced = world.database.transaction(world.organization, "test", async |conn| {
            conn.agents().advance(world.agent, Leader { epoch, term }, sequence).await
        });
        in_order(advanced.await.expect("works"))
    };
    assert_eq!(advance(3, first, 5).await, Order::Newest(Standing::default()));
    assert_eq!(raise(3, first).await, Epoch::Current(Standing::default()));
    // Whatever its sequence is: it counts its own messages.
    for other in [second, None] {
        assert_eq!(raise(3, other).await, Epoch::Stale { current: 3 });
        assert_eq!(advance(3, other, 1).await, Order::Stale { current: 3 });
        assert_eq!(advance(3, other, 99).await, Order::Stale { current: 3 });
    }
    assert_eq!(advance(3, first, 6).await, Order::Newest(Standing::default()));
    assert_eq!(advance(4, second, 1).await, Order::Newest(Standing::default()));
    assert_eq!(advance(3, first, 7).await, Order::Stale { current: 4 });
    // An agent of the version before names no term; that is a term too.
    assert_eq!(advance(5, None, 1).await, Order::Newest(Standing::default()));
    assert_eq!(advance(5, None, 1).await, Order::Repeated(Standing::default()));
    assert_eq!(advance(5, first, 2).await, Order::Stale { current: 5 });
}

#[tokio::test]
async fn what_is_on_record_comes_with_every_message() {
    let world = World::new().await;
    let loss = SuspectedLoss {
        since: after(3),
        missing: 7,
        applied: 9,
        needs_confirmation: false,
        fingerprint: uuid::Uuid::from_u128(4),
    };
    let standing = Standing { loss: Some(loss), full_wanted: true, git_version: 0, deposed: None };
    let (leader, agent) = (Leader { epoch: 1, term: None }, world.agent);
    let results = world.database.transaction(world.organization, "test", async |conn| {
        conn.agents().set_standing(agent, &standing).await?;
        let moved = conn.agents().advance(agent, leader, 1).await?;
        let repeated = conn.agents().advance(agent, leader, 1).await?;
        Ok::<_, DbError>((moved, repeated, conn.agents().standing(agent).await?))
    });
    let (moved, repeated, locked) = results.await.expect("works");
    assert_eq!(in_order(moved), Order::Newest(standing.clone()));
    assert_eq!(repeated, Order::Repeated(standing.clone()));
    assert_eq!(locked, standing);
}

#[tokio::test]
async fn a_revoked_agents_name_is_free_again() {
    let world = World::new().await;
    let insert = async |name: &str| {
        let agent = new_agent(name);
        let inserted = world.database.transaction(world.organization, "test", async |conn| {
            conn.agents().insert(&agent, after(1)).await
        });
        inserted.await
    };
    let taken = insert("cluster").await.expect_err("the name is taken");
    assert!(taken.violates(constraints::AGENT_NAME), "{taken}");

    let revoke = async |at| {
        let revoked = world.database.transaction(world.organization, "test", async |conn| {
            conn.agents().revoke(world.agent, at).await
        });
        revoked.await.expect("works")
    };
    assert!(revoke(after(2)).await);
    assert!(!revoke(after(3)).await, "revoking twice keeps the first time");
    let second = insert("cluster").await.expect("the name is free");

    world
        .database
        .read(world.organization, "test", async |conn| {
            let by_name = conn.agents().find_by_name(&second.name).await?.expect("there");
            assert_eq!(by_name.id, second.id);
            let first = conn.agents().find(world.agent).await?.expect("kept");
            assert_eq!(first.revoked_at, Some(after(2)));
            let all = conn.agents().list(&PageRequest::first(10)).await?;
            assert_eq!(all.iter().map(|agent| agent.id).collect::<Vec<_>>(), [second.id, world.agent]);
            assert_eq!(conn.agents().list_active(10).await?.len(), 1);
            Ok::<_, DbError>(())
        })
        .await
        .expect("works");
}

#[tokio::test]
async fn counts_leave_out_what_is_terminated() {
    let world = World::new().await;
    for name in ["one", "two", "three"] {
        world.create_workspace(name).await;
    }
    crate::support::client(&world.url)
        .await
        .batch_execute("UPDATE workspaces SET desired_state = 'Terminated', actual_state = 'Terminated' WHERE name = 'two'")
        .await
        .expect("works");
    let counts = world
        .database
        .read(world.organization, "test", async |conn| conn.agents().workspace_counts(&[world.agent]).await)
        .await
        .expect("works");
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(world.agent, 2)]);
}
