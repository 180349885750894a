use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, ok, requests};

fn transition(
    number: i64,
    second: &str,
    states: (&str, &str),
    generations: (i64, i64),
    cause: &str,
) -> Value {
    json!({
        "number": number, "at": format!("2026-01-01T00:00:{second}Z"),
        "desired_state": states.0, "actual_state": states.1,
        "generation": generations.0, "applied_generation": generations.1, "cause": cause,
    })
}

/// Created, started, stopped by a rule; the newest first.
fn life() -> Value {
    let mut created = transition(1, "00", ("Running", "CreationRequested"), (1, 0), "User");
    created["token"] = json!("\u{1b}[31mci");
    let mut starting = transition(2, "00.25", ("Running", "Starting"), (1, 1), "Agent");
    starting["reason"] = json!({ "reason": "Unschedulable", "message": "0/1 nodes" });
    let running = transition(3, "03.5", ("Running", "Running"), (1, 1), "Agent");
    let stop = transition(4, "10", ("Stopped", "Running"), (2, 1), "Lifecycle");
    let stopped = transition(5, "11", ("Stopped", "Stopped"), (2, 2), "Agent");
    json!({ "items": [stopped, stop, running, starting, created] })
}

#[tokio::test]
async fn a_timeline_tells_how_long_each_phase_lasted() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/workspaces/reef/timeline", ok(life())).await;
    let ran = Berth::with(&server).run(&["workspaces", "timeline", "reef"]).ok();
    let cells: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(cells[0], ["AT", "LASTED", "STATE", "WANTED", "GENERATION", "BY", "WHAT"]);
    let told: Vec<_> = cells[1..].iter().map(|row| (row[1], row[2], row[5], row[6])).collect();
    assert_eq!(told[0], ("0.2s", "CreationRequested", r"token '\u{1b}[31mci'", "created"));
    let applied = "generation 1 applied, 0.2s after it was asked for; Unschedulable";
    assert_eq!(told[1], ("3.2s", "Starting", "agent", applied));
    assert_eq!(told[2], ("6.5s", "Running", "agent", "running, 3.5s after it was asked for"));
    assert_eq!(told[3], ("1.0s", "Running", "lifecycle rule", "stop asked for"));
    let stopped = "generation 2 applied, 1.0s after it was asked for; stopped, 1.0s after it was asked for";
    assert_eq!((told[4].1, told[4].2, told[4].3), ("Stopped", "agent", stopped));
    assert!(told[4].0.ends_with(" so far"), "{}", told[4].0);
    assert_eq!(cells[4][4], "2 (applied: 1)");
}

#[tokio::test]
async fn a_long_timeline_is_fetched_in_pages_and_said_to_go_on() {
    let server = MockServer::start().await;
    let mut page = life();
    page["next"] = json!("1");
    answer(&server, "GET", "/workspaces/reef/timeline", ok(page.clone())).await;
    let ran = Berth::with(&server).run(&["timeline", "reef", "--limit", "5", "-o", "json"]).ok();
    assert_eq!(ran.json(), page);
    ran.says("There are more than these 5");
    assert!(requests(&server).await.contains("/workspaces/reef/timeline?limit=5\n"));
}

#[tokio::test]
async fn what_was_made_again_with_empty_volumes_is_said_to_be_that() {
    let server = MockServer::start().await;
    let because = |mut transition: Value, word: &str| {
        transition["reason"] = json!({ "reason": word, "message": "somebody deleted its namespace" });
        transition
    };
    let running = transition(5, "00", ("Running", "Running"), (2, 2), "Agent");
    let leaving = because(transition(6, "10", ("Running", "Unknown"), (2, 2), "Agent"), "NotInCluster");
    let gone = because(transition(7, "11", ("Running", "Unknown"), (2, 0), "Agent"), "NotInCluster");
    let refused = because(transition(8, "12", ("Running", "Error"), (2, 0), "Agent"), "KubernetesRefused");
    let starting = transition(9, "20", ("Running", "Starting"), (2, 2), "Agent");
    let again = transition(10, "25", ("Running", "Running"), (2, 2), "Agent");
    let items = json!({ "items": [again, starting, refused, gone, leaving, running] });
    answer(&server, "GET", "/workspaces/reef/timeline", ok(items)).await;
    let ran = Berth::with(&server).run(&["timeline", "reef"]).ok();
    let told: Vec<&str> = ran.stdout.lines().skip(1).map(|line| line.rsplit('\t').next().unwrap()).collect();
    let expected = [
        "…",
        "NotInCluster: somebody deleted its namespace",
        "-",
        "KubernetesRefused",
        "made again, with empty volumes; generation 2 applied",
        "running",
    ];
    assert_eq!(told, expected);
}
