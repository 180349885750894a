//! How connections end of which nobody has a use.

use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

#[tokio::test]
async fn a_connection_of_http_2_by_which_nothing_is_asked_ends_and_gives_its_place_back() {
    let world = World::speaking(Version::HTTP_2).await;
    let socket = TokioIo::new(TcpStream::connect(world.door).await.expect("connected"));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("https://{HOST_NAME}/")).body(Empty::<bytes::Bytes>::new());
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    // The client answers whatever it is asked: it is there, and says nothing.
    connection.await.expect("joined").expect("it is ended in order");
    world.connections.close();
    world.connections.wait().await;
    assert_eq!(world.places.available_permits(), PLACES);
}

#[tokio::test]
async fn what_waits_for_requests_ends_when_the_program_does() {
    let world = World::new().await;
    let mut socket = TcpStream::connect(world.door).await.expect("connected");
    socket
        .write_all(format!("GET / HTTP/1.1\r\nhost: {HOST_NAME}\r\n\r\n").as_bytes())
        .await
        .expect("written");
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.expect("an answer");
    assert_eq!(world.connections.len(), 1);
    world.stop.cancel();
    world.connections.close();
    world.connections.wait().await;
    assert_eq!(world.places.available_permits(), PLACES);
}
