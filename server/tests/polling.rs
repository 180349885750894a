//! Held answers: woken at once, harmless when nobody waits any more.

use std::time::{Duration, Instant};

use berth_schema::api::Workspace;
use berth_schema::reconcile::{Received, ReconcileRequest, ReconcileResponse, UpdateType};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Agent, App, Requests, message, send};

/// A poll that waits for `seconds`, on a task of its own.
fn poll(agent: &Agent, sequence: i64, seconds: u64) -> tokio::task::JoinHandle<(ReconcileResponse, Instant)> {
    let agent = agent.clone();
    let request = ReconcileRequest { wait_seconds: seconds, ..message(sequence, vec![]) };
    tokio::spawn(async move { (agent.send(&request).await.expect(200), Instant::now()) })
}

pub(crate) async fn held(app: &App, count: usize) {
    let needle = format!("berth_held_polls {count}\n");
    for _ in 0..200 {
        if metrics(app).await.contains(&needle) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {count} held polls: {}", metrics(app).await);
}

async fn metrics(app: &App) -> String {
    let url = format!("http://{}/metrics", app.metrics_address());
    app.anyone(None).client().get(url).send().await.expect("metrics").text().await.expect("text")
}

#[tokio::test]
async fn intent_reaches_a_held_poll_in_milliseconds_on_whichever_server() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let replica = app.replica().await;
        let mut slowest = Duration::ZERO;
        for sequence in 0..5 {
            let waiting = poll(&agent, sequence, 30);
            held(app, 1).await;
            let name = format!("w-{sequence}");
            let created = replica.admin(&admin).create(&json!({"name": name, "image": "a"})).await;
            let asked = Instant::now();
            created.expect::<Workspace>(201);
            let (response, answered) = waiting.await.expect("answered");
            assert_eq!(response.workspaces.len(), 1);
            slowest = slowest.max(answered.saturating_duration_since(asked));
            admin.wish(&name, "terminate").await.expect::<Workspace>(200);
            let directive = agent.partial(100 + sequence, vec![]).await.workspaces.remove(0);
            agent.partial(200 + sequence, vec![crate::support::cluster::gone(&directive)]).await;
        }
        assert!(slowest < Duration::from_millis(500), "{slowest:?}");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_poll_with_nothing_to_hear_ends_in_time() {
    App::run(async |app| {
        let agent = app.organization("acme").await.create_agent("cluster").await;
        let started = Instant::now();
        let (response, _) = poll(&agent, 1, 1).await.expect("answered");
        assert!(response.workspaces.is_empty());
        let took = started.elapsed();
        assert!((Duration::from_millis(950)..Duration::from_secs(5)).contains(&took), "{took:?}");
    })
    .await;
}

#[tokio::test]
async fn what_the_agent_holds_already_does_not_end_a_poll() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let workspace = admin.create_workspace("w").await;
        let received = vec![Received { workspace_id: workspace.id, generation: workspace.generation }];
        let request = ReconcileRequest { wait_seconds: 1, received, ..message(1, vec![]) };
        let started = Instant::now();
        let response: ReconcileResponse = agent.send(&request).await.expect(200);
        assert!(started.elapsed() > Duration::from_millis(950));
        assert!(response.workspaces.is_empty());
        let given_up = ReconcileRequest { received: vec![], ..request };
        let response: ReconcileResponse = agent.send(&given_up).await.expect(200);
        assert_eq!(response.workspaces.len(), 1, "what it gave up comes again");
    })
    .await;
}

