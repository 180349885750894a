//! What can be read in two ways is read in none, and nothing behind it.

use super::*;

#[path = "../../../../schema/framing/tests/corpus/mod.rs"]
mod corpus;

/// With the host of a workspace in the place of the corpus's.
fn at_a_workspace(request: &str) -> String {
    request.replace("Host: a\r\n", &format!("Host: {HOST_NAME}\r\n"))
}

#[tokio::test]
async fn every_malformed_request_is_answered_once_and_asks_nobody() {
    let world = World::new().await;
    world.decides(ResponseTemplate::new(200)).await;
    let next = format!("GET / HTTP/1.1\r\nHost: {HOST_NAME}\r\n{}\r\n", world.cookie());
    for request in corpus::malformed() {
        let answer = world.say(&format!("{}{next}", at_a_workspace(&request))).await;
        assert_eq!(status(&answer), "400", "{request:?}: {answer}");
        assert_eq!(answer.matches("content-length: ").count(), 1, "{request:?}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{request:?}: {answer}");
    }
    let large = corpus::get(&format!("X: {}\r\n", "x".repeat(70_000)));
    assert_eq!(status(&world.say(&at_a_workspace(&large)).await), "431");
    let asked = world.server.received_requests().await.expect("recorded");
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test]
async fn a_refusal_comes_in_its_turn() {
    let world = World::new().await;
    let right = at_a_workspace(&corpus::get(""));
    let answer = world.say(&format!("{}GET / HTTP/1.1\n", right.repeat(5))).await;
    let all: Vec<_> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(all, ["401", "401", "401", "401", "401", "400"], "{answer}");
}

#[tokio::test]
async fn behind_an_upgrade_that_is_not_agreed_to_nothing_is_read() {
    let world = World::new().await;
    let upgrade = at_a_workspace(&corpus::get("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    let right = at_a_workspace(&corpus::get(""));
    let answer = world.say(&format!("{right}{upgrade}{right}GET / HTTP/1.1\n\n")).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
    let (_, second) = answer.split_at(answer.rfind("HTTP/1.1 ").expect("an answer"));
    assert!(second.contains("connection: close\r\n"), "{answer}");
}
