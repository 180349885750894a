use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, agent, answer, bodies, ok, requests, workspace};

const ORPHAN: &str = "0191e2b4-0000-4000-8000-000000000009";

fn orphan(id: &str, name: &str) -> Value {
    json!({
        "workspace_id": id, "name": name, "namespace": "berth-reef-0191e2b4",
        "first_seen_at": "2026-01-01T00:00:00Z", "kept_until": "2026-01-02T00:00:00Z", "removal_allowed": true,
    })
}

fn with(mut agent: Value, rest: &Value) -> Value {
    agent.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    agent
}

#[tokio::test]
async fn a_new_agent_comes_with_the_lines_that_install_it() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/agents", ok(with(agent("here"), &json!({"token": "berth_agt_new"})))).await;
    let ran = Berth::with(&server).run(&["agents", "create", "here"]).ok().prints("berth_agt_new\n");
    let url = format!("'{{\"data\":{{\"BERTH_SERVER_URL\":\"{}\"}}}}'", server.uri());
    let ran = ran.says(&url).says("--from-file=token=/dev/stdin");
    assert!(!ran.stderr.contains("berth_agt_new"), "the token is in no command line");
}

#[tokio::test]
async fn a_rotation_tells_how_long_the_old_token_opens() {
    let server = MockServer::start().await;
    let credential =
        json!({"made_at": "2026-01-01T00:00:00Z", "previous_valid_until": "2099-01-01T00:00:00Z"});
    let rotated = with(agent("here"), &json!({"token": "berth_agt_new", "credential": credential}));
    answer(&server, "POST", "/agents/here/rotate-token", ok(rotated)).await;
    let berth = Berth::with(&server);
    let ran = berth.run(&["agents", "rotate-token", "here"]).ok().prints("berth_agt_new\n");
    ran.says("opens until the new one is used, or 2099-01-01").says("kubectl apply -f -");
    berth.run(&["agents", "rotate-token", "here", "--now"]).ok();
    berth.run(&["agents", "rotate-token", "here", "--now", "--overlap", "1h"]).exits(2);
    let expected = [
        json!({"overlap_seconds": 86_400, "replace_unused": false}),
        json!({"overlap_seconds": 0, "replace_unused": false}),
    ];
    assert_eq!(bodies(&server).await, expected);
}

#[tokio::test]
async fn an_agent_whose_token_others_may_use_is_seen() {
    let server = MockServer::start().await;
    let event = |kind: &str, warning: bool| json!({"at": "2026-01-01T00:00:00Z", "kind": kind, "message": "It happened.\u{1b}[2J", "warning": warning});
    let events = json!({"events": [event("epoch_jumped", true), event("a_later_kind", false)]});
    let contested = with(agent("here"), &events);
    answer(&server, "GET", "/agents", ok(json!({"items": [contested]}))).await;
    answer(&server, "GET", "/agents/here", ok(contested)).await;
    let berth = Berth::with(&server);
    assert!(berth.run(&["agents", "list"]).ok().stdout.contains("here\tContested\t"));
    let got = berth.run(&["agents", "get", "here"]).ok().stdout;
    assert!(got.contains("\nWarning\t") && got.contains("\nEvent\t") && !got.contains('\u{1b}'), "{got}");
}

#[tokio::test]
async fn an_orphan_is_meant_by_its_name_where_that_is_clear() {
    let server = MockServer::start().await;
    let items = json!({"items": [orphan(ORPHAN, "reef"), orphan(ORPHAN, "twice"), orphan(ORPHAN, "twice")]});
    answer(&server, "GET", "/agents/here/orphans", ok(items)).await;
    let below = format!("/agents/here/orphans/{ORPHAN}");
    answer(&server, "POST", &format!("{below}/remove"), ok(orphan(ORPHAN, "reef"))).await;
    answer(&server, "POST", &format!("{below}/keep"), ok(orphan(ORPHAN, "reef"))).await;
    let berth = Berth::with(&server);
    berth.run(&["agents", "remove-orphan", "here", "reef", "--yes"]).ok().says("keep-orphan");
    berth.run(&["agents", "keep-orphan", "here", "reef"]).ok().says("'reef' is kept");
    berth.run(&["agents", "keep-orphan", "here", ORPHAN]).ok();
    berth.run(&["agents", "keep-orphan", "here", "nowhere"]).exits(3).says("no orphan 'nowhere'");
    berth.run(&["agents", "keep-orphan", "here", "twice"]).exits(2).says("several orphans");
}

