//! Agents' tokens: replaced while the agent runs, and taken back from whoever stole one.

use berth_schema::agents::AgentEventKind;
use berth_schema::api::{self, AgentCreated};
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};
use berth_schema::{ActualState, TermId};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::cluster::settled;
use crate::support::sealing::Key;
use crate::support::{Admin, Agent, App, Reply, Requests, message};

async fn rotate(admin: &Admin, agent: &Agent, body: &Value) -> Reply {
    admin.post(&admin.path(&format!("/agents/{}/rotate-token", agent.id)), body).await
}

/// The agent with the token that a rotation gave.
fn with_token(agent: &Agent, reply: &Reply) -> Agent {
    let created: AgentCreated = reply.expect(200);
    assert_eq!(created.agent.id, agent.id);
    agent.with_token(created.token.expect("shown"))
}

async fn shown(admin: &Admin, agent: &Agent) -> api::Agent {
    admin.get(&admin.path(&format!("/agents/{}", agent.id))).await.expect(200)
}

fn kinds(agent: &api::Agent) -> Vec<AgentEventKind> {
    agent.events.iter().map(|event| event.kind).collect()
}

fn led_by(epoch: i64, sequence: i64, term: u8) -> ReconcileRequest {
    let term = Some(TermId::from_uuid(uuid::Uuid::from_bytes([term; 16])));
    ReconcileRequest { epoch, term, ..message(sequence, vec![]) }
}

#[tokio::test]
async fn an_old_token_opens_until_the_new_one_is_used() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let old = admin.create_agent("cluster").await;
        old.partial(1, vec![]).await;
        let new = with_token(&old, &rotate(&admin, &old, &json!({})).await);
        old.partial(2, vec![]).await;
        let pending = shown(&admin, &old).await;
        let credential = pending.credential.expect("told");
        assert!(credential.previous_valid_until.is_some());
        assert_eq!(pending.sealing_keys.len(), 1, "it goes on as before");

        new.partial(3, vec![]).await;
        old.send(&message(4, vec![])).await.problem(401, "unauthenticated");
        let settled = shown(&admin, &old).await;
        assert_eq!(settled.credential.expect("told").previous_valid_until, None);
        assert!(settled.sealing_keys.is_empty(), "what was registered with the old token is gone");
        assert_eq!(kinds(&settled), [AgentEventKind::TokenTakenIntoUse, AgentEventKind::TokenRotated]);
        assert_eq!(settled.events[1].by.as_deref(), Some("first administrator"));
    })
    .await;
}

#[tokio::test]
async fn an_old_token_ends_with_its_time_or_at_once() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let first = admin.create_agent("cluster").await;
        let second = with_token(&first, &rotate(&admin, &first, &json!({"overlap_seconds": 60})).await);
        app.execute("UPDATE agents SET previous_valid_until = now()").await;
        first.send(&message(1, vec![])).await.problem(401, "unauthenticated");
        second.partial(1, vec![]).await;
        let third = with_token(&first, &rotate(&admin, &second, &json!({"overlap_seconds": 0})).await);
        second.send(&message(2, vec![])).await.problem(401, "unauthenticated");
        third.partial(2, vec![]).await;
        let reply = rotate(&admin, &third, &json!({"overlap_seconds": 604_801})).await;
        assert_eq!(reply.wrong_fields(), ["overlap_seconds"]);
    })
    .await;
}

#[tokio::test]
async fn of_thirty_rotations_one_is_granted_and_the_token_in_use_is_kept() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let body = json!({});
        let replies = join_all((0..30).map(|_| rotate(&admin, &agent, &body))).await;
        let granted: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
        assert_eq!(granted.len(), 1);
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            reply.problem(409, "rotation-pending");
        }
        agent.partial(1, vec![]).await;
        // The one that was granted was lost: another takes its place, and the one in use stays.
        let again = rotate(&admin, &agent, &json!({"replace_unused": true})).await;
        let lost = with_token(&agent, granted[0]);
        lost.send(&message(2, vec![])).await.problem(401, "unauthenticated");
        agent.partial(2, vec![]).await;
        with_token(&agent, &again).partial(3, vec![]).await;
        agent.send(&message(4, vec![])).await.problem(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn of_thirty_first_uses_one_ends_the_old_token_and_all_are_answered() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let old = admin.create_agent("cluster").await;
        let new = with_token(&old, &rotate(&admin, &old, &json!({})).await);
        let request = message(1, vec![]);
        let replies = join_all((0..30).map(|_| new.send(&request))).await;
        assert!(replies.iter().all(|reply| reply.status == 200));
        let events = shown(&admin, &old).await.events;
        let uses = events.iter().filter(|event| event.kind == AgentEventKind::TokenTakenIntoUse);
        assert_eq!(uses.count(), 1);
    })
    .await;
}

