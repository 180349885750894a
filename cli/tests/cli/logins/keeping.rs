use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::sleep;
use wiremock::ResponseTemplate;

use super::server::{FUTURE, PAST, access, refresh, server, store};
use super::{file, stored};
use crate::support::{Berth, Ran, WORKSPACE_ID, problem, requests};

const LIST: [&str; 3] = ["list", "-o", "name"];

#[tokio::test]
async fn an_access_token_that_has_ended_is_replaced_unseen() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, PAST);
    let ran = berth.run(&LIST).ok().prints("");
    assert_eq!(ran.stderr, "No workspaces found.\n");
    assert!(
        stored(&berth).contains(&access(1)) && stored(&berth).contains(&refresh(1)),
        "{}",
        stored(&berth)
    );
    berth.run(&LIST).ok();
    assert_eq!(fake.state().refreshes, 1, "the next command has it from the file");
}

#[tokio::test]
async fn an_access_token_that_the_server_refuses_is_replaced_once() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, FUTURE);
    fake.state().good = Some(0);
    berth.run(&LIST).ok();
    assert_eq!(fake.state().refreshes, 0);
    // The clock of this machine is wrong, or a key was revoked: only the server knows.
    let text = stored(&berth).replace(&access(0), &format!("{}_of_another_time", access(0)));
    fs::write(file(&berth), text).unwrap();
    berth.run(&["get", "reef"]).exits(3);
    assert_eq!(fake.state().refreshes, 1);
    assert!(stored(&berth).contains(&access(1)));
    let asked = requests(&server).await;
    assert_eq!(asked.matches("/workspaces/reef\n").count(), 2, "{asked}");
}

#[tokio::test]
async fn parallel_commands_do_not_end_each_others_session() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, PAST);
    let children: Vec<_> = (0..8).map(|_| start(&berth, &LIST)).collect();
    for child in children {
        Ran::from(child.wait_with_output().unwrap()).ok();
    }
    let state = fake.state();
    assert_eq!((state.refreshes, state.good), (1, Some(1)));
}

#[tokio::test]
async fn choosing_a_context_beside_a_refresh_brings_no_used_token_back() {
    let ((server, fake), berth) = (server().await, Berth::new());
    for round in 0..4 {
        store(&berth, &server, round, PAST);
        let both = [start(&berth, &LIST), start(&berth, &["contexts", "use", "here"])];
        for child in both {
            Ran::from(child.wait_with_output().unwrap()).ok();
        }
        assert!(stored(&berth).contains(&refresh(round + 1)), "{}", stored(&berth));
    }
    assert_eq!(fake.state().good, Some(4));
}

/// Until the server has got that far.
async fn until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(5)).await;
    }
}

fn start(berth: &Berth, args: &[&str]) -> Child {
    let mut command = berth.command(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn ctrl_c_does_not_lose_the_answer_that_a_token_was_spent_on() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, PAST);
    fake.state().slow = true;
    let child = start(&berth, &LIST);
    until(|| fake.state().refreshes == 1).await;
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    Ran::from(child.wait_with_output().unwrap()).exits(130);
    assert!(stored(&berth).contains(&refresh(1)), "{}", stored(&berth));
    berth.run(&LIST).ok();
    assert_eq!(fake.state().refreshes, 1);
}

#[tokio::test]
async fn a_command_that_waits_goes_on_with_another_access_token() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, FUTURE);
    let child = start(&berth, &["start", "reef", "--wait"]);
    let asked = async || requests(&server).await.matches(&format!("/workspaces/{WORKSPACE_ID}\n")).count();
    while asked().await == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    fake.state().closed = true;
    until(|| fake.state().refreshes == 1).await;
    fake.state().actual = "Running";
    Ran::from(child.wait_with_output().unwrap()).ok().prints("reef\n");
    assert!(stored(&berth).contains(&refresh(1)), "{}", stored(&berth));
}

#[tokio::test]
async fn an_ended_session_asks_for_another_login() {
    let ((server, fake), berth) = (server().await, Berth::new());
    for expires_at in [PAST, FUTURE] {
        store(&berth, &server, 0, expires_at);
        fake.state().good = None;
        berth.run(&LIST).exits(4).says("error: your login has ended; run `berth login`\n");
        berth.run(&["list", "--watch"]).exits(4).says("your login has ended");
    }
    let text = stored(&berth).replace("current: here\n", "");
    fs::write(file(&berth), text).unwrap();
    berth.run(&["list", "--context", "here"]).exits(4).says("run `berth login --context here`");
}

#[tokio::test]
async fn a_server_that_is_away_ends_no_login() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, PAST);
    fake.state().instead = Some(problem(503, "starting", &json!([])));
    berth.run(&LIST).exits(1).says("starting");
    fake.state().instead = None;
    berth.run(&LIST).ok();
}

#[tokio::test]
async fn a_file_that_cannot_be_written_costs_no_session() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, PAST);
    // Nobody can make a lock where a directory is.
    fs::create_dir(berth.home.path().join(".config/berth/config.yaml.lock")).unwrap();
    berth.run(&LIST).exits(1).says("cannot make the lock");
    assert_eq!(fake.state().refreshes, 0);
}

#[tokio::test]
async fn a_logout_ends_the_session_and_says_if_it_could_not() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, FUTURE);
    berth.run(&["logout"]).ok().says("Context 'here' is forgotten; its session is ended.");
    assert_eq!(fake.state().revoked, [refresh(0)]);
    assert!(!stored(&berth).contains("refresh_token"));
    store(&berth, &server, 0, FUTURE);
    fake.state().instead = Some(ResponseTemplate::new(500));
    let ran = berth.run(&["logout"]).exits(1).says("Context 'here' is forgotten.");
    ran.says("the session goes on on the server").says("end it on the page of your sessions");
    assert!(!stored(&berth).contains("refresh_token"));
    store(&berth, &server, 0, FUTURE);
    berth.run(&["contexts", "delete", "here"]).ok().says("its session goes on on the server");
}

#[tokio::test]
async fn a_login_is_shown_to_no_other_server() {
    let ((server, fake), berth) = (server().await, Berth::new());
    store(&berth, &server, 0, PAST);
    berth.run(&["list", "--url", "http://127.0.0.1:1"]).exits(4).says("no context has this URL");
    let token = berth.env("BERTH_TOKEN", "mine").env("BERTH_URL", &server.uri());
    token.run(&["organizations", "list"]).exits(2).says("a token belongs to one organisation");
    assert_eq!(fake.state().refreshes, 0);
}
