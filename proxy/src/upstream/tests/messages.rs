//! What HTTP may say beside a body, and bodies of any length.

use super::*;
use http::HeaderMap;

/// A workspace's program that hears one request up to the end of `until`, and answers with these bytes. What it heard is handed on.
async fn scripted(
    until: &'static str,
    answers: impl IntoIterator<Item = &'static str, IntoIter: Send> + Send + 'static,
) -> (World, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let place = listener.local_addr().expect("an address");
    let (sender, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut said = String::new();
            while !said.ends_with(until) {
                let mut some = [0; 1_024];
                let length = socket.read(&mut some).await.expect("read");
                assert!(length > 0, "it ended after {said:?}");
                said.push_str(str::from_utf8(&some[..length]).expect("text"));
            }
            sender.send(said).expect("somebody looks");
            socket.write_all(answer.as_bytes()).await.expect("written");
        }
    });
    (World::to(place).await, heard)
}

/// The answer to those bytes, until the connection ends.
async fn say(world: &World, bytes: &str) -> String {
    let mut socket = TcpStream::connect(world.door).await.expect("connected");
    socket.write_all(bytes.as_bytes()).await.expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let (world, mut heard) = scripted("x-of: 9\r\n\r\n", [answer]).await;
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), world.connect().await);
    let (mut sender, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-of", "9".parse().expect("a value"));
    let frames = [Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)];
    let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Infallible>)));
    let request =
        Request::post("https://8080-a.ws.example/").header("te", "trailers").header("trailer", "x-of");
    let response = sender.send_request(request.body(body).expect("a request")).await.expect("an answer");
    let collected = response.into_body().collect().await.expect("a body");
    assert_eq!(collected.trailers().expect("trailers")["x-sum"], "7");
    assert_eq!(collected.to_bytes(), "ok");
    let heard = heard.recv().await.expect("asked");
    assert!(heard.ends_with("4\r\nbody\r\n0\r\nx-of: 9\r\n\r\n"), "{heard:?}");
}

#[tokio::test]
async fn parts_of_a_file_and_what_has_no_body_pass_as_they_are() {
    let (world, mut heard) = scripted(
        "\r\n\r\n",
        [
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 2-4/10\r\naccept-ranges: bytes\r\ncontent-length: 3\r\n\r\ncde",
            "HTTP/1.1 200 OK\r\ncontent-length: 5000000000\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ],
    )
    .await;
    let ask = async |method: &str, header: &str| {
        let asked =
            format!("{method} /file HTTP/1.1\r\nhost: {HOST_NAME}\r\nconnection: close\r\n{header}\r\n");
        say(&world, &asked).await.to_ascii_lowercase()
    };
    let part = ask("GET", "range: bytes=2-4\r\nif-range: \"a\"\r\n").await;
    assert!(part.starts_with("http/1.1 206") && part.contains("content-range: bytes 2-4/10\r\n"), "{part}");
    assert!(part.ends_with("\r\n\r\ncde"), "{part}");
    let asked = heard.recv().await.expect("asked");
    assert!(asked.contains("range: bytes=2-4\r\n") && asked.contains("if-range: \"a\"\r\n"), "{asked}");
    let empty = ask("HEAD", "").await;
    assert!(empty.contains("content-length: 5000000000\r\n") && empty.ends_with("\r\n\r\n"), "{empty}");
    let unchanged = ask("GET", "if-none-match: \"a\"\r\n").await;
    assert!(unchanged.starts_with("http/1.1 304") && unchanged.contains("etag: \"a\""), "{unchanged}");
    assert!(ask("DELETE", "").await.starts_with("http/1.1 204"));
}

#[tokio::test]
async fn whoever_waits_for_leave_to_send_a_body_is_given_it() {
    let (world, mut heard) = scripted("hello", ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]).await;
    let mut socket = TcpStream::connect(world.door).await.expect("connected");
    let asked = format!(
        "PUT / HTTP/1.1\r\nhost: {HOST_NAME}\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(asked.as_bytes()).await.expect("written");
    let mut leave = [0; 25];
    socket.read_exact(&mut leave).await.expect("leave");
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"hello").await.expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    assert!(heard.recv().await.expect("asked").ends_with("\r\n\r\nhello"));
}

#[tokio::test]
async fn events_come_one_by_one_while_the_answer_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let world = World::to(listener.local_addr().expect("an address")).await;
    let (mut sender, connection) = http1::handshake(world.connect().await).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = Request::get("/events").header(HOST, HOST_NAME).header("accept", "text/event-stream");
    let asked = tokio::spawn(sender.send_request(request.body(Empty::<Bytes>::new()).expect("a request")));
    let (mut program, _) = listener.accept().await.expect("a connection");
    program.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await.expect("written");
    let mut response = asked.await.expect("asked").expect("an answer");
    for event in ["data: 1\n\n", "data: 2\n\n", ": still there\n\n"] {
        program.write_all(event.as_bytes()).await.expect("written");
        let frame = response.body_mut().frame().await.expect("a frame").expect("good");
        assert_eq!(frame.into_data().expect("data"), event);
    }
    // Whoever goes away is gone for the program too.
    drop((response, sender));
    let mut rest = [0; 1_024];
    while program.read(&mut rest).await.is_ok_and(|length| length > 0) {}
}

/// Of a gigabyte that nobody takes, what is under way is all that waits in the proxy.
#[tokio::test]
async fn a_body_that_nobody_takes_is_not_kept() {
    const MOST: usize = 16 * 1_024 * 1_024;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let world = World::to(listener.local_addr().expect("an address")).await;
    let mut browser = TcpStream::connect(world.door).await.expect("connected");
    let asked = format!("GET /big HTTP/1.1\r\nhost: {HOST_NAME}\r\n\r\n");
    browser.write_all(asked.as_bytes()).await.expect("written");
    let (mut program, _) = listener.accept().await.expect("a connection");
    program.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n").await.expect("written");
    let piece = vec![7; 64 * 1_024];
    let mut taken = 0;
    // It stops to take more, which no deadline of a machine decides: the pieces that fit are counted.
    while let Ok(written) = tokio::time::timeout(Duration::from_secs(2), program.write(&piece)).await {
        taken += written.expect("written");
        assert!(taken < MOST, "{taken} bytes were taken that nobody reads");
    }
    // And goes on where somebody reads.
    let mut read = 0;
    let mut some = vec![0; 64 * 1_024];
    while read < taken / 2 {
        let length = browser.read(&mut some).await.expect("read");
        assert!(length > 0, "it ended after {read}");
        read += length;
    }
    program.write_all(&piece).await.expect("written");
}
