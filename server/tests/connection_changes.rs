//! What may end connections is told to the proxies as it happens (decision 0065).

use std::time::{Duration, Instant};

use berth_schema::access::Role;
use berth_schema::audit::Concern;
use berth_schema::connection::Changes;
use berth_schema::members::Member;
use berth_schema::{OrganizationId, SubjectId};
use berth_server::clock;
use berth_server::services::elevations::record_ends;
use berth_server::services::policy::reset;
use reqwest::Method;
use serde_json::{Value, json};

use crate::connections::{Proxy, workspace_of};
use crate::elevations::{Person, pass_time};
use crate::login::Cli;
use crate::policy::set;
use crate::polling::held;
use crate::sign_in::{ids, signed_in};
use crate::support::{Admin, App, Reply, Requests, send};

async fn ask(app: &App, proxy: &Proxy, query: &str) -> Reply {
    let path = format!("/api/v1/proxy/changes?{query}");
    send(app.anyone(Some(&proxy.token)).request(Method::GET, &path)).await
}

async fn head(app: &App, proxy: &Proxy) -> u64 {
    let changes: Changes = ask(app, proxy, "wait=30").await.expect(200);
    assert_eq!(
        (changes.concerns, changes.over),
        (vec![], false),
        "whoever knows nothing is told where to begin"
    );
    changes.head
}

/// What a proxy that waits at one server is told of what is done at another, and how long after that.
async fn told(app: &App, proxy: &Proxy, act: impl AsyncFnOnce()) -> (Changes, Duration) {
    let after = head(app, proxy).await;
    let path = format!("/api/v1/proxy/changes?after={after}&wait=50");
    let request = app.anyone(Some(&proxy.token)).request(Method::GET, &path);
    let waiting = tokio::spawn(async move { (send(request).await.expect::<Changes>(200), Instant::now()) });
    held(app, 1).await;
    act().await;
    let done = Instant::now();
    let (changes, answered) = waiting.await.expect("answered");
    assert!(changes.head > after);
    (changes, answered.saturating_duration_since(done))
}

async fn subject(owner: &Admin, name: &str) -> SubjectId {
    owner.get(&owner.path(&format!("/members/{name}"))).await.expect::<Member>(200).id
}

async fn change(owner: &Admin, name: &str, change: Value) {
    let path = owner.path(&format!("/members/{name}"));
    send(owner.request(Method::PATCH, &path).json(&change)).await.expect::<Value>(200);
}

/// What another version has put on record, behind all that is there.
async fn append_records(app: &App, owner: &Admin, action: &str, count: u32) {
    let organization = owner.organization();
    app.execute(&format!(
        "DO $$ DECLARE before record; written bytea := convert_to('{{}}', 'UTF8'); BEGIN
             FOR n IN 1..{count} LOOP
                 SELECT sequence, hash INTO before FROM audit_records WHERE organization_id = '{organization}'
                     ORDER BY sequence DESC LIMIT 1;
                 INSERT INTO audit_records (organization_id, sequence, at, previous_hash, hash, record, action,
                     resource_kind, outcome) VALUES ('{organization}', before.sequence + 1, now(), before.hash,
                     sha256(before.hash || written), written, '{action}', 'workspace', 'done');
             END LOOP; END $$"
    ))
    .await;
}

/// A session's token among the organisation's tokens is told of as the session.
fn session(id: &str) -> Concern {
    Concern::Session(id.parse().expect("an id"))
}

