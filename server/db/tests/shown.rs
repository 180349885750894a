//! What is found of somebody who shows a token: the row where they have its secret, and nothing at all where they have not.

use berth_db::{AgentTokenRotation, DbError, NewAuthorizationCode, NewInvitation, TokenRotation};
use berth_schema::access::Role;
use berth_schema::{AuthorizationCodeId, InvitationId};

use crate::support::{World, after, new_session, start};

const OTHER: [u8; 32] = [9; 32];

#[tokio::test]
async fn without_the_secret_a_token_that_is_there_looks_like_one_that_is_not() {
    let world = World::new().await;
    let (token, agent) = (world.token, world.agent);
    let look = async |token_hash, agent_hash| {
        let found = world.database.read(world.organization, "test", async |conn| {
            let token = conn.tokens().find_shown(token, &token_hash).await?;
            let agent = conn.agents().find_shown(agent, &agent_hash).await?;
            Ok::<_, DbError>([token.is_some(), agent.is_some()])
        });
        found.await.expect("works")
    };
    assert_eq!(look([1; 32], [2; 32]).await, [true, true]);
    assert_eq!(look(OTHER, OTHER).await, [false, false]);
    let rotated = world.database.transaction(world.organization, "test", async |conn| {
        let new = TokenRotation {
            secret_hash: [3; 32],
            signed_by: "k".repeat(43),
            expires_at: None,
            previous: Some(([1; 32], after(60))),
        };
        conn.tokens().rotate(token, &new, start()).await?;
        let new = AgentTokenRotation { secret_hash: [4; 32], previous: Some(([2; 32], after(60))) };
        conn.agents().rotate_token(agent, &new, start()).await
    });
    rotated.await.expect("works");
    assert_eq!(look([3; 32], [4; 32]).await, [true, true]);
    assert_eq!(look([1; 32], [2; 32]).await, [true, true], "the ones before");
    assert_eq!(look(OTHER, OTHER).await, [false, false]);
}

#[tokio::test]
async fn nor_is_anything_found_of_a_person() {
    let world = World::new().await;
    let ada = world.owner("Ada").await;
    let session = new_session();
    let code = NewAuthorizationCode {
        id: AuthorizationCodeId::random(),
        secret_hash: [3; 32],
        challenge: "a".repeat(43),
        redirect_uri: "http://127.0.0.1:1/".to_owned(),
        device_name: "a machine".to_owned(),
        method: "link".to_owned(),
        authenticated_at: start(),
        expires_at: after(60),
        proved_by: session.id,
    };
    let stored = world.database.transaction(ada.account, "test", async |conn| {
        conn.sessions().insert(&session, start()).await?;
        conn.authorization_codes().insert(&code, start()).await
    });
    stored.await.expect("works");
    let look = async |[link_hash, session_hash, code_hash]: [[u8; 32]; 3]| {
        let found = world.database.transaction(ada.account, "test", async |conn| {
            let link = conn.sign_in_links().find_shown(ada.link.id, &link_hash).await?;
            let session = conn.sessions().find_shown(session.id, &session_hash).await?;
            let code = conn.authorization_codes().find_shown(code.id, &code_hash).await?;
            Ok::<_, DbError>([link.is_some(), session.is_some(), code.is_some()])
        });
        found.await.expect("works")
    };
    assert_eq!(look([[1; 32], [2; 32], [3; 32]]).await, [true; 3]);
    assert_eq!(look([OTHER; 3]).await, [false; 3]);
}

#[tokio::test]
async fn nor_of_an_invitation() {
    let world = World::new().await;
    let invitation = NewInvitation {
        id: InvitationId::random(),
        secret_hash: [5; 32],
        name: "Ada".to_owned(),
        role: Role::Viewer,
        created_by: world.author().subject,
        expires_at: after(60),
    };
    let stored = world.database.transaction(world.organization, "test", async |conn| {
        conn.invitations().insert(&invitation, start()).await
    });
    stored.await.expect("works");
    for (hash, is_found) in [([5; 32], true), (OTHER, false)] {
        let found = world.database.read(world.organization, "test", async |conn| {
            conn.invitations().find_shown(invitation.id, &hash).await
        });
        assert_eq!(found.await.expect("works").is_some(), is_found);
    }
}
