//! Requests that no well-behaved client sends, byte by byte.

use crate::support::{App, Raw, Requests, send};

/// The status and the whole answer to raw bytes.
async fn raw(app: &App, bytes: &str) -> (u16, String) {
    Raw::ask(app.address(), bytes.as_bytes()).await
}

#[tokio::test]
async fn a_target_that_contradicts_the_host_is_refused() {
    App::run(async |app| {
        let close = "Connection: close\r\n\r\n";
        for (head, status) in [
            ("GET /healthz HTTP/1.1\r\nHost: a\r\n", 200),
            ("GET http://a/healthz HTTP/1.1\r\nHost: a\r\n", 200),
            ("GET http://evil/healthz HTTP/1.1\r\nHost: a\r\n", 400),
            ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
            ("GET /healthz HTTP/1.1\r\n", 400),
        ] {
            let (got, text) = raw(app, &format!("{head}{close}")).await;
            assert_eq!(got, status, "{head}: {text}");
        }
    })
    .await;
}

#[tokio::test]
async fn forwarded_headers_of_strangers_change_nothing() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let path = admin.path("/workspaces");
        let request = admin
            .request(reqwest::Method::POST, &path)
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "host=evil.example;proto=https")
            .json(&serde_json::json!({"image": "a"}));
        let reply = send(request).await;
        assert_eq!(reply.status, 201);
        assert!(reply.header("location").starts_with("/api/v1/"), "{}", reply.header("location"));
    })
    .await;
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    App::run_with(
        |http| http.body_seconds = 1,
        async |app| {
            let admin = app.organization("acme").await;
            let head = format!(
                "POST {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
                admin.path("/agents"),
                admin.token.expose()
            );
            let (status, text) = raw(app, &head).await;
            assert_eq!(status, 408, "{text}");
            assert!(text.contains("urn:berth:problem:slow-body"), "{text}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_counted_as_it_comes() {
    App::run_with(
        |http| http.max_body_bytes = 1_000,
        async |app| {
            let admin = app.organization("acme").await;
            let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
            let request = format!(
                "POST {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n",
                admin.path("/agents"),
                admin.token.expose()
            );
            let (status, text) = raw(app, &request).await;
            assert_eq!(status, 413, "{text}");
            assert!(text.contains("urn:berth:problem:body-too-large"), "{text}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    App::run_with(
        |http| http.head_seconds = 1,
        async |app| {
            let (status, _) = raw(app, "GET /healthz HTTP/1.1\r\nHost: a\r\nX: ").await;
            assert_eq!(status, 408);
        },
    )
    .await;
}

#[tokio::test]
async fn every_answer_carries_an_id_that_the_client_does_not_choose() {
    App::run(async |app| {
        let request =
            app.anyone(None).request(reqwest::Method::GET, "/healthz").header("x-request-id", "mine");
        let reply = send(request).await;
        assert_eq!(reply.header("x-request-id").len(), 36);
        assert_eq!(reply.header("cache-control"), "no-store");
    })
    .await;
}