#[tokio::test]
async fn every_way_in_which_a_right_of_one_ends_is_told_at_once_on_whichever_server() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        let proxy = Proxy::of(&owner, &agent).await;
        let there = replica.admin(&owner);
        let mut ada = signed_in(app, "acme", "Ada").await;
        let workspace = workspace_of(app, &mut ada).await;
        let her = Concern::Subject(subject(&owner, "Ada").await);
        let mut slowest = Duration::ZERO;
        let mut is = |told: (Changes, Duration), expected: Concern| {
            slowest = slowest.max(told.1);
            assert_eq!((told.0.concerns, told.0.over), (vec![expected], false));
        };

        // Sessions: one, all others, the own, a command line's.
        let phone = signed_in(app, "acme", "Ada").await;
        let its_id = ids(&phone.get("/sessions").await.text).remove(0);
        let mut laptop = ada.at(replica.address());
        let end = format!("/sessions/{its_id}/end");
        let ended = told(app, &proxy, async || assert_eq!(laptop.submit(&end, &[]).await.status, 303)).await;
        is(ended, session(&its_id));
        let _tablet = signed_in(app, "acme", "Ada").await;
        let mut laptop = ada.at(replica.address());
        let others = async || assert_eq!(laptop.submit("/sessions/end-others", &[]).await.status, 303);
        is(told(app, &proxy, others).await, her);
        let tokens = Cli::of(app).log_in(&mut ada).await;
        let its_id = ids(&ada.get("/sessions").await.text).remove(0);
        let logs_out = async || assert_eq!(Cli::of(&replica).log_out(&tokens).await.status, 200);
        is(told(app, &proxy, logs_out).await, session(&its_id));
        let tokens = Cli::of(app).log_in(&mut ada).await;
        let its_id = ids(&ada.get("/sessions").await.text).remove(0);
        let renewed: Value = Cli::of(app).refresh(&tokens).await.expect(200);
        Cli::of(app).refresh(&renewed).await.expect::<Value>(200);
        let stolen = async || assert_eq!(Cli::of(&replica).refresh(&tokens).await.status, 400);
        is(told(app, &proxy, stolen).await, session(&its_id));
        let mut phone = signed_in(app, "acme", "Ada").await;
        let its_id = ids(&phone.get("/sessions").await.text).remove(0);
        is(told(app, &proxy, async || drop(phone.submit("/sign-out", &[]).await)).await, session(&its_id));

        // Members: a role, a suspension and its end, a removal.
        for what in [json!({"role": "developer"}), json!({"suspended": true}), json!({"suspended": false})] {
            is(told(app, &proxy, async || change(&there, "Ada", what).await).await, her);
        }
        // What they are at a place, and a move of it, by which anybody may be more or less.
        let groups = owner.path("/groups");
        for name in ["platform", "elsewhere"] {
            owner.post(&groups, &json!({"name": name})).await.expect::<Value>(201);
        }
        let Concern::Subject(id) = her else { panic!("{her:?}") };
        let gives = async || {
            let body = json!({"member": id, "role": "maintainer"});
            drop(there.put(&there.path("/groups/platform/members"), &body).await.expect::<Value>(200));
        };
        is(told(app, &proxy, gives).await, her);
        let takes = async || {
            let path = there.path("/groups/platform/members/remove");
            drop(there.post(&path, &json!({"member": id})).await.expect::<Value>(200));
        };
        is(told(app, &proxy, takes).await, her);
        let moves = async || {
            let moved = there.request(Method::PATCH, &there.path("/groups/platform"));
            drop(send(moved.json(&json!({"path": "elsewhere/platform"}))).await.expect::<Value>(200));
        };
        is(told(app, &proxy, moves).await, Concern::Everybody);
        let terminates = async || drop(there.wish(&workspace, "terminate").await.expect::<Value>(200));
        is(told(app, &proxy, terminates).await, Concern::Workspace(workspace.parse().expect("an id")));
        let path = there.path("/members/Ada");
        let removes = async || drop(send(there.request(Method::DELETE, &path)).await.expect::<Value>(200));
        is(told(app, &proxy, removes).await, her);
        assert!(slowest < Duration::from_secs(10), "woken, and not at the end of the wait: {slowest:?}");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_role_for_a_time_is_told_of_when_it_begins_when_somebody_ends_it_and_when_it_is_over() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let proxy = Proxy::of(&owner, &owner.create_agent("cluster").await).await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Viewer).await;
        let her = Concern::Subject(ada.id);
        let is = |told: (Changes, Duration)| assert_eq!(told.0.concerns, [her]);
        let act = async |id, how: &str| {
            let done = boss.post(&replica, &format!("/elevations/{id}/{how}"), json!({})).await;
            done.expect::<Value>(200);
        };
        let asked = ada.asks(app, "", Role::Developer).await;
        is(told(app, &proxy, async || act(asked.id, "approve").await).await);
        is(told(app, &proxy, async || act(asked.id, "end").await).await);
        let again = ada.asks(app, "", Role::Developer).await;
        is(told(app, &proxy, async || act(again.id, "approve").await).await);
        pass_time(app, &again).await;
        let run = replica.run_at(clock::now());
        let looks = async || record_ends(&run, &app.database_url).await.expect("it looks");
        is(told(app, &proxy, looks).await);
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_holds_for_everybody_is_told_of_everybody_and_an_agents_end_as_such() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let (agent, other) = (owner.create_agent("cluster").await, owner.create_agent("other").await);
        let (proxy, others) = (Proxy::of(&owner, &agent).await, Proxy::of(&owner, &other).await);
        let is = |told: (Changes, Duration), over: bool| {
            assert_eq!((told.0.concerns, told.0.over), (vec![Concern::Everybody], over));
        };
        let rules = format!("{}\n", berth_policy::BUILT_IN);
        is(told(app, &proxy, async || drop(set(&owner, &rules).await.expect::<Value>(200))).await, false);
        let organization: OrganizationId = owner.organization();
        let resets = async || assert!(reset(&app.at_the_machine().within(organization)).await.is_ok());
        is(told(app, &proxy, resets).await, false);
        let revoke = |id| owner.path(&format!("/agents/{id}/revoke"));
        let revokes = async |id| drop(owner.post(&revoke(id), &json!({})).await.expect::<Value>(200));
        is(told(app, &proxy, async || revokes(other.id).await).await, false);
        ask(app, &others, "wait=0").await.problem(401, "unauthenticated");
        is(told(app, &proxy, async || revokes(agent.id).await).await, true);
    })
    .await;
}

