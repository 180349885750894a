use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use berth_proxy_core::{Address, Question, Visit, Zones};
use berth_schema::connected::ConnectionKind;
use berth_schema::{WorkspaceId, WorkspaceName};
use bytes::Bytes;
use http::Method;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_KEY, UPGRADE};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Frame;
use hyper::ext::Protocol;
use hyper::server::conn as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod activity;
mod drain;
mod messages;
mod reuse;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::*;
use crate::body::full;
use crate::held::Held;
use crate::server::Target;
use crate::streams::Streams;

const HOST_NAME: &str = "8080-a.ws.example";

fn address() -> Address {
    Zones::new(["ws.example".to_owned()], 443).parse(HOST_NAME).expect("an address")
}

/// A workspace's program: it agrees to any WebSocket and says everything again, and so it does with bodies. What it was asked is handed on.
async fn workspace(heads: mpsc::UnboundedSender<http::request::Parts>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let heads = heads.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                let upgrade = hyper::upgrade::on(&mut request);
                let (head, body) = request.into_parts();
                let wants_socket = head.headers.contains_key(UPGRADE);
                let kind = head.headers.get(CONTENT_TYPE).cloned();
                heads.send(head).expect("somebody looks");
                let mut response = Response::new(body.map_err(Into::into).boxed_unsync());
                response.headers_mut().extend(kind.map(|kind| (CONTENT_TYPE, kind)));
                if wants_socket {
                    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                    response.headers_mut().insert(CONNECTION, "Upgrade".parse().expect("a value"));
                    response.headers_mut().insert(UPGRADE, "websocket".parse().expect("a value"));
                    *response.body_mut() = full("");
                    tokio::spawn(async move {
                        let mut socket = TokioIo::new(upgrade.await.expect("upgraded"));
                        let (mut reader, mut writer) = tokio::io::split(&mut socket);
                        let _ = tokio::io::copy(&mut reader, &mut writer).await;
                    });
                }
                async move { Ok::<_, Infallible>(response) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(socket), service).with_upgrades());
        }
    });
    address
}

struct World {
    streams: Streams,
    connections: Connections,
    question: Question,
    door: SocketAddr,
    heads: mpsc::UnboundedReceiver<http::request::Parts>,
    stop: CancellationToken,
    /// Of the door's connections.
    places: Arc<Semaphore>,
    all: TaskTracker,
    /// Told of each connection whose HTTP is over.
    over: mpsc::UnboundedReceiver<()>,
}

const PLACES: usize = 100;

impl World {
    /// A door to a program that says everything again.
    async fn new() -> Self {
        let (sender, heads) = mpsc::unbounded_channel();
        let place = workspace(sender).await;
        Self { heads, ..Self::to(place).await }
    }

    /// A door that lets everybody in, without TLS.
    async fn to(place: SocketAddr) -> Self {
        Self::with(place, Connections::default()).await
    }