/// The agent's token is all that the thief has. It registers a key, claims an epoch far away and reports what it likes.
#[tokio::test]
async fn a_stolen_token_is_taken_back_by_one_command() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let variables = json!([{"name": "SECRET", "value": "hunter2"}]);
        admin.create(&json!({"name": "w", "image": "a", "variables": variables})).await.expect::<Value>(201);
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        agent.partial(2, vec![settled(&directive, "1")]).await;

        let (thief, stolen) = (agent.clone(), Key::new(&[9; 16]));
        thief.register(Key::new(&[9; 16])).await.expect::<Value>(200);
        let far = 1 << 52;
        let taken = ReconcileRequest { epoch: far, ..message(1, vec![settled(&directive, "2")]) };
        thief.send(&taken).await.expect::<ReconcileResponse>(200);
        agent.send(&message(3, vec![])).await.problem(409, "stale-epoch");
        let seen = shown(&admin, &agent).await;
        let warnings: Vec<_> = seen.events.iter().filter(|event| event.warning).collect();
        let told: Vec<_> = warnings.iter().map(|event| event.kind).collect();
        assert_eq!(told, [AgentEventKind::EpochJumped, AgentEventKind::KeyChangedEarly]);
        let list: api::Paged<api::Agent> = admin.get(&admin.path("/agents")).await.expect(200);
        assert_eq!(list.items[0].events.len(), 2, "a list tells what asks for a look");

        let honest = with_token(&agent, &rotate(&admin, &agent, &json!({"overlap_seconds": 0})).await);
        thief.send(&taken).await.problem(401, "unauthenticated");
        thief.register(Key::new(&[9; 16])).await.problem(401, "unauthenticated");
        honest.register(honest.key()).await.expect::<Value>(200);
        // The agent goes on in its own epoch, and what it reports counts.
        admin.wish("w", "stop").await.expect::<Value>(200);
        let response = honest.partial(4, vec![]).await;
        let directive = &response.workspaces[0];
        assert!(stolen.open(agent.id, 1, &response, "w").is_none(), "nothing is sealed to the thief's key");
        honest.partial(5, vec![settled(directive, "3")]).await;
        assert_eq!(admin.workspace("w").await.actual_state, ActualState::Stopped);
        let cured = shown(&admin, &agent).await;
        assert!(cured.events.iter().all(|event| !event.warning), "{:?}", cured.events);
        assert_eq!(cured.sealing_keys.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_round_that_was_held_for_a_stolen_token_stores_nothing_any_more() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        agent.partial(1, vec![]).await;
        let held = ReconcileRequest { wait_seconds: 50, ..message(2, vec![]) };
        let (answer, new) = tokio::join!(agent.send(&held), async {
            crate::polling::held(app, 1).await;
            with_token(&agent, &rotate(&admin, &agent, &json!({"overlap_seconds": 0})).await)
        });
        answer.problem(401, "unauthenticated");
        new.partial(1, vec![]).await;
    })
    .await;
}

#[tokio::test]
async fn the_epoch_is_reset_without_another_token() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        agent.send(&led_by(1 << 40, 1, 1)).await.expect::<Value>(200);
        agent.send(&led_by(7, 1, 2)).await.problem(409, "stale-epoch");
        let path = admin.path(&format!("/agents/{}/reset-epoch", agent.id));
        let reset: api::Agent = admin.post(&path, &json!({})).await.expect(200);
        assert_eq!(reset.sealing_keys.len(), 1, "the keys are none of it");
        agent.send(&led_by(7, 1, 2)).await.expect::<Value>(200);
        admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await.expect::<Value>(200);
        admin.post(&path, &json!({})).await.problem(409, "agent-revoked");
        rotate(&admin, &agent, &json!({})).await.problem(409, "agent-revoked");
    })
    .await;
}

#[tokio::test]
async fn two_who_lead_in_turns_are_told() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for (epoch, term) in [(1, 1), (2, 2), (3, 3)] {
            agent.send(&led_by(epoch, 1, term)).await.expect::<Value>(200);
        }
        assert!(shown(&admin, &agent).await.events.is_empty(), "an ordinary succession is none");
        for (epoch, term) in [(4, 2), (5, 3), (6, 2), (7, 3)] {
            agent.send(&led_by(epoch, 1, term)).await.expect::<Value>(200);
        }
        let seen = shown(&admin, &agent).await;
        assert_eq!(kinds(&seen), [AgentEventKind::LeadersAlternate], "once an hour");
        assert!(seen.events[0].warning);
    })
    .await;
}

#[tokio::test]
async fn a_revoked_agents_keys_go_and_it_is_found_by_its_name() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await.expect::<Value>(200);
        let got: api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert_eq!((got.id, got.workspaces, got.sealing_keys.len()), (agent.id, 1, 0));
        assert_eq!(kinds(&got), [AgentEventKind::Revoked]);
        // The name is another's now, and lists by it hold the workspaces of both.
        let next = admin.create_agent("cluster").await;
        let got: api::Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert_eq!(got.id, next.id);
        admin.create_workspace("v").await;
        let list: api::Paged<api::Workspace> =
            admin.get(&admin.path("/workspaces?agent=cluster")).await.expect(200);
        assert_eq!(list.items.len(), 2);
    })
    .await;
}
