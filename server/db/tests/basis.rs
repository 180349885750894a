//! What somebody was found to be allowed is not done behind what has taken it.

use berth_db::{AuditFilter, AuditPage, Basis, Changed, Conflict, DbError, DbErrorKind, Stamp};
use berth_schema::audit::{By, Details, Event, Outcome, Resource, What, Who};
use berth_schema::{Action, ResourceKind, SubjectId, TokenId, WorkspaceId};

use crate::support::{World, new_session, start};

fn stamp(action: Action, basis: Basis) -> Stamp {
    let who = Who::Subject { subject: SubjectId::random(), by: By::Token(TokenId::random()) };
    Stamp {
        time: start(),
        who: who.into(),
        action: Some(What::Action(action)),
        outcome: Outcome::Done,
        request: None,
        peer: None,
        basis,
    }
}

/// Something is done to something, and nothing but the record of it is stored.
async fn done(world: &World, action: Action, to: Resource, basis: Basis) -> Result<(), DbError> {
    world
        .database
        .change(world.organization, "test", stamp(action, basis), async |_| {
            Ok::<_, DbError>(Changed::So((), Event::new(to.clone(), Details::Nothing)))
        })
        .await
}

async fn head(world: &World) -> i64 {
    world
        .database
        .read(world.organization, "test", async |conn| conn.audit().head().await)
        .await
        .expect("read")
}

fn rights(world: &World, seen: i64) -> Basis {
    Basis::Rights { seen, subject: world.subject, token: world.token, elevation: None }
}

/// What becomes of a change that was decided by what was read before `between`.
async fn behind(world: &World, between: &[(Action, Resource)]) -> Result<(), DbError> {
    let seen = head(world).await;
    for (action, to) in between {
        done(world, *action, to.clone(), Basis::Itself).await.expect("done");
    }
    let before = head(world).await;
    let answer =
        done(world, Action::CreateToken, Resource::token(TokenId::random()), rights(world, seen)).await;
    assert_eq!(
        head(world).await,
        before + i64::from(answer.is_ok()),
        "nothing of it is stored but when it is done"
    );
    answer
}

#[tokio::test]
async fn what_took_the_rights_it_was_decided_by_has_it_refused() {
    let world = World::new().await;
    let overtaken = Err(DbErrorKind::Conflict(Conflict::Overtaken));
    for taken in [
        (Action::ChangeMember, Resource::user(world.subject)),
        (Action::RemoveMember, Resource::user(world.subject)),
        (Action::RevokeToken, Resource::token(world.token)),
        (Action::RotateToken, Resource::token(world.token)),
        (Action::SetPolicy, Resource::some(ResourceKind::Organization)),
        (Action::ChangeGroup, Resource::some(ResourceKind::Group)),
    ] {
        let unrelated = (Action::CreateWorkspace, Resource::workspace(WorkspaceId::random()));
        let answer = behind(&world, &[unrelated.clone(), taken.clone(), unrelated]).await;
        assert_eq!(answer.map_err(|error| error.kind), overtaken, "{taken:?}");
    }
}

#[tokio::test]
async fn what_concerns_others_leaves_it_as_it_is() {
    let world = World::new().await;
    for other in [
        (Action::ChangeMember, Resource::user(SubjectId::random())),
        (Action::RevokeToken, Resource::token(TokenId::random())),
        (Action::TerminateWorkspace, Resource::workspace(WorkspaceId::random())),
        (Action::CreateToken, Resource::token(world.token)),
    ] {
        behind(&world, std::slice::from_ref(&other))
            .await
            .unwrap_or_else(|error| panic!("{other:?}: {error}"));
    }
    let others: Vec<_> =
        (0..400).map(|_| (Action::RevokeToken, Resource::token(TokenId::random()))).collect();
    behind(&world, &others).await.expect("they are looked through");
}

#[tokio::test]
async fn what_somebody_does_to_themselves_is_their_own_and_the_next_thing_is_decided_anew() {
    let world = World::new().await;
    let seen = head(&world).await;
    done(&world, Action::ChangeMember, Resource::user(world.subject), rights(&world, seen))
        .await
        .expect("done");
    let again =
        done(&world, Action::CreateToken, Resource::token(TokenId::random()), rights(&world, seen)).await;
    assert_eq!(again.unwrap_err().kind, DbErrorKind::Conflict(Conflict::Overtaken));
    let seen = head(&world).await;
    done(&world, Action::CreateToken, Resource::token(TokenId::random()), rights(&world, seen))
        .await
        .expect("done");
}

#[tokio::test]
async fn of_two_that_take_each_others_rights_at_once_one_does() {
    let world = World::new().await;
    for round in 0..20 {
        let (one, other) = (SubjectId::random(), SubjectId::random());
        let seen = head(&world).await;
        let takes = |who: SubjectId, from: SubjectId| {
            let basis = Basis::Rights { seen, subject: who, token: TokenId::random(), elevation: None };
            done(&world, Action::ChangeMember, Resource::user(from), basis)
        };
        let (first, second) = tokio::join!(takes(one, other), takes(other, one));
        assert_eq!(
            u8::from(first.is_ok()) + u8::from(second.is_ok()),
            1,
            "round {round}: {first:?}, {second:?}"
        );
    }
    let rows = world
        .database
        .read(world.organization, "test", async |conn| {
            conn.audit().list(&AuditFilter::default(), AuditPage::From(1), 100).await
        })
        .await
        .expect("a list");
    assert_eq!(rows.len(), 20);
}

#[tokio::test]
async fn an_ended_session_changes_nothing_of_its_account() {
    let world = World::new().await;
    let owner = world.owner("Ada").await;
    let (session, other) = (new_session(), new_session());
    let reach = (world.organization, owner.account);
    world
        .database
        .transaction(reach, "test", async |conn| {
            conn.sessions().insert(&session, start()).await?;
            conn.sessions().insert(&other, start()).await
        })
        .await
        .expect("two sessions");
    let acts = async |as_session: Basis| {
        let stamp = stamp(Action::EndOtherSessions, as_session);
        let ended = world.database.change_of_account(owner.account, "test", stamp, async |conn| {
            conn.sessions().end(&[session.id], start()).await?;
            let event = Event::new(Resource::session(session.id), Details::Nothing);
            Ok::<_, DbError>(Changed::So((), event.into()))
        });
        ended.await.map_err(|error| error.kind)
    };
    acts(Basis::Session(session.id)).await.expect("it ends itself");
    let ended = Err(DbErrorKind::Conflict(Conflict::SessionEnded));
    assert_eq!(acts(Basis::Session(session.id)).await, ended);
    acts(Basis::Session(other.id)).await.expect("another one goes on");
    let nobodys = Basis::Session(new_session().id);
    assert_eq!(acts(nobodys).await, ended, "and what is no session does nothing");
}
