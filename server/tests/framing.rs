//! Every head and body that is not strict HTTP/1.1 has its stated answer: a problem, and the end of the connection.

use crate::corpus::{get, malformed};
use crate::support::{App, Raw, Requests};

fn assert_problem((status, text): &(u16, String), expected: (u16, &str), request: &str) {
    assert_eq!(*status, expected.0, "{request:?}: {text}");
    let head = text.to_ascii_lowercase();
    for part in
        ["\r\nconnection: close\r\n", "\r\ncontent-type: application/problem+json\r\n", "\r\nx-request-id: "]
    {
        assert!(head.contains(part), "{request:?} lacks {part:?}: {text}");
    }
    assert!(text.contains(&format!("urn:berth:problem:{}", expected.1)), "{request:?}: {text}");
    assert_eq!(text.matches("x-request-id: ").count(), 1, "{request:?} is answered once: {text}");
}

#[tokio::test]
async fn every_malformed_head_is_answered_with_a_problem_and_a_close() {
    App::run(async |app| {
        // What the proxy lets through is not for this server.
        let upgrade = get("Connection: Upgrade\r\nUpgrade: websocket\r\n");
        for request in malformed().into_iter().chain([upgrade]) {
            // Something that must not be taken for another request.
            let bytes = format!("{request}GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = Raw::ask(app.address(), bytes.as_bytes()).await;
            assert_problem(&answer, (400, "malformed-request"), &request);
        }
        let large = get(&format!("X: {}\r\n", "x".repeat(40_000)));
        let many = get(&"X: y\r\n".repeat(100));
        for request in [large, many] {
            let answer = Raw::ask(app.address(), request.as_bytes()).await;
            assert_problem(&answer, (431, "head-too-large"), "a large head");
        }
    })
    .await;
}

#[tokio::test]
async fn a_refusal_comes_in_its_turn() {
    App::run(async |app| {
        let good = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        let (_, text) =
            Raw::ask(app.address(), format!("{}GET / HTTP/1.1\n", good.repeat(20)).as_bytes()).await;
        let answers: Vec<_> = text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect();
        assert_eq!(answers.len(), 21, "{text}");
        assert!(answers[..20].iter().all(|status| *status == "200") && answers[20] == "400", "{answers:?}");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_broken_is_a_problem_where_it_is_read() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
            admin.path("/agents"),
            admin.token.expose()
        );
        for body in [
            "2\n{}\r\n0\r\n\r\n",
            "2\r\n{}\n0\r\n\r\n",
            "2\r\n{}\r\n0\r\n\n",
            "3\r\n{}\r\n0\r\n\r\n",
            "1\r\n{}\r\n0\r\n\r\n",
            "+2\r\n{}\r\n0\r\n\r\n",
            "0x2\r\n{}\r\n0\r\n\r\n",
            "2 \r\n{}\r\n0\r\n\r\n",
            "-2\r\n{}\r\n",
            "\r\n",
            "ffffffffffffffff1\r\n{}",
            "2;\u{1}\r\n{}\r\n0\r\n\r\n",
            "2\r\n{}\r\n0\r\nX: y\n\r\n",
        ] {
            let request = format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}GET / HTTP/1.1\r\n");
            let (status, text) = Raw::ask(app.address(), request.as_bytes()).await;
            assert_eq!(status, 400, "{body:?}: {text}");
            assert!(text.contains("urn:berth:problem:malformed-request"), "{body:?}: {text}");
            assert_eq!(text.matches("x-request-id: ").count(), 1, "{body:?}: {text}");
        }
        let mut early = Raw::connect(app.address()).await;
        early.write(format!("{head}Content-Length: 10\r\n\r\n{{").as_bytes()).await;
        early.close().await;
        let (status, text) = early.rest().await;
        assert_eq!(status, 400, "{text}");
        let right = "2;x=y\r\n{\"\r\n010\r\nname\": \"chunky\"}\r\n0\r\nTrailer: x\r\n\r\n";
        let request = format!("{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{right}");
        let (status, text) = Raw::ask(app.address(), request.as_bytes()).await;
        assert_eq!(status, 201, "{text}");
        assert_eq!(admin.get(&admin.path("/agents/chunky")).await.status, 200);
    })
    .await;
}