#[tokio::test]
async fn waiting_costs_the_database_nothing() {
    App::run(async |app| {
        let agent = app.organization("acme").await.create_agent("cluster").await;
        let waiting: Vec<_> = (0..10).map(|sequence| poll(&agent, sequence, 2)).collect();
        held(app, 10).await;
        let rounds = |text: &str| {
            let line = text.lines().find(|line| {
                line.contains("database_operation")
                    && line.contains("_count{")
                    && line.contains("\"reconcile\"")
            });
            line.expect("a line").rsplit(' ').next().expect("a value").parse::<u64>().expect("a number")
        };
        let before = rounds(&metrics(app).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(rounds(&metrics(app).await), before);
        for waiting in waiting {
            waiting.await.expect("answered");
        }
        held(app, 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    App::run(async |app| {
        let agent = app.organization("acme").await.create_agent("cluster").await;
        let waiting = poll(&agent, 1, 2);
        held(app, 1).await;
        waiting.abort();
        held(app, 0).await;
        agent.partial(2, vec![]).await;
    })
    .await;
}

#[tokio::test]
async fn revoking_an_agent_ends_its_held_poll() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let request = ReconcileRequest { wait_seconds: 30, ..message(1, vec![]) };
        let waiting = tokio::spawn(async move { agent.send(&request).await });
        held(app, 1).await;
        admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await.expect::<Value>(200);
        waiting.await.expect("answered").problem(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn a_draining_server_answers_held_polls_at_once_and_is_not_ready() {
    let http = {
        use clap::Parser as _;
        let arguments = ["berth-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        berth_server::config::Cli::parse_from(arguments).serve.http
    };
    let app = App::start(crate::support::postgres::migrated_database().await, &http).await;
    let agent = app.organization("acme").await.create_agent("cluster").await;
    app.anyone(None).get("/readyz").await;
    let waiting = poll(&agent, 1, 30);
    held(&app, 1).await;
    let anyone = app.anyone(None);
    app.context.draining.cancel();
    anyone.get("/readyz").await.problem(503, "unavailable");
    let started = Instant::now();
    app.drain().await;
    waiting.await.expect("answered");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let request = anyone.request(Method::GET, "/healthz");
    request.send().await.expect_err("nobody listens any more");
}

#[tokio::test]
async fn one_agent_holds_so_many_polls_and_another_is_answered_as_ever() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let (greedy, other) = (admin.create_agent("greedy").await, admin.create_agent("other").await);
        let request = ReconcileRequest { wait_seconds: 30, ..message(1, vec![]) };
        let polls: Vec<_> = (0..40)
            .map(|_| {
                let (agent, request) = (greedy.clone(), request.clone());
                tokio::spawn(async move { agent.send(&request).await })
            })
            .collect();
        held(app, 16).await;
        other.partial(1, vec![]).await;
        // A key wakes whoever waits for it.
        greedy.register(greedy.key()).await.expect::<Value>(200);
        app.context.hub.wake_all();
        other.partial(2, vec![]).await;
        held(app, 16).await;
        app.context.draining.cancel();
        let mut refused = 0;
        for poll in polls {
            let reply = poll.await.expect("answered");
            if reply.status == 429 {
                reply.problem(429, "too-many-polls");
                assert_eq!(reply.header("retry-after"), "1");
                refused += 1;
            }
        }
        assert_eq!(refused, 24);
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_has_sent_far_more_than_it_needs_to_is_refused_and_another_is_not() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let (greedy, other) = (admin.create_agent("greedy").await, admin.create_agent("other").await);
        let full = ReconcileRequest { update_type: UpdateType::Full, ..message(1, vec![]) };
        greedy.send(&full).await.expect::<ReconcileResponse>(200);
        // As if it had told 600,000 workspaces a moment ago: ten minutes' worth.
        app.context.reports.admit(greedy.id, 600_000).await.expect("there was room");
        let refused = [
            greedy.send(&ReconcileRequest { sequence: 2, ..full.clone() }).await,
            greedy.send(&message(3, vec![])).await,
            // A key that is registered is a change, and on record.
            greedy.register(greedy.key()).await,
            send(greedy.request(Method::POST, "/api/v1/agent/proxy-token")).await,
        ];
        for reply in refused {
            reply.problem(429, "too-many-reports");
            let seconds: u64 = reply.header("retry-after").parse().expect("seconds");
            assert!((400..=600).contains(&seconds), "{seconds}");
        }
        other.send(&full).await.expect::<ReconcileResponse>(200);
        other.register(other.key()).await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_held_for_a_client_that_has_closed_its_side() {
    App::run(async |app| {
        let agent = app.organization("acme").await.create_agent("cluster").await;
        let request = ReconcileRequest { wait_seconds: 50, ..message(1, vec![]) };
        let body = serde_json::to_string(&request).expect("JSON");
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            crate::support::RECONCILE,
            agent.token,
            body.len()
        );
        let mut raw = crate::support::Raw::connect(app.address()).await;
        raw.write((head + &body).as_bytes()).await;
        held(app, 1).await;
        raw.close().await;
        let (status, text) = raw.rest().await;
        assert_eq!(status, 200, "{text}");
        held(app, 0).await;
    })
    .await;
}
