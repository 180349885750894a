//! What the server is told of activity.

use std::time::Duration;

use super::*;

/// What the server was told so far, message by message.
async fn told(world: &World) -> Vec<Vec<serde_json::Value>> {
    let requests = world.server.received_requests().await.expect("recorded");
    let bodies =
        requests.iter().filter(|request| request.url.path() == "/api/v1/proxy/activity").map(|request| {
            assert_eq!(request.headers["authorization"], "Bearer e30.e30.x");
            let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
            body["active"].as_array().expect("a list").clone()
        });
    bodies.collect()
}

async fn answers(world: &World, status: u16) {
    world.server.reset().await;
    let asked = Mock::given(method("POST")).and(path("/api/v1/proxy/activity"));
    asked.respond_with(ResponseTemplate::new(status)).mount(&world.server).await;
}

async fn until(world: &World, is_so: impl Fn(&[Vec<serde_json::Value>]) -> bool) {
    while !is_so(&told(world).await) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_page_that_somebody_opens_is_told_until_the_server_has_taken_it_and_then_that_nothing_happens() {
    let world = World::new().await;
    let until_later = Shared::now() + SignedDuration::from_hours(1);
    let allowed = json!({"decision": "allowed", "until": until_later});
    world.decides(ResponseTemplate::new(200).set_body_json(allowed)).await;
    let cookie = world.cookie();
    assert_eq!(status(&world.get("/", &cookie).await), "503", "a part of a page is no sign of a person");
    assert_eq!(world.shared.streams.activity().look(Duration::from_secs(60), Instant::now()), []);
    let page = world.get("/", &format!("{cookie}{PAGE}")).await;
    assert_eq!(status(&page), "303", "{page}");
    answers(&world, 503).await;
    let telling = tokio::spawn(Arc::clone(&world.shared).keep_telling(Duration::from_millis(10)));
    until(&world, |told| told.len() > 2).await;
    let all = told(&world).await;
    assert!(
        all.iter()
            .all(|message| message.len() == 1
                && message[0]["seconds_ago"].as_u64().is_some_and(|ago| ago < 60)),
        "{all:?}"
    );
    answers(&world, 204).await;
    until(&world, |told| told.iter().any(Vec::is_empty)).await;
    let all = told(&world).await;
    assert!(all.iter().filter(|message| !message.is_empty()).count() <= 2, "it was told once: {all:?}");
    telling.abort();
}

#[tokio::test]
async fn much_is_told_in_messages_that_the_server_takes() {
    let world = World::new().await;
    let most = berth_schema::activity::MAX_TOLD;
    (0..=most).for_each(|_| world.shared.streams.activity().happens(WorkspaceId::random()));
    answers(&world, 204).await;
    let telling = tokio::spawn(Arc::clone(&world.shared).keep_telling(Duration::from_secs(60)));
    until(&world, |told| told.len() == 2).await;
    let all = told(&world).await;
    assert_eq!([all[0].len(), all[1].len()], [most, 1]);
    telling.abort();
}
