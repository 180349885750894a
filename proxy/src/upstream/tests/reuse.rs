//! Connections that are used again.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use http::header::CONTENT_LENGTH;

/// A workspace's program that answers `each` requests on a connection, all of them "ok", and closes it then without a word. How many
/// connections it has had, and how many have ended.
async fn program(each: usize) -> (SocketAddr, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let place = listener.local_addr().expect("an address");
    let (begun, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counts = (Arc::clone(&begun), Arc::clone(&ended));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counts.0.fetch_add(1, Ordering::SeqCst);
            let ended = Arc::clone(&counts.1);
            tokio::spawn(async move {
                for _ in 0..each {
                    let mut said = Vec::new();
                    while !said.ends_with(b"\r\n\r\n") {
                        let mut some = [0; 1_024];
                        match socket.read(&mut some).await {
                            Ok(length) if length > 0 => said.extend_from_slice(&some[..length]),
                            _ => {
                                ended.fetch_add(1, Ordering::SeqCst);
                                return;
                            }
                        }
                    }
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    socket.write_all(answer.as_bytes()).await.expect("written");
                }
                drop(socket);
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    (place, begun, ended)
}

async fn asks(world: &World, times: usize) {
    let (mut sender, connection) = http1::handshake(world.connect().await).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    for _ in 0..times {
        let request = Request::get("/").header(HOST, HOST_NAME).body(Empty::<Bytes>::new());
        sender.ready().await.expect("it goes on");
        let response = sender.send_request(request.expect("a request")).await.expect("an answer");
        assert_eq!(
            (response.status(), &response.headers()[CONTENT_LENGTH]),
            (StatusCode::OK, &"2".parse().expect("a value"))
        );
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "ok");
        // What was read to its end is kept by a task of its own.
        until(|| world.connections.kept() == 1).await;
    }
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_one_session_asks_goes_over_one_connection_and_nobody_elses_does() {
    let (place, begun, _) = program(usize::MAX).await;
    let world = World::to(place).await;
    asks(&world, 5).await;
    assert_eq!(begun.load(Ordering::SeqCst), 1);
    let another = World::with(place, world.connections.clone()).await;
    let (mut sender, connection) = http1::handshake(another.connect().await).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = Request::get("/").header(HOST, HOST_NAME).body(Empty::<Bytes>::new()).expect("a request");
    assert_eq!(sender.send_request(request).await.expect("an answer").status(), StatusCode::OK);
    assert_eq!(begun.load(Ordering::SeqCst), 2, "another session's question is asked on its own");
}

#[tokio::test]
async fn a_program_that_closes_its_connections_is_asked_over_new_ones() {
    let (place, begun, ended) = program(2).await;
    let world = World::to(place).await;
    for round in 1..=5 {
        asks(&world, 1).await;
        let (mut sender, connection) = http1::handshake(world.connect().await).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        let request =
            Request::get("/").header(HOST, HOST_NAME).body(Empty::<Bytes>::new()).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "ok");
        until(|| ended.load(Ordering::SeqCst) == round && world.connections.kept() == 0).await;
        assert_eq!(begun.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn what_is_cut_takes_its_connection_along_and_one_that_nobody_uses_ends() {
    let (place, begun, ended) = program(usize::MAX).await;
    let world = World::to(place).await;
    asks(&world, 1).await;
    // A request that is not whole: the program waits for the rest of it.
    let mut socket = TcpStream::connect(world.door).await.expect("connected");
    let asked = format!("POST / HTTP/1.1\r\nhost: {HOST_NAME}\r\ncontent-length: 9\r\n\r\n123");
    socket.write_all(asked.as_bytes()).await.expect("written");
    until(|| world.streams.count() == 1 && world.connections.kept() == 0).await;
    assert_eq!(world.streams.cut(&world.question), 1);
    until(|| ended.load(Ordering::SeqCst) == 1).await;
    assert_eq!(begun.load(Ordering::SeqCst), 1, "it was the same connection");
    // After the idle time nothing is kept, and the program sees its end.
    asks(&world, 1).await;
    until(|| ended.load(Ordering::SeqCst) == 2).await;
    assert_eq!(world.connections.kept(), 0);
}
