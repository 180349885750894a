//! People and their sessions, which no organisation owns.

use berth_db::{DbError, DbErrorKind, NewOwner, NewPasskey, NewSshKey, constraints};
use berth_schema::{AccountId, PasskeyId, SessionId, SshKeyId};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::support::{World, after, client, new_session, start};

const OWN: [(&str, &str); 6] = [
    ("accounts", "id"),
    ("devices", "account_id"),
    ("passkeys", "account_id"),
    ("sessions", "account_id"),
    ("sign_in_links", "account_id"),
    ("ssh_keys", "account_id"),
];

async fn sign_in(world: &World, owner: &NewOwner) -> SessionId {
    let session = new_session();
    world
        .database
        .transaction(owner.account, "test", async |conn| conn.sessions().insert(&session, start()).await)
        .await
        .expect("a session");
    session.id
}

/// Somebody's passkey that an authenticator calls so.
async fn add_passkey(world: &World, owner: &NewOwner, credential: &[u8]) -> Result<PasskeyId, DbError> {
    let (name, credential) = ("a key".to_owned(), credential.to_vec());
    let new = NewPasskey { id: PasskeyId::random(), name, credential, public_key: vec![0; 77], counter: 3 };
    let added = world.database.transaction(owner.account, "test", async |conn| {
        conn.passkeys().insert(&new, start()).await.map(|()| new.id)
    });
    added.await
}

/// Somebody's key for plain `ssh`, which is that session.
async fn add_ssh_key(world: &World, owner: &NewOwner, session: SessionId) {
    let (name, public_key, fingerprint) = ("a key".to_owned(), vec![7; 51], "x".repeat(50));
    let new = NewSshKey { id: SshKeyId::random(), session, name, public_key, fingerprint };
    let added = world
        .database
        .transaction(owner.account, "test", async |conn| conn.ssh_keys().insert(&new, start()).await);
    added.await.expect("the same key may be anybody's");
}

/// What the account's session is in the organisation, once it was there.
async fn bring(world: &World, owner: &NewOwner, session: SessionId) {
    let name = world.name().await;
    let found = world
        .database
        .read(owner.account, "test", async |conn| conn.sessions().find_in(session, &name).await)
        .await
        .expect("works")
        .expect("a member");
    assert!(!found.is_known && !found.is_revoked());
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.tokens().bring_session(&found.session, found.membership.id, start()).await
        })
        .await
        .expect("it is one of its tokens");
}

async fn as_account(world: &World, account: Option<AccountId>) -> Client {
    let client = client(&world.url).await;
    let account = account.map(|id| id.to_string()).unwrap_or_default();
    let statement = format!("SET ROLE berth_app; SELECT set_config('berth.account', '{account}', false)");
    client.batch_execute(&statement).await.expect("the role and the account are set");
    client
}

#[tokio::test]
async fn rows_of_another_account_are_neither_seen_nor_changed_without_any_filter() {
    let world = World::new().await;
    let (ada, eve) = (world.owner("Ada").await, world.owner("Eve").await);
    for person in [&ada, &eve] {
        let session = sign_in(&world, person).await;
        add_ssh_key(&world, person, session).await;
        add_passkey(&world, person, person.account.as_uuid().as_bytes()).await.expect("added");
    }
    let raw = as_account(&world, Some(ada.account)).await;
    for (table, column) in OWN {
        let seen = raw.query(&format!("SELECT {column} FROM {table}"), &[]).await.expect("works");
        assert_eq!(seen.len(), 1, "{table}");
        assert_eq!(AccountId::from_uuid(seen[0].get(0)), ada.account, "{table}");
    }
    for statement in [
        "UPDATE sessions SET ended_at = now()",
        "UPDATE sign_in_links SET used_at = now()",
        "UPDATE accounts SET suspended_at = now()",
        "UPDATE passkeys SET counter = 4",
        "DELETE FROM passkeys",
        "DELETE FROM ssh_keys",
        "DELETE FROM sign_in_links",
        "DELETE FROM sessions",
    ] {
        assert_eq!(raw.execute(statement, &[]).await.expect("works"), 1, "{statement}");
    }
    let theirs = format!("INSERT INTO accounts VALUES ('{}', 'Mallory', now())", AccountId::random());
    let refused = raw.execute(&theirs, &[]).await.expect_err("another's");
    assert!(refused.as_db_error().expect("Postgres refuses").message().contains("row-level security"));
    let nobody = as_account(&world, None).await;
    for (table, _) in OWN {
        assert!(
            nobody.query(&format!("SELECT FROM {table}"), &[]).await.expect("works").is_empty(),
            "{table}"
        );
    }
}