    /// The same for another session, of a proxy that has connections already.
    async fn with(place: SocketAddr, connections: Connections) -> Self {
        let (_, heads) = mpsc::unbounded_channel();
        let question = Question { grant: [1; 32], workspace: WorkspaceId::random(), port: 8080 };
        let name = WorkspaceName::new("a").expect("a name");
        let port = Target { workspace: question.workspace, name, port: 8080 };
        let streams = Streams::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let door = listener.local_addr().expect("an address");
        let (known, kept) = (streams.clone(), connections.clone());
        let (stop, places, all) =
            (CancellationToken::new(), Arc::new(Semaphore::new(PLACES)), TaskTracker::new());
        let (tell, over) = mpsc::unbounded_channel();
        let (end, room, tracker, count) = (stop.clone(), Arc::clone(&places), all.clone(), Gauge::default());
        tokio::spawn(async move {
            let address = Arc::new(address());
            while let Ok((socket, _)) = listener.accept().await {
                let (streams, port, address) = (known.clone(), port.clone(), Arc::clone(&address));
                let (connections, tell) = (kept.clone(), tell.clone());
                let held = Arc::clone(&room).acquire_owned().await.expect("a place");
                let held = Held::new(&end, held, (&tracker, &count));
                let visit = Visit {
                    kind: ConnectionKind::Browser,
                    address: "192.0.2.1".parse().expect("an address"),
                };
                let service = service_fn(move |request| {
                    let grant = "a.b.c".to_owned().into();
                    let stream = streams.enter(question, Some(&grant), &port, visit).by(&held);
                    let (address, connections) = (Arc::clone(&address), connections.clone());
                    async move {
                        let peer: IpAddr = "192.0.2.1".parse().expect("an address");
                        let asked = Asked { address: &address, peer, issuer: "https://berth.example" };
                        let kind = Kind::of(&request);
                        let places = [place];
                        let answer = forward(request, kind, (asked, &places), &connections, stream);
                        Ok::<_, Infallible>(answer.await)
                    }
                });
                tokio::spawn(async move {
                    let mut begin = [0; 3];
                    socket.peek(&mut begin).await.expect("something is said");
                    let socket = TokioIo::new(socket);
                    let ended = if begin == *b"PRI" {
                        let mut builder = server::http2::Builder::new(TokioExecutor::new());
                        builder.enable_connect_protocol().serve_connection(socket, service).await
                    } else {
                        let connection = server::http1::Builder::new().serve_connection(socket, service);
                        connection.with_upgrades().await
                    };
                    // Some tests look at that, and have gone by then.
                    let _ = tell.send(());
                    ended
                });
            }
        });
        Self { streams, connections, question, door, heads, stop, places, all, over }
    }

    async fn connect(&self) -> TokioIo<TcpStream> {
        TokioIo::new(TcpStream::connect(self.door).await.expect("connected"))
    }

    /// A WebSocket by HTTP/1.1.
    async fn socket(&self) -> TokioIo<hyper::upgrade::Upgraded> {
        let (mut sender, connection) = http1::handshake(self.connect().await).await.expect("HTTP/1.1");
        tokio::spawn(connection.with_upgrades());
        let request = Request::get("/socket")
            .header(HOST, HOST_NAME)
            .header("origin", "https://8080-a.ws.example")
            .header(CONNECTION, "keep-alive, Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        TokioIo::new(hyper::upgrade::on(response).await.expect("upgraded"))
    }
}

async fn says_again(socket: &mut TokioIo<hyper::upgrade::Upgraded>) {
    for said in ["one", "two"] {
        socket.write_all(said.as_bytes()).await.expect("written");
        let mut heard = [0; 3];
        socket.read_exact(&mut heard).await.expect("read");
        assert_eq!(heard, said.as_bytes());
    }
}

#[tokio::test]
async fn a_websocket_passes_over_http_1_and_ends_when_it_is_cut() {
    let mut world = World::new().await;
    let (mut socket, mut another) = (world.socket().await, world.socket().await);
    says_again(&mut socket).await;
    says_again(&mut another).await;
    let head = world.heads.recv().await.expect("asked");
    assert_eq!((head.method, head.uri.path()), (Method::GET, "/socket"));
    assert_eq!(head.headers[HOST], HOST_NAME);
    assert_eq!(world.streams.cut(&world.question), 2);
    for socket in [&mut socket, &mut another] {
        let mut rest = Vec::new();
        assert!(socket.read_to_end(&mut rest).await.is_ok_and(|length| length == 0) || rest.is_empty());
    }
    assert_eq!(world.streams.count(), 0);
}

#[tokio::test]
async fn a_websocket_passes_over_http_2() {
    let mut world = World::new().await;
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), world.connect().await);
    let (mut sender, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(connection);
    // With its answer the client knows that the server takes an extended CONNECT.
    let first = Request::get("https://8080-a.ws.example/").body(Empty::<Bytes>::new()).expect("a request");
    assert_eq!(sender.send_request(first).await.expect("an answer").status(), StatusCode::OK);
    world.heads.recv().await.expect("asked");
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("https://8080-a.ws.example/socket?a=b")
        .extension(Protocol::from_static("websocket"))
        .header("origin", "https://8080-a.ws.example")
        .header("sec-websocket-version", "13");
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    says_again(&mut TokioIo::new(hyper::upgrade::on(response).await.expect("upgraded"))).await;
    let head = world.heads.recv().await.expect("asked");
    assert_eq!((head.method, head.version), (Method::GET, Version::HTTP_11));
    assert_eq!(head.uri.path_and_query().map(ToString::to_string).as_deref(), Some("/socket?a=b"));
    assert_eq!(head.headers[SEC_WEBSOCKET_KEY].len(), 24);
    assert_eq!(head.headers[UPGRADE], "websocket");
    assert_eq!(head.headers[CONNECTION], "Upgrade");
    assert!(!head.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn bodies_pass_as_they_come_both_ways() {
    let world = World::new().await;
    let (mut sender, connection) = http1::handshake(world.connect().await).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let (chunks, receiver) = mpsc::unbounded_channel::<Bytes>();
    let body = futures::stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(chunk)), receiver))
    });
    let request = Request::post("/echo").header(HOST, HOST_NAME);
    let request = request.body(StreamBody::new(Box::pin(body))).expect("a request");
    let mut response = sender.send_request(request).await.expect("an answer before the body has ended");
    for said in ["one", "two", "three"] {
        chunks.send(Bytes::from_static(said.as_bytes())).expect("sent");
        let frame = response.body_mut().frame().await.expect("a frame").expect("good");
        assert_eq!(frame.into_data().expect("data"), said.as_bytes());
    }
    drop(chunks);
    assert!(response.body_mut().frame().await.is_none(), "it ends as it ended");
    drop(response);
}

