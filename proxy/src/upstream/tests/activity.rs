//! What goes through real sockets, and what of it counts as work.

use std::time::{Duration, Instant};

use http_body_util::Full;

use super::*;

impl World {
    /// Whether something happened within a minute that ends now. It is told with that.
    fn happened(&self) -> bool {
        let activity = self.streams.activity();
        let untold = activity.look(Duration::from_secs(60), Instant::now());
        activity.told(&untold);
        assert!(untold.iter().all(|(workspace, _)| *workspace == self.question.workspace));
        !untold.is_empty()
    }
}

/// Says so much, and waits until it is said again.
async fn exchange(socket: &mut TokioIo<hyper::upgrade::Upgraded>, bytes: usize) {
    socket.write_all(&vec![1; bytes]).await.expect("written");
    socket.read_exact(&mut vec![0; bytes]).await.expect("read");
}

#[tokio::test]
async fn an_open_socket_is_at_work_as_long_as_more_goes_through_it_than_keep_alives() {
    let world = World::new().await;
    let mut socket = world.socket().await;
    exchange(&mut socket, 1).await;
    assert!(world.happened(), "it was opened");
    assert!(!world.happened());
    for _ in 0..24 {
        exchange(&mut socket, 21).await;
    }
    assert!(!world.happened(), "an editor's tab that nobody looks at");
    for _ in 0..60 {
        exchange(&mut socket, 7).await;
    }
    assert!(world.happened(), "somebody types");
    exchange(&mut socket, 40_000).await;
    assert!(world.happened(), "something is copied");
    exchange(&mut socket, 40_000).await;
    drop(socket);
    while world.streams.count() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(world.happened(), "it was at work until it ended");
    assert!(!world.happened());
}

#[tokio::test]
async fn pages_that_ask_by_themselves_are_not_at_work_and_what_is_loaded_is() {
    let world = World::new().await;
    let (mut sender, connection) = http1::handshake(world.connect().await).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let mut ask = async |bytes: usize| {
        sender.ready().await.expect("ready");
        let request = Request::post("/").header(HOST, HOST_NAME).body(Full::new(Bytes::from(vec![1; bytes])));
        let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
        answer.into_body().collect().await.expect("a body").to_bytes().len()
    };
    for _ in 0..60 {
        assert_eq!(ask(300).await, 300);
    }
    assert!(!world.happened());
    assert_eq!(ask(300_000).await, 300_000);
    assert!(world.happened());
}
