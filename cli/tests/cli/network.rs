//! `berth agents check-network`: the result in words and in the exit code.

use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, InTurn, Ran, agent, answer, ok, problem};

const ID: &str = "0191e2b4-0000-4000-8000-000000000002";

fn checked(check: &Value) -> Value {
    let mut agent = agent("here");
    agent["network_check"] = check.clone();
    agent
}

fn asked() -> Value {
    checked(&json!({"requested_at": "2026-01-01T00:00:00Z"}))
}

fn told(verdict: &str) -> Value {
    let result = json!({"verdict": verdict, "reason": "what was seen", "checked_at": "2026-01-01T00:00:05Z"});
    checked(&json!({ "result": result }))
}

/// Runs the check on a server that shows the agent as it is given, one look after the other.
async fn check(looks: impl IntoIterator<Item = wiremock::ResponseTemplate>, args: &[&str]) -> Ran {
    let server = MockServer::start().await;
    answer(&server, "POST", "/agents/here/check-network", ok(asked())).await;
    answer(&server, "GET", &format!("/agents/{ID}"), InTurn::new(looks)).await;
    Berth::with(&server).run(&[&["agents", "check-network", "here"], args].concat())
}

#[tokio::test]
async fn only_a_network_that_is_enforced_is_good() {
    for (verdict, code, words) in [
        ("enforced", 0, "The cluster of agent 'here' enforces NetworkPolicy: what was seen"),
        (
            "not_enforced",
            8,
            "error: the cluster of agent 'here' does NOT enforce NetworkPolicy: what was seen",
        ),
        ("unknown", 8, "enforces NetworkPolicy is unknown: what was seen"),
        ("half", 8, "enforces NetworkPolicy is unknown: what was seen"),
    ] {
        let ran = check([ok(asked()), ok(told(verdict))], &["--wait"]).await;
        ran.exits(code).says(words).prints("here\n");
    }
}

#[tokio::test]
async fn what_was_found_out_is_printed_whatever_it_is() {
    let ran = check([ok(told("not_enforced"))], &["--wait", "-o", "json"]).await.exits(8);
    assert_eq!(ran.json()["network_check"]["result"]["verdict"], "not_enforced");
}

#[tokio::test]
async fn a_result_that_does_not_come_is_a_time_out_like_any_other() {
    let ran = check([ok(asked())], &["--wait", "--timeout", "1s"]).await.exits(7);
    ran.says("timed out after 1s: agent 'here' has not told a result").says("`berth agents get here`");
}

#[tokio::test]
async fn a_server_that_restarts_meanwhile_is_waited_for() {
    let busy = || problem(503, "draining", &json!([]));
    check([busy(), busy(), busy(), busy(), ok(told("enforced"))], &["--wait"])
        .await
        .ok()
        .says("draining; still waiting");
}

#[tokio::test]
async fn without_wait_nothing_is_asked_again() {
    check([problem(404, "not asked", &json!([]))], &[]).await.ok().prints("here\n");
}
