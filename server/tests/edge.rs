//! Nobody holds a connection longer than they use it.

use std::fmt::Write as _;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use crate::support::{App, Raw, Requests};

const OFTEN: Duration = Duration::from_millis(200);
const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_body_that_is_dripped_after_its_answer_is_cut() {
    App::run_with(
        |http| http.body_seconds = 1,
        async |app| {
            for request in ["GET /healthz", "POST /nowhere", "POST /api/v1/agent/reconcile"] {
                let mut raw = Raw::connect(app.address()).await;
                raw.write(format!("{request} {CHUNKED}").as_bytes()).await;
                raw.answer().await;
                raw.drip(b"1\r\nx\r\n", OFTEN).await;
            }
            let mut raw = Raw::connect(app.address()).await;
            raw.write(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").await;
            raw.answer().await;
            raw.drip(b"x", OFTEN).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_body_without_end_is_cut_however_fast_it_comes() {
    App::run_with(
        |http| http.max_body_bytes = 10_000,
        async |app| {
            let mut raw = Raw::connect(app.address()).await;
            raw.write(format!("POST /nowhere {CHUNKED}").as_bytes()).await;
            raw.answer().await;
            raw.drip(&b"a\r\n0123456789\r\n".repeat(1_000), Duration::from_millis(1)).await;
        },
    )
    .await;
}

#[tokio::test]
async fn the_second_head_has_its_time_like_the_first() {
    App::run_with(
        |http| http.head_seconds = 1,
        async |app| {
            for answered in 0..3 {
                let mut raw = Raw::connect(app.address()).await;
                for _ in 0..answered {
                    raw.write(GET).await;
                    assert_eq!(raw.answer().await.0, 200);
                }
                raw.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ").await;
                let (status, text) = raw.rest().await;
                assert_eq!(status, 408, "{text}");
                assert!(text.contains("urn:berth:problem:slow-head"), "{text}");
            }
            let mut dripping = Raw::connect(app.address()).await;
            dripping.write(GET).await;
            dripping.answer().await;
            dripping.drip(b"G", OFTEN).await;
            let mut lines = Raw::connect(app.address()).await;
            lines.drip(b"\r\n", OFTEN).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    App::run_with(
        |http| (http.head_seconds, http.keep_alive_seconds) = (1, 2),
        async |app| {
            for address in [app.address(), app.metrics_address()] {
                assert_eq!(Raw::connect(address).await.rest().await.1, "");
                let mut idle = Raw::connect(address).await;
                idle.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
                idle.rest().await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn the_metrics_refuse_what_is_malformed_too() {
    App::run(async |app| {
        let (status, text) = Raw::ask(app.metrics_address(), b"GET /metrics HTTP/1.1\nHost: a\n\n").await;
        assert_eq!(status, 400, "{text}");
        assert!(text.contains("urn:berth:problem:malformed-request"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn answers_that_nobody_reads_do_not_pile_up() {
    App::run_with(
        |http| http.write_seconds = 1,
        async |app| {
            let admin = app.organization("acme").await;
            admin.create_agent("cluster").await;
            for number in 0..40 {
                admin.create_workspace(&format!("w-{number}")).await;
            }
            let request = format!(
                "GET {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
                admin.path("/workspaces?limit=40"),
                admin.token.expose()
            );
            let mut raw = Raw::connect(app.address()).await;
            raw.flood(request.as_bytes()).await;
        },
    )
    .await;
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let token = admin.token.expose();
        let mut all = String::new();
        for number in 0..50 {
            let body = json!({"name": format!("a-{number}")}).to_string();
            write!(
                all,
                "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                admin.path("/agents"),
                body.len()
            )
            .expect("text");
        }
        let mut raw = Raw::connect(app.address()).await;
        raw.write(all.as_bytes()).await;
        for number in 0..50 {
            let (status, text) = raw.answer().await;
            assert!(status == 201 && text.contains(&format!("\"a-{number}\"")), "{text}");
        }
        let list: Value = admin.get(&admin.path("/agents?limit=100")).await.expect(200);
        assert_eq!(list["items"].as_array().expect("a list").len(), 50);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_makes_room_and_one_that_has_proven_something_stays() {
    App::run_with(
        |http| http.edge.max_unproven_connections = 10,
        async |app| {
            let admin = app.organization("acme").await;
            let request = format!(
                "GET /api/v1/whoami HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
                admin.token.expose()
            );
            let mut proven = Raw::connect(app.address()).await;
            proven.write(request.as_bytes()).await;
            assert_eq!(proven.answer().await.0, 200);
            let mut silent = Vec::new();
            for _ in 0..60 {
                silent.push(Raw::connect(app.address()).await);
            }
            assert_eq!(admin.get("/api/v1/whoami").await.status, 200);
            // Which workers take them in which order is nobody's promise: that the oldest go is shown in the unit's own tests.
            let ends: FuturesUnordered<_> = silent.iter_mut().map(|one| one.drip(b"", OFTEN)).collect();
            assert_eq!(ends.take(50).count().await, 50);
            proven.write(request.as_bytes()).await;
            assert_eq!(proven.answer().await.0, 200);
        },
    )
    .await;
}
