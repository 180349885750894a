use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{Berth, InTurn, Ran, WORKSPACE_ID, answer, because, ok, problem, workspace};

/// A server whose workspace `reef` is, one look after the other, what is given; the first is the answer to the change.
async fn server(verb: &str, looks: impl IntoIterator<Item = ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let mut looks = looks.into_iter();
    answer(&server, "POST", &format!("/workspaces/reef/{verb}"), looks.next().unwrap()).await;
    answer(&server, "GET", &format!("/workspaces/{WORKSPACE_ID}"), InTurn::new(looks)).await;
    server
}

fn look(desired: &str, actual: &str, generation: i64, applied: i64) -> ResponseTemplate {
    ok(workspace(desired, actual, generation, applied))
}

/// The phases told on stderr, without their times.
fn phases(ran: &Ran) -> Vec<&str> {
    ran.stderr
        .lines()
        .filter(|line| line.starts_with(' '))
        .map(|line| line.split_once("s  ").unwrap().1)
        .collect()
}

#[tokio::test]
async fn a_start_is_over_when_the_new_generation_runs() {
    let creating = because(workspace("Running", "Starting", 4, 4), "ContainerCreating", "…");
    let looks = [
        look("Running", "Running", 4, 3),
        look("Running", "Running", 4, 3),
        ok(creating),
        look("Running", "Running", 4, 4),
    ];
    let server = server("start", looks).await;
    let ran = Berth::with(&server).run(&["start", "reef", "--wait", "-o", "json"]).ok();
    assert_eq!(phases(&ran), ["Running", "Starting (ContainerCreating)", "Running"]);
    assert_eq!(ran.json()["applied_generation"], 4, "what is printed is how it ended");
}

#[tokio::test]
async fn a_restart_is_over_only_after_it_was_down() {
    let looks = [
        look("RestartRequested", "Running", 4, 3),
        look("RestartRequested", "Stopping", 4, 4),
        look("Running", "Stopped", 5, 4),
        look("Running", "Running", 5, 4),
        look("Running", "Running", 5, 5),
    ];
    let server = server("restart", looks).await;
    let ran = Berth::with(&server).run(&["restart", "reef", "--wait"]).ok().prints("reef\n");
    assert_eq!(phases(&ran), ["Running", "Stopping", "Stopped", "Running"]);
    assert_eq!(
        server.received_requests().await.unwrap().len(),
        6,
        "it asked for events, and then for the proof"
    );
}

#[tokio::test]
async fn a_deletion_is_over_when_the_workspace_is_not_found() {
    let gone = problem(404, "there is no such workspace", &json!([]));
    let server = server(
        "terminate",
        [look("Terminated", "Running", 4, 3), look("Terminated", "Terminating", 4, 3), gone],
    )
    .await;
    let ran = Berth::with(&server).run(&["delete", "reef", "-y", "--wait"]).ok().prints("reef\n");
    assert_eq!(phases(&ran), ["Running", "Terminating", "Terminated"]);
}

#[tokio::test]
async fn a_failure_ends_with_the_clusters_reason_and_what_to_do() {
    let failed =
        because(workspace("Running", "Failed", 4, 4), "ImagePullBackOff", "no such image: nowhere/none");
    let server = server("start", [look("Running", "Starting", 4, 3), ok(failed)]).await;
    let ran = Berth::with(&server).run(&["start", "reef", "--wait"]).exits(1).prints("");
    let ran = ran.says("error: workspace 'reef' is Failed: ImagePullBackOff: no such image: nowhere/none\n");
    ran.says("hint: correct it with `berth rebuild reef --image IMAGE`");
}

#[tokio::test]
async fn a_time_out_says_what_it_waits_for() {
    let server = server("start", [look("Running", "Stopped", 4, 3), look("Running", "Stopped", 4, 3)]).await;
    let started = Instant::now();
    let ran = Berth::with(&server).run(&["start", "reef", "--wait", "--timeout", "700ms"]).exits(7);
    assert!(started.elapsed() < Duration::from_secs(5));
    let ran = ran.says(
        "timed out after 700ms: workspace 'reef' is Stopped; it waits for agent 'here' to apply generation 4",
    );
    ran.says("`berth why reef`");
}