#[tokio::test]
async fn what_a_forgotten_workspace_leaves_behind_is_told() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces/reef/forget", ok(workspace("Terminated", "Terminated", 2, 0))).await;
    let berth = Berth::with(&server);
    let ran = berth.run(&["delete", "reef", "--forget", "--yes"]).ok().prints("reef\n");
    ran.says("Namespace ws-reef").says("kubectl delete namespace ws-reef");
    berth.run(&["delete", "reef", "--forget"]).exits(2).says("--yes");
    assert_eq!(requests(&server).await.lines().count(), 1);
}

#[tokio::test]
async fn an_adoption_names_both_agents() {
    let server = MockServer::start().await;
    let adopted = json!({"from": "0191e2b4-0000-4000-8000-000000000002", "workspaces": 3});
    answer(&server, "POST", "/agents/new/adopt", ok(adopted)).await;
    answer(&server, "GET", "/agents/new", ok(agent("new"))).await;
    let ran = Berth::with(&server).run(&["agents", "adopt", "new", "--from", "old", "--yes"]).ok();
    ran.says("'new' takes over 3 workspaces of 'old'");
    assert_eq!(bodies(&server).await, [json!({"from": "old"})]);
}

#[tokio::test]
async fn an_owner_says_whose_workspaces_an_agent_takes_and_is_told_what_became_of_what_ran() {
    let server = MockServer::start().await;
    let group = json!({"id": "8d7e6f5a-0000-4000-8000-000000000001", "path": "platform/payments"});
    let takes = |organization: bool, groups: Value| json!({"takes": {"organization": organization, "groups": groups}});
    let both = with(agent("here"), &takes(true, json!([group])));
    let some = with(agent("here"), &takes(false, json!([group])));
    let nobody = with(with(agent("here"), &takes(false, json!([]))), &json!({"stopped": 2}));
    answer(&server, "POST", "/agents/here/allow", ok(both)).await;
    answer(&server, "POST", "/agents/here/disallow", ok(nobody)).await;
    answer(&server, "GET", "/agents/here", ok(some)).await;
    let berth = Berth::with(&server);
    berth
        .run(&["agents", "allow", "here", "--group", "platform/payments"])
        .ok()
        .says("Agent 'here' is allowed for group 'platform/payments'.")
        .says("That of the group counts once the whole organization is disallowed.");
    berth
        .run(&["agents", "disallow", "here", "--whole-organization"])
        .ok()
        .says("not allowed for the whole organization any more. It takes no workspaces")
        .says("goes on until its next start");
    let stopped = berth.run(&["agents", "disallow", "here", "--group", "platform/payments", "--stop-now"]);
    stopped.ok().says("2 workspaces are stopped.");
    let got = berth.run(&["agents", "get", "here"]).ok().stdout;
    assert!(got.contains("\nTakes\tworkspaces of projects in platform/payments\n"), "{got}");
    for wrong in [
        &["agents", "allow", "here"][..],
        &["agents", "allow", "here", "--group", "a", "--whole-organization"],
        &["agents", "allow", "here", "--group", "../a"],
        &["agents", "disallow", "here", "--stop-now"],
    ] {
        berth.run(wrong).exits(2);
    }
    let expected = [
        json!({"group": "platform/payments"}),
        json!({"organization": true}),
        json!({"group": "platform/payments", "stop_now": true}),
    ];
    assert_eq!(bodies(&server).await, expected);
}
