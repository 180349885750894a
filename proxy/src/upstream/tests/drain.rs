//! What is open when the program is to end.

use berth_proxy_core::GOING_AWAY;

use super::*;

#[tokio::test]
async fn a_websocket_has_its_place_until_it_ends_and_is_told_that_the_proxy_goes() {
    let mut world = World::new().await;
    let mut socket = world.socket().await;
    world.over.recv().await.expect("HTTP is over once it is agreed");
    assert_eq!((world.places.available_permits(), world.all.len()), (PLACES - 1, 1));
    // Of a message to the browser a part is on its way, behind which nothing else may be said.
    let (first, rest) = (b"\x81\x05abc", b"de");
    socket.write_all(first).await.expect("written");
    let mut heard = [0; 5];
    socket.read_exact(&mut heard).await.expect("read");
    world.stop.cancel();
    socket.write_all(rest).await.expect("written");
    let mut heard = Vec::new();
    socket.read_to_end(&mut heard).await.expect("read");
    assert_eq!(heard, [rest, GOING_AWAY.as_slice()].concat());
    world.all.close();
    world.all.wait().await;
    assert_eq!((world.places.available_permits(), world.streams.count()), (PLACES, 0));
}

#[tokio::test]
async fn a_quiet_websocket_is_told_as_well() {
    let world = World::new().await;
    let mut socket = world.socket().await;
    world.stop.cancel();
    let mut heard = Vec::new();
    socket.read_to_end(&mut heard).await.expect("read");
    assert_eq!(heard, GOING_AWAY);
}

#[tokio::test]
async fn events_end_as_a_whole_answer_and_a_download_goes_on() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for kind in ["text/event-stream; charset=utf-8", "application/octet-stream"] {
        let (mut sender, connection) = http1::handshake(world.connect().await).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        let (chunks, receiver) = mpsc::unbounded_channel::<Bytes>();
        let body = futures::stream::unfold(receiver, |mut receiver| async move {
            Some((Ok::<_, Infallible>(Frame::data(receiver.recv().await?)), receiver))
        });
        let request = Request::post("/echo").header(HOST, HOST_NAME).header(CONTENT_TYPE, kind);
        let request = request.body(StreamBody::new(Box::pin(body))).expect("a request");
        let response = sender.send_request(request).await.expect("an answer before the body has ended");
        answers.push((chunks, response, sender));
    }
    world.stop.cancel();
    let [(_events, heard, _), (download, got, _)] = answers.as_mut_slice() else { panic!("two") };
    assert!(heard.body_mut().frame().await.is_none(), "it ends, and not as what is cut");
    download.send(Bytes::from_static(b"more")).expect("sent");
    let more = got.body_mut().frame().await.expect("a frame").expect("good");
    assert_eq!(more.into_data().expect("data"), b"more".as_slice());
}
