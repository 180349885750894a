//! What an account does is on record in each of its organisations, or in none.

use berth_db::{AccountEvent, Acting, Basis, Changed, DbError, NewOwner, Stamp};
use berth_schema::audit::{By, Details, Event, Internal, Outcome, Resource, What};
use berth_schema::{AccountId, SubjectId};

use crate::support::{World, client, new_session, start};

fn stamp(who: Acting) -> Stamp {
    let action = Some(What::Internal(Internal::SignIn));
    Stamp {
        time: start(),
        who,
        action,
        outcome: Outcome::Done,
        request: None,
        peer: None,
        basis: Basis::Itself,
    }
}

fn signed_in() -> AccountEvent {
    AccountEvent::of(|subject| Event::new(Resource::user(subject), Details::Nothing))
}

/// A person in both organisations, under another id in each.
async fn person_of_both(one: &World, other: &World) -> NewOwner {
    let ada = one.owner("Ada").await;
    let statement = format!(
        "INSERT INTO subjects (organization_id, id, kind, name, created_at, account_id)
         VALUES ('{}', '{}', 'user', 'Ada', now(), '{}')",
        other.organization,
        SubjectId::random(),
        ada.account
    );
    client(&one.url).await.batch_execute(&statement).await.expect("another subject");
    ada
}

/// Who is on record, and of what, in the order of the records.
async fn told(world: &World) -> Vec<(String, Option<String>)> {
    let query = "SELECT subject_id::text, resource_id FROM audit_records WHERE organization_id = $1 ORDER BY sequence";
    let rows = client(&world.url).await.query(query, &[world.organization.as_uuid()]).await.expect("rows");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn subject_in(world: &World, account: AccountId) -> String {
    let query = "SELECT id::text FROM subjects WHERE organization_id = $1 AND account_id = $2";
    let client = client(&world.url).await;
    client.query_one(query, &[world.organization.as_uuid(), account.as_uuid()]).await.expect("a row").get(0)
}

async fn sessions(world: &World) -> i64 {
    client(&world.url).await.query_one("SELECT count(*) FROM sessions", &[]).await.expect("a row").get(0)
}

#[tokio::test]
async fn each_organisation_knows_the_account_by_an_id_of_its_own() {
    let acme = World::new().await;
    let (umbrella, stranger) = (
        World::in_database(acme.url.clone(), acme.database.clone(), "umbrella").await,
        World::in_database(acme.url.clone(), acme.database.clone(), "stranger").await,
    );
    let ada = person_of_both(&acme, &umbrella).await;
    let session = new_session();
    let by = By::Token((*session.id.as_uuid()).into());
    for who in [Acting::Account(by), Acting::Unproven] {
        acme.database
            .change_of_account(ada.account, "test", stamp(who), async |_| {
                Ok::<_, DbError>(Changed::So((), signed_in()))
            })
            .await
            .expect("it is on record");
    }
    for world in [&acme, &umbrella] {
        let subject = subject_in(world, ada.account).await;
        assert_eq!(told(world).await, vec![(subject.clone(), Some(subject)); 2]);
    }
    assert_eq!(told(&stranger).await, []);
    // In an organisation itself an account is nobody.
    let wrong = acme.database.change(acme.organization, "test", stamp(Acting::Unproven), async |_| {
        let event = Event::new(Resource::agent(acme.agent), Details::Nothing);
        Ok::<_, DbError>(Changed::So((), event))
    });
    wrong.await.expect_err("nobody");
}

#[tokio::test]
async fn without_all_of_its_records_nothing_of_an_account_is_changed() {
    let acme = World::new().await;
    let umbrella = acme.neighbour().await;
    let ada = person_of_both(&acme, &umbrella).await;
    let by = By::Token(acme.token);
    let sign_in = async || {
        let session = new_session();
        let signed_in =
            acme.database.change_of_account(ada.account, "test", stamp(Acting::Account(by)), async |conn| {
                conn.sessions().insert(&session, start()).await?;
                Ok::<_, DbError>(Changed::So((), signed_in()))
            });
        signed_in.await
    };
    // The record of the one whose turn comes last is refused.
    let last = if acme.organization > umbrella.organization { &acme } else { &umbrella };
    let refuse = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON audit_records FOR EACH ROW
             WHEN (NEW.organization_id = '{}') EXECUTE FUNCTION refuse()",
        last.organization
    );
    let owner = client(&acme.url).await;
    owner.batch_execute(&refuse).await.expect("a trigger");
    sign_in().await.expect_err("it cannot be put on record");
    assert_eq!((told(&acme).await.len(), told(&umbrella).await.len(), sessions(&acme).await), (0, 0, 0));
    owner.batch_execute("DROP TRIGGER refuse ON audit_records").await.expect("it is gone");
    sign_in().await.expect("it is on record");
    assert_eq!((told(&acme).await.len(), told(&umbrella).await.len(), sessions(&acme).await), (1, 1, 1));

    // What changes nothing is nowhere.
    let not =
        acme.database.change_of_account(ada.account, "test", stamp(Acting::Account(by)), async |conn| {
            conn.sessions().insert(&new_session(), start()).await?;
            Ok::<_, DbError>(Changed::Not(()))
        });
    not.await.expect("nothing was to be done");
    assert_eq!((told(&acme).await.len(), sessions(&acme).await), (1, 1));
}

#[tokio::test]
async fn accounts_of_the_same_organisations_do_not_wait_for_each_other_in_a_circle() {
    let acme = World::new().await;
    let umbrella = acme.neighbour().await;
    // Each of the two is made in another organisation first.
    let (ada, eve) = (person_of_both(&acme, &umbrella).await, person_of_both(&umbrella, &acme).await);
    let by = By::Token(acme.token);
    let turns = (0..40).map(|turn| {
        let account = if turn % 2 == 0 { ada.account } else { eve.account };
        acme.database.change_of_account(account, "test", stamp(Acting::Account(by)), async |_| {
            Ok::<_, DbError>(Changed::So((), signed_in()))
        })
    });
    futures::future::try_join_all(turns).await.expect("all are on record");
    assert_eq!((told(&acme).await.len(), told(&umbrella).await.len()), (40, 40));
}
