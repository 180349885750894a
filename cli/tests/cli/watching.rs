use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{Berth, InTurn, WORKSPACE_ID, answer, ok, problem, requests, workspace};

/// A stream that tells these and then ends.
fn events<'a>(told: impl IntoIterator<Item = (i64, &'a str, Value)>) -> ResponseTemplate {
    let mut text = "retry: 1000\n\n:\n\n".to_owned();
    for (id, name, data) in told {
        write!(text, "id: {id}\nevent: {name}\ndata: {data}\n\n").unwrap();
    }
    ResponseTemplate::new(200).set_body_raw(text, "text/event-stream")
}

#[tokio::test]
async fn waiting_follows_the_events_and_asks_nothing_besides() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces/reef/start", ok(workspace("Running", "Stopped", 4, 3))).await;
    let told = [
        (7, "workspace", workspace("Running", "Stopped", 4, 3)),
        (8, "workspace", workspace("Running", "Starting", 4, 4)),
        (9, "workspace", workspace("Running", "Running", 4, 4)),
    ];
    answer(&server, "GET", &format!("/workspaces/{WORKSPACE_ID}/events"), events(told)).await;
    let ran = Berth::with(&server).run(&["start", "reef", "--wait", "-o", "json"]).ok();
    assert_eq!(ran.json()["applied_generation"], 4);
    assert_eq!(server.received_requests().await.unwrap().len(), 2, "{}", requests(&server).await);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_replaced_by_asking() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces/reef/start", ok(workspace("Running", "Stopped", 4, 3))).await;
    let told = [(7, "workspace", workspace("Running", "Starting", 4, 4))];
    answer(&server, "GET", &format!("/workspaces/{WORKSPACE_ID}/events"), events(told)).await;
    let looks = [workspace("Running", "Starting", 4, 4), workspace("Running", "Running", 4, 4)];
    answer(&server, "GET", &format!("/workspaces/{WORKSPACE_ID}"), InTurn::new(looks.map(ok))).await;
    Berth::with(&server).run(&["start", "reef", "--wait"]).ok().prints("reef\n");
}

#[tokio::test]
async fn watching_one_shows_each_change_until_it_is_gone() {
    let server = MockServer::start().await;
    let first = [
        (7, "workspace", workspace("Running", "Running", 3, 3)),
        (8, "workspace", workspace("Terminated", "Running", 4, 3)),
    ];
    let second = [
        (8, "workspace", workspace("Terminated", "Running", 4, 3)),
        (9, "workspace", workspace("Terminated", "Terminated", 4, 3)),
    ];
    let streams = InTurn::new([events(first), events(second)]);
    answer(&server, "GET", "/workspaces/reef/events", streams).await;
    let ran = Berth::with(&server).run(&["get", "reef", "--watch"]).ok();
    let told: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split('\t').take(3).collect()).collect();
    let expected = [
        ["NAME", "DESIRED", "STATE"],
        ["reef", "Running", "Running"],
        ["reef", "Terminated", "Running"],
        ["reef", "Terminated", "Terminated"],
    ];
    assert_eq!(told, expected, "what was told twice is shown once");
}

#[tokio::test]
async fn watching_all_lists_first_and_goes_on_where_the_stream_broke() {
    let server = MockServer::start().await;
    let mut other = workspace("Running", "Running", 1, 1);
    other["name"] = json!("quay");
    let first = [(5, "open", json!({})), (6, "workspace", other.clone())];
    let second = [(8, "workspace", workspace("Stopped", "Stopped", 4, 4))];
    answer(&server, "GET", "/events", InTurn::new([events(first), events(second)])).await;
    answer(&server, "GET", "/workspaces", ok(json!({ "items": [workspace("Running", "Running", 3, 3)] })))
        .await;
    let mut child = Berth::with(&server)
        .command(&["list", "--watch", "--name", "reef", "-o", "wide"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(3);
    let told = tokio::task::spawn_blocking(|| lines.map(Result::unwrap).collect::<Vec<_>>()).await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told[0].starts_with("NAME\t") && told[1].starts_with("reef\tRunning\tRunning"), "{told:?}");
    assert!(told[2].starts_with("reef\tStopped\tStopped"), "only what the filter holds: {told:?}");
    let again = server.received_requests().await.unwrap();
    let again = again.iter().find_map(|request| request.headers.get("last-event-id")).unwrap();
    assert_eq!(again, "6");
}

#[tokio::test]
async fn what_cannot_be_watched_is_an_error() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/workspaces/reef/events", problem(404, "there is no such workspace", &json!([])))
        .await;
    let ran = Berth::with(&server).run(&["get", "reef", "--watch"]).exits(3);
    ran.says("cannot watch workspace 'reef': there is no such workspace");
}