#[tokio::test]
async fn several_have_one_time_out_and_the_last_is_looked_at_all_the_same() {
    let server = MockServer::start().await;
    for (number, name) in ["reef", "bay", "cove"].into_iter().enumerate() {
        let mut asked = workspace("Running", "Stopped", 4, 3);
        asked["name"] = name.into();
        asked["id"] = format!("0191e2b4-0000-4000-8000-00000000000{number}").into();
        answer(&server, "POST", &format!("/workspaces/{name}/start"), ok(asked.clone())).await;
        if name == "cove" {
            asked["actual_state"] = "Running".into();
            asked["applied_generation"] = 4.into();
        }
        let by_id = format!("/workspaces/{}", asked["id"].as_str().expect("an id"));
        answer(&server, "GET", &by_id, ok(asked)).await;
    }
    let ran =
        Berth::with(&server).run(&["start", "reef", "bay", "cove", "--wait", "--timeout", "1s"]).exits(7);
    let ran = ran.prints("cove\n");
    // The second one's time is over with the first one's: it is looked at once, and not waited for.
    for name in ["reef", "bay"] {
        assert!(ran.stderr.contains(&format!("timed out after 1s: workspace '{name}'")), "{}", ran.stderr);
    }
    let asked = server.received_requests().await.expect("recorded");
    let looks = |number: u8| {
        let end = format!("/workspaces/0191e2b4-0000-4000-8000-00000000000{number}");
        asked.iter().filter(|request| request.method == "GET" && request.url.path().ends_with(&end)).count()
    };
    assert!(looks(0) > 1 && (looks(1), looks(2)) == (1, 1), "{} {} {}", looks(0), looks(1), looks(2));
}

#[tokio::test]
async fn somebody_elses_change_is_a_conflict() {
    let server = server("start", [look("Running", "Stopped", 4, 3), look("Stopped", "Stopped", 5, 3)]).await;
    let ran = Berth::with(&server).run(&["start", "reef", "--wait"]).exits(6);
    ran.says("changed by somebody else meanwhile: its desired state is now Stopped");
}

#[tokio::test]
async fn a_server_that_restarts_is_waited_for() {
    let busy = || problem(503, "draining", &json!([]));
    let looks =
        [look("Running", "Starting", 4, 3), busy(), busy(), busy(), busy(), look("Running", "Running", 4, 4)];
    let server = server("start", looks).await;
    let ran = Berth::with(&server).run(&["start", "reef", "--wait"]).ok();
    assert_eq!(ran.stderr.matches("draining; still waiting").count(), 1, "{}", ran.stderr);
}

#[tokio::test]
async fn a_token_that_is_revoked_meanwhile_ends_the_wait() {
    let looks = [look("Running", "Starting", 4, 3), problem(401, "the token was revoked", &json!([]))];
    let server = server("start", looks).await;
    Berth::with(&server).run(&["start", "reef", "--wait"]).exits(4).says("the token was revoked");
}

#[tokio::test]
async fn without_wait_nothing_is_asked_again() {
    let server = server("start", [look("Running", "Stopped", 4, 3), look("Running", "Stopped", 4, 3)]).await;
    let berth = Berth::with(&server);
    berth.run(&["start", "reef"]).ok();
    berth.run(&["start", "reef", "--wait", "--no-wait"]).ok();
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn several_are_waited_for_after_all_were_asked() {
    let server = server("stop", [look("Stopped", "Running", 4, 3), look("Stopped", "Stopped", 4, 4)]).await;
    let mut other: Value = workspace("Stopped", "Stopped", 2, 2);
    other["name"] = json!("quay");
    answer(&server, "POST", "/workspaces/quay/stop", ok(other)).await;
    let ran = Berth::with(&server).run(&["stop", "reef", "quay", "--wait"]).ok();
    assert_eq!(ran.stdout, "reef\nquay\n");
    ran.says("Workspace 'quay' is asked to stop.\nWorkspace 'reef':\n").says("Workspace 'quay':\n");
}
