use berth_db::{Claim, Claimed, CreatedKind, DbError};
use jiff::Timestamp;
use uuid::Uuid;

use crate::support::{World, after, client, start};

fn claim<'a>(world: &World, key: &'a str, hash: u8, resource: Uuid) -> Claim<'a> {
    Claim {
        by: world.author(),
        key,
        request_hash: [hash; 32],
        fingerprints: &[],
        kind: CreatedKind::Workspace,
        resource,
    }
}

async fn claim_at(world: &World, claim: &Claim<'_>, now: Timestamp) -> Claimed {
    world
        .database
        .transaction(world.organization, "test", async |conn| conn.idempotency_keys().claim(claim, now).await)
        .await
        .expect("works")
}

#[tokio::test]
async fn a_repeated_request_names_what_the_first_one_made() {
    let world = World::new().await;
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    assert_eq!(claim_at(&world, &claim(&world, "k", 1, first), start()).await, Claimed::New);
    assert_eq!(
        claim_at(&world, &claim(&world, "k", 1, second), after(60)).await,
        Claimed::Replay { resource: first }
    );
    assert_eq!(claim_at(&world, &claim(&world, "k", 9, second), after(60)).await, Claimed::Mismatch);
    assert_eq!(claim_at(&world, &claim(&world, "other", 9, second), after(60)).await, Claimed::New);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let world = World::new().await;
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    claim_at(&world, &claim(&world, "k", 1, first), start()).await;
    claim_at(&world, &claim(&world, "forgotten", 1, first), start()).await;
    let day = 24 * 60 * 60;
    assert_eq!(
        claim_at(&world, &claim(&world, "k", 1, second), after(day)).await,
        Claimed::Replay { resource: first }
    );
    assert_eq!(claim_at(&world, &claim(&world, "k", 2, second), after(day + 1)).await, Claimed::New);
    let left = client(&world.url).await.query("SELECT key FROM idempotency_keys", &[]).await.expect("rows");
    assert_eq!(left.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["k"]);
}

/// Many rounds: two unique indexes hold a key, and what goes wrong between them takes some tries.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_claims_at_once_one_wins_and_the_others_learn_its_resource() {
    let world = World::new().await;
    for round in 0..40 {
        let key = format!("k{round}");
        // Every other key was used long ago.
        let now = if round % 2 == 0 { start() } else { after(2 * 24 * 60 * 60) };
        if round % 2 == 1 {
            claim_at(&world, &claim(&world, &key, 9, Uuid::from_u128(99)), start()).await;
        }
        let claims = (0..16_u128).map(|number| {
            let (world, key) = (&world, &key);
            async move { claim_at(world, &claim(world, key, 1, Uuid::from_u128(number)), now).await }
        });
        let outcomes = futures::future::join_all(claims).await;
        let winners: Vec<_> =
            (0_u128..).zip(&outcomes).filter(|(_, outcome)| **outcome == Claimed::New).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        let resource = Uuid::from_u128(winners[0].0);
        let replays = outcomes.iter().filter(|outcome| **outcome == Claimed::Replay { resource }).count();
        assert_eq!(replays, 15, "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_claim_of_a_transaction_that_failed_is_free() {
    let world = World::new().await;
    let claim = claim(&world, "k", 1, Uuid::from_u128(1));
    let failed = world
        .database
        .transaction(world.organization, "test", async |conn| {
            assert_eq!(conn.idempotency_keys().claim(&claim, start()).await?, Claimed::New);
            Err::<(), _>(DbError::not_found())
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(claim_at(&world, &claim, start()).await, Claimed::New);
}