#[tokio::test]
async fn what_ends_nobodys_connection_wakes_nobody() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        let proxy = Proxy::of(&owner, &agent).await;
        let before = head(app, &proxy).await;
        owner.create_workspace("w").await;
        owner.wish("w", "stop").await.expect::<Value>(200);
        owner.get(&owner.path("/workspaces/nowhere")).await.problem(404, "not-found");
        let began = Instant::now();
        let changes: Changes = ask(app, &proxy, &format!("after={before}&wait=1")).await.expect(200);
        assert!(began.elapsed() >= Duration::from_millis(950), "it was held");
        assert_eq!((changes.concerns, changes.over), (vec![], false));
        assert!(changes.head > before, "who asks next reads on from there");
        // Another organisation's changes are nobody's business.
        let umbrella = app.organization("umbrella").await;
        set(&umbrella, berth_policy::BUILT_IN).await.expect::<Value>(200);
        let same: Changes = ask(app, &proxy, &format!("after={}", changes.head)).await.expect(200);
        assert_eq!((same.head, same.concerns), (changes.head, vec![]));
        // A database that was brought back has less on record than was told.
        let earlier: Changes =
            ask(app, &proxy, &format!("after={}&wait=30", changes.head + 7)).await.expect(200);
        assert_eq!(earlier.head, changes.head);
    })
    .await;
}

#[tokio::test]
async fn what_was_missed_is_told_afterwards_and_very_much_of_it_as_everybodys() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        let proxy = Proxy::of(&owner, &agent).await;
        let _ada = signed_in(app, "acme", "Ada").await;
        let before = head(app, &proxy).await;
        for role in ["developer", "viewer", "developer"] {
            change(&owner, "Ada", json!({"role": role})).await;
        }
        let her = Concern::Subject(subject(&owner, "Ada").await);
        let changes: Changes = ask(app, &proxy, &format!("after={before}")).await.expect(200);
        assert_eq!(changes.concerns, [her], "once, however often");
        // What a newer version has on record, which this one does not know.
        append_records(app, &owner, "planet.destroy", 1).await;
        let unknown: Changes = ask(app, &proxy, &format!("after={}", changes.head)).await.expect(200);
        assert_eq!(unknown.concerns, [Concern::Everybody]);
        append_records(app, &owner, "workspace.terminate", 501).await;
        let much: Changes = ask(app, &proxy, &format!("after={}", unknown.head)).await.expect(200);
        assert_eq!((much.concerns, much.head), (vec![Concern::Everybody], unknown.head + 501));
    })
    .await;
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_says_which_field_is_wrong() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let proxy = Proxy::of(&owner, &owner.create_agent("cluster").await).await;
        for (query, field) in [("wait=51", "wait"), ("after=9223372036854775808", "after")] {
            let problem = ask(app, &proxy, query).await.problem(422, "invalid");
            assert_eq!(problem.errors[0].field, field, "{query}");
        }
        for query in ["after=-1", "after=x", "wait=1&wait=2", "since=1"] {
            assert!((400..423).contains(&ask(app, &proxy, query).await.status), "{query}");
        }
        owner.get("/api/v1/proxy/changes").await.problem(401, "unauthenticated");
    })
    .await;
}