#[tokio::test]
async fn an_answer_that_goes_on_ends_when_it_is_cut() {
    let world = World::new().await;
    let (mut sender, connection) = http1::handshake(world.connect().await).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let body = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let request = Request::post("/echo").header(HOST, HOST_NAME).body(body).expect("a request");
    let mut response = sender.send_request(request).await.expect("an answer");
    assert_eq!(world.streams.cut(&world.question), 1);
    assert!(response.body_mut().frame().await.is_none_or(|frame| frame.is_err()), "it goes on");
}

#[tokio::test]
async fn of_two_lengths_of_one_body_the_workspace_gets_one() {
    let mut world = World::new().await;
    for both in [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ] {
        let mut socket = TcpStream::connect(world.door).await.expect("connected");
        let body = "5\r\nabcde\r\n0\r\n\r\n";
        let asked =
            format!("POST / HTTP/1.1\r\nhost: {HOST_NAME}\r\nconnection: close\r\n{both}\r\n\r\n{body}");
        socket.write_all(asked.as_bytes()).await.expect("written");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("abcde"), "{answer}");
        let head = world.heads.recv().await.expect("asked");
        assert!(!head.headers.contains_key("content-length"), "{head:?}");
        let said: Vec<_> = head.headers.get_all("transfer-encoding").iter().collect();
        assert_eq!(said, ["chunked"]);
    }
}

#[tokio::test]
async fn tunnels_and_other_protocols_are_not_served() {
    let mut world = World::new().await;
    let mut socket = TcpStream::connect(world.door).await.expect("connected");
    let asked = "CONNECT 10.0.0.1:22 HTTP/1.1\r\nhost: 8080-a.ws.example\r\n\r\n";
    socket.write_all(asked.as_bytes()).await.expect("written");
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 405");
    // What is asked for beside HTTP is passed over.
    let (mut sender, connection) = http1::handshake(world.connect().await).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request =
        Request::get("/").header(HOST, HOST_NAME).header(CONNECTION, "upgrade").header(UPGRADE, "h2c");
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    assert_eq!(sender.send_request(request).await.expect("an answer").status(), StatusCode::OK);
    assert!(!world.heads.recv().await.expect("asked").headers.contains_key(UPGRADE));
}