#[tokio::test]
async fn an_account_sees_what_it_is_in_its_own_organisations_alone() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let (ada, eve) = (world.owner("Ada").await, neighbour.owner("Eve").await);
    let raw = as_account(&world, Some(ada.account)).await;
    let names = raw.query("SELECT name FROM organizations", &[]).await.expect("works");
    assert_eq!(names.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["acme"]);
    let subjects = raw.query("SELECT account_id FROM subjects", &[]).await.expect("works");
    assert_eq!(subjects.len(), 1);
    // Of the tokens of an organisation nothing, but those that are sessions of one's own.
    assert!(raw.query("SELECT FROM access_tokens", &[]).await.expect("works").is_empty());
    let session = sign_in(&world, &ada).await;
    bring(&world, &ada, session).await;
    assert_eq!(raw.query("SELECT FROM access_tokens", &[]).await.expect("works").len(), 1);
    assert_eq!(raw.execute("UPDATE access_tokens SET revoked_at = now()", &[]).await.expect("works"), 1);
    let theirs = as_account(&world, Some(eve.account)).await;
    assert!(theirs.query("SELECT FROM access_tokens", &[]).await.expect("works").is_empty());
    // And an organisation sees its own people alone.
    let found = world
        .database
        .read(world.organization, "test", async |conn| conn.subjects().users_named("Eve", 5).await)
        .await;
    assert!(found.expect("works").is_empty());
}

#[tokio::test]
async fn a_session_that_is_ended_ends_in_every_organisation() {
    let world = World::new().await;
    let ada = world.owner("Ada").await;
    let session = sign_in(&world, &ada).await;
    bring(&world, &ada, session).await;
    let name = world.name().await;
    let end = async || {
        let ended = world
            .database
            .transaction(ada.account, "test", async |conn| conn.sessions().end(&[session], after(5)).await);
        ended.await.expect("works")
    };
    assert_eq!((end().await, end().await), (1, 0));
    let found = world
        .database
        .read(ada.account, "test", async |conn| conn.sessions().find_in(session, &name).await)
        .await
        .expect("works")
        .expect("it is there");
    assert!(found.is_known && found.is_revoked() && !found.session.is_valid(after(5)));
    // What has ended does not begin again, whoever says so.
    let raw = as_account(&world, Some(ada.account)).await;
    let again = raw.execute("UPDATE sessions SET ended_at = NULL", &[]).await.expect_err("refused");
    assert_eq!(again.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
}

#[tokio::test]
async fn a_session_ends_by_itself_when_nobody_uses_it_and_at_its_end_in_any_case() {
    let world = World::new().await;
    let ada = world.owner("Ada").await;
    let id = sign_in(&world, &ada).await;
    let look = async || {
        let found = world.database.read(ada.account, "test", async |conn| conn.sessions().find(id).await);
        found.await.expect("works").expect("it is there").0
    };
    assert!(look().await.is_valid(after(59)) && !look().await.is_valid(after(60)));
    world
        .database
        .transaction(ada.account, "test", async |conn| conn.sessions().touch(id, after(3_590)).await)
        .await
        .expect("works");
    assert!(look().await.is_valid(after(3_599)) && !look().await.is_valid(after(3_600)));
}

#[tokio::test]
async fn of_many_who_use_a_link_at_once_one_is_let_in() {
    let world = World::new().await;
    let ada = world.owner("Ada").await;
    let uses = (0..8).map(|_| {
        world.database.transaction(ada.account, "test", async |conn| {
            conn.sign_in_links().mark_used(ada.link.id, start()).await
        })
    });
    let won = futures::future::try_join_all(uses).await.expect("none fails");
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let raw = as_account(&world, Some(ada.account)).await;
    let again = raw.execute("UPDATE sign_in_links SET used_at = NULL", &[]).await.expect_err("refused");
    assert_eq!(again.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
}

#[tokio::test]
async fn a_passkey_is_one_persons_and_counts_on_where_it_was_used() {
    let world = World::new().await;
    let (ada, eve) = (world.owner("Ada").await, world.owner("Eve").await);
    let id = add_passkey(&world, &ada, b"the same").await.expect("added");
    let again = add_passkey(&world, &eve, b"the same").await.expect_err("it is Ada's");
    assert!(
        matches!(&again.kind, DbErrorKind::UniqueViolation { constraint } if constraint == constraints::PASSKEY),
        "{again:?}"
    );
    let found = async |owner: &NewOwner| {
        let found = world
            .database
            .transaction(owner.account, "test", async |conn| conn.passkeys().find_locked(b"the same").await);
        found.await.expect("works")
    };
    assert_eq!(found(&eve).await, None);
    world
        .database
        .transaction(ada.account, "test", async |conn| conn.passkeys().used(id, u32::MAX, after(5)).await)
        .await
        .expect("used");
    let row = found(&ada).await.expect("hers");
    assert_eq!((row.counter, row.last_used_at), (i64::from(u32::MAX), Some(after(5))));
    let remove = async |owner: &NewOwner| {
        let gone =
            world.database.transaction(owner.account, "test", async |conn| conn.passkeys().remove(id).await);
        gone.await.expect("works")
    };
    assert_eq!((remove(&eve).await, remove(&ada).await, remove(&ada).await), (false, true, false));
}
