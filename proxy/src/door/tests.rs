use std::net::SocketAddr;

use berth_proxy_core::{Change, SealKey, Sealer, Zones};
use berth_schema::kubernetes::{AGENT_ID, HOST_TEMPLATE, WORKSPACE_ID, WORKSPACE_NAME, own_namespace};
use berth_schema::{AgentId, OrganizationId, WorkspaceId, WorkspaceName};
use jiff::SignedDuration;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::authorise::question;
use crate::held::Held;
use crate::identity::{Identity, TokenFile};
use crate::listen::{http1, http2};
use crate::server::Server;

mod activity;
mod drain;
mod framing;
mod logs;
mod presence;
mod public;

const HOST_NAME: &str = "8080-a.ws.example";
const PLACES: usize = 100;
/// Of HTTP/2; whoever waits for its end does not wait long.
const IDLE: std::time::Duration = std::time::Duration::from_millis(50);
const VISIT: Visit =
    Visit { kind: ConnectionKind::Browser, address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };
const PAGE: &str = "sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\nsec-fetch-site: none\r\n";

struct World {
    shared: Arc<Shared>,
    stop: CancellationToken,
    /// What is open.
    connections: TaskTracker,
    places: Arc<Semaphore>,
    server: MockServer,
    /// What stands for the API server.
    cluster: MockServer,
    door: SocketAddr,
    _directory: tempfile::TempDir,
}

impl World {
    /// A door, without TLS, to a workspace that does not run.
    async fn new() -> Self {
        Self::speaking(Version::HTTP_11).await
    }

    async fn speaking(version: Version) -> Self {
        // There is one for the whole process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (server, cluster) = (MockServer::start().await, MockServer::start().await);
        let directory = tempfile::tempdir().expect("a directory");
        let token = directory.path().join("token");
        berth_secret_file::replace(&token, b"e30.e30.x").expect("written");
        let url =
            server.uri().parse::<berth_schema::ServerUrl>().expect("a URL").for_token(false).expect("ours");
        let asked = Server::new(&url, TokenFile::new(&token), None).expect("a client");
        let agent = AgentId::random();
        let identity = Identity {
            organization: OrganizationId::random(),
            agent,
            client_id: "proxy/o/a".to_owned(),
            issuer: "https://b.example".to_owned(),
        };
        let zones = Zones::new(["ws.example".to_owned()], 443);
        let key = SealKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("a key");
        let sealer = Sealer::new(&key).expect("a sealer");
        let address = cluster.uri().parse().expect("an address");
        let client = kube::Client::try_from(kube::Config::new(address)).expect("a client");
        let reached = (asked, client);
        let shared =
            Arc::new(Shared::new((identity, zones), "https://b.example".to_owned(), reached, sealer));
        let (id, name) = (WorkspaceId::random(), WorkspaceName::new("a").expect("a name"));
        let service = json!({
            "metadata": {
                "name": "a", "namespace": own_namespace(&name, id),
                "labels": {AGENT_ID: agent, WORKSPACE_ID: id, WORKSPACE_NAME: "a"},
                "annotations": {HOST_TEMPLATE: "{{port}}-a.ws.example"},
            },
            // Which ports are open, the server says.
            "spec": {"ports": [{"port": 60001}]},
        });
        let service = serde_json::from_value(service).expect("a Service");
        shared.directory().service(Change::Written(&service)).expect("believed");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let door = listener.local_addr().expect("an address");
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let places = Arc::new(Semaphore::new(PLACES));
        let (room, all, end, parts) =
            (Arc::clone(&places), connections.clone(), stop.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let place = Arc::clone(&room).acquire_owned().await.expect("a place");
                let door = Door {
                    shared: Arc::clone(&parts),
                    held: Held::new(&end, place, (&all, &parts.metrics.connections)),
                    peer: "192.0.2.1".parse().expect("an address"),
                    name: Some(HOST_NAME.into()),
                };
                tokio::spawn(async move {
                    match version {
                        Version::HTTP_2 => http2(socket, door, IDLE).await,
                        _ => http1(socket, door).await,
                    }
                });
            }
        });
        Self { shared, stop, connections, places, server, cluster, door, _directory: directory }
    }

    /// The answer to those bytes, until the connection ends.
    async fn say(&self, bytes: &str) -> String {
        let mut socket = TcpStream::connect(self.door).await.expect("connected");
        socket.write_all(bytes.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        self.say(&format!("GET {path} HTTP/1.1\r\nhost: {HOST_NAME}\r\nconnection: close\r\n{headers}\r\n"))
            .await
    }

    /// The header of somebody who was let in.
    fn cookie(&self) -> String {
        let address = self.shared.zones.parse(HOST_NAME).expect("an address");
        let Place::Workspace(workspace, _) = self.shared.directory().find(&address) else {
            panic!("nowhere")
        };
        self.cookie_of(workspace)
    }

    /// The same of somebody who was let in when another workspace had the name.
    fn cookie_of(&self, workspace: WorkspaceId) -> String {
        let address = self.shared.zones.parse(HOST_NAME).expect("an address");
        let now = Shared::now();
        let session =
            Session::new("a.b.c".to_owned().into(), workspace, now + SignedDuration::from_hours(1), now);
        let cookie = self.shared.keep(&session, &address).expect("a cookie");
        let pair = cookie.to_str().expect("ASCII").split(';').next().expect("a pair");
        format!("cookie: {pair}\r\n")
    }

    /// What a browser comes to that the sign-in leads back, with those cookies besides its own.
    async fn come_back(&self, kept: &str) -> String {
        let led = self.get("/", PAGE).await;
        let between = |from: &str, to: &str| {
            let (_, rest) = led.split_once(from).expect("it leads to the sign-in");
            rest.split(to).next().expect("its end").to_owned()
        };
        let (state, cookie) = (between("state=", "\r\n"), between("set-cookie: ", ";"));
        let path = format!("/.berth/callback?code=a.b.c&state={state}&iss=https%3A%2F%2Fb.example");
        self.get(&path, &format!("{PAGE}cookie: {cookie}{kept}\r\n")).await
    }

    async fn decides(&self, answer: ResponseTemplate) {
        self.server.reset().await;
        let decision = Mock::given(method("GET")).and(path("/api/v1/proxy/decision"));
        decision.respond_with(answer).mount(&self.server).await;
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn one_host_is_asked_in_one_way() {
    let world = World::new().await;
    let ask = async |first: &str, headers: &str| {
        status(&world.say(&format!("{first}\r\n{headers}connection: close\r\n\r\n")).await).to_owned()
    };
    let own = "host: 8080-a.ws.example\r\n";
    assert_eq!(ask("GET / HTTP/1.1", own).await, "401");
    assert_eq!(ask("GET https://8080-a.ws.example/ HTTP/1.1", own).await, "401");
    for (first, headers, expected) in [
        ("GET / HTTP/1.1", "", "400"),
        ("GET / HTTP/1.0", "", "400"),
        ("GET / HTTP/1.1", "host: 8080-a.ws.example\r\nhost: 8080-b.ws.example\r\n", "400"),
        ("GET / HTTP/1.1", "host: 8080-a.ws.example\r\nhost: 8080-a.ws.example\r\n", "400"),
        ("GET https://8080-b.ws.example/ HTTP/1.1", own, "400"),
        ("GET https://evil.example/ HTTP/1.1", own, "400"),
        ("GET / HTTP/1.1", "host: 8080-b.ws.example\r\n", "421"),
        ("GET / HTTP/1.1", "host: 8081-a.ws.example\r\n", "421"),
        ("GET / HTTP/1.1", "host: evil.example\r\n", "404"),
        ("GET / HTTP/1.1", "host: 8080-a.ws.example:8443\r\n", "404"),
        ("GET / HTTP/1.1", "host: 8080-a.ws.example.\r\n", "404"),
    ] {
        assert_eq!(ask(first, headers).await, expected, "{first} {headers}");
    }
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_led_there_by_a_page_alone() {
    let world = World::new().await;
    for asked in ["/", "//evil.example/", "/a?b=c"] {
        let answer = world.get(asked, PAGE).await;
        assert_eq!(status(&answer), "303", "{answer}");
        assert!(answer.contains(
            "location: https://b.example/oauth/authorize?response_type=code&client_id=proxy%2Fo%2Fa"
        ));
        assert!(
            answer.contains("set-cookie: __Host-berth-login-") && answer.contains("cache-control: no-store")
        );
        assert!(!answer.contains("evil"), "{answer}");
    }
    assert_eq!(status(&world.get("/", "").await), "401");
    assert_eq!(status(&world.get("/", "sec-fetch-site: same-site\r\nsec-fetch-mode: cors\r\n").await), "403");
    assert_eq!(status(&world.get("/.berth/other", PAGE).await), "404");
    for query in ["", "?state=x", "?state=a.b&code=c", "?state=a.b&state=a.b&code=c"] {
        let answer = world.get(&format!("/.berth/callback{query}"), PAGE).await;
        assert_eq!(status(&answer), "400", "{query}");
        assert!(!answer.contains("location:"), "{query}");
    }
    assert!(world.server.received_requests().await.expect("recorded").is_empty(), "the server was asked");
}

#[tokio::test]
async fn what_the_server_says_is_done() {
    let world = World::new().await;
    let until = Shared::now() + SignedDuration::from_hours(1);
    let cookie = world.cookie();
    let get = async |headers: &str| status(&world.get("/", &format!("{cookie}{headers}")).await).to_owned();
    world.decides(ResponseTemplate::new(500)).await;
    assert_eq!(get("").await, "503", "nobody new without an answer");
    let denied =
        |why: &str| ResponseTemplate::new(200).set_body_json(json!({"decision": "denied", "why": why}));
    for why in ["workspace", "membership", "port"] {
        world.decides(denied(why)).await;
        assert_eq!(get("").await, "404", "{why}");
    }
    world.decides(denied("session")).await;
    assert_eq!((get("").await, get(PAGE).await), ("401".to_owned(), "303".to_owned()));
    world
        .decides(ResponseTemplate::new(200).set_body_json(json!({"decision": "allowed", "until": until})))
        .await;
    let answer = world.get("/", &cookie).await;
    assert!(status(&answer) == "503" && answer.contains("does not run"), "{answer}");
    let asked = world.server.received_requests().await.expect("recorded");
    let asked = asked.first().expect("asked");
    assert_eq!(asked.headers["berth-grant"], "a.b.c");
    assert_eq!(asked.headers["authorization"], "Bearer e30.e30.x");
    assert!(asked.url.query().is_some_and(|query| query.ends_with("&name=a&port=8080")), "{}", asked.url);
    // For a while nobody is asked, and what was allowed outlives the server's silence.
    world.decides(ResponseTemplate::new(500)).await;
    assert_eq!(get("").await, "503");
    assert!(world.server.received_requests().await.expect("recorded").is_empty(), "it was asked again");
    assert_eq!(
        status(&world.get("/", &cookie.replace("berth-workspace=", "berth-workspace=A")).await),
        "401"
    );
}

#[tokio::test]
async fn whose_workspace_it_is_hears_how_a_port_is_opened_and_nobody_else_that_there_is_one() {
    let world = World::new().await;
    let cookie = world.cookie();
    let denied = |why: &str| json!({"decision": "denied", "why": why});
    let get = async |why: &str| {
        world.decides(ResponseTemplate::new(200).set_body_json(denied(why))).await;
        world.get("/", &format!("{cookie}{PAGE}")).await
    };
    let (theirs, anothers) = (get("port").await, get("workspace").await);
    assert_eq!((status(&theirs), status(&anothers)), ("404", "404"));
    assert!(theirs.contains("berth ports open a 8080"), "{theirs}");
    assert!(anothers.contains("There is nothing here") && !anothers.contains("8080"), "{anothers}");
    // As it is opened, the next request is asked about anew.
    let until = Shared::now() + SignedDuration::from_hours(1);
    let allowed = json!({"decision": "allowed", "until": until});
    world.decides(ResponseTemplate::new(200).set_body_json(allowed)).await;
    assert_eq!(status(&world.get("/", &cookie).await), "503", "it does not run, and is theirs");
    // Who comes from the sign-in hears the same.
    for (why, words) in [("port", "berth ports open a 8080"), ("workspace", "There is nothing here")] {
        world.server.reset().await;
        let answer = ResponseTemplate::new(200).set_body_json(denied(why));
        Mock::given(method("POST")).respond_with(answer).mount(&world.server).await;
        let back = world.come_back("").await;
        assert!(status(&back) == "404" && back.contains(words), "{back}");
    }
}

/// A token as the server signs them, for the workspace of this world. The server that verifies it is not here.
fn token(world: &World) -> String {
    use base64::Engine as _;
    let address = world.shared.zones.parse(HOST_NAME).expect("an address");
    let Place::Workspace(workspace, _) = world.shared.directory().find(&address) else { panic!("nowhere") };
    let audience = berth_schema::connection::token_audience("https://b.example", "proxy/o/a", workspace);
    let until = Shared::now().as_second() + 60;
    let claims = format!(r#"{{"aud":"{audience}","exp":{until}}}"#);
    format!("e30.{}.c2ln", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test]
async fn a_programs_token_is_asked_about_each_time_and_makes_no_cookie() {
    let world = World::new().await;
    let token = token(&world);
    let get = async |headers: &str| world.get("/", &format!("berth-token: {token}\r\n{headers}")).await;
    let until = Shared::now() + SignedDuration::from_hours(1);
    let allowed = json!({"decision": "allowed", "until": until, "grant": "d.e.f", "grant_until": until});
    world.decides(ResponseTemplate::new(200).set_body_json(allowed)).await;
    for _ in 0..2 {
        let answer = get("").await;
        assert!(status(&answer) == "503" && answer.contains("does not run"), "{answer}");
        assert!(!answer.contains("set-cookie"), "{answer}");
    }
    let own = format!("origin: https://{HOST_NAME}\r\n");
    assert_eq!(status(&get(&own).await), "503", "a page that was given one");
    assert_eq!(status(&get("origin: https://8081-a.ws.example\r\n").await), "403");
    assert_eq!(world.server.received_requests().await.expect("recorded").len(), 3, "each is asked about");
    let answer = world.get("/.berth/ssh", &format!("berth-token: {token}\r\n")).await;
    assert_eq!(status(&answer), "400", "it is no WebSocket: {answer}");
    let asked = world.server.received_requests().await.expect("recorded").pop().expect("asked");
    assert_eq!(asked.headers["berth-grant"], token.as_str());
    assert!(asked.url.query().is_some_and(|query| query.ends_with("&name=a&port=60022")), "{}", asked.url);
    assert_eq!(status(&world.get("/.berth/other", &format!("berth-token: {token}\r\n")).await), "404");
    let denied = json!({"decision": "denied", "why": "workspace"});
    world.decides(ResponseTemplate::new(200).set_body_json(denied)).await;
    assert_eq!(status(&get("").await), "401");
    world.decides(ResponseTemplate::new(500)).await;
    assert_eq!(status(&get("").await), "503", "nobody new without an answer");
}

#[tokio::test]
async fn whoever_has_no_good_token_makes_nobody_ask_and_is_told_nothing() {
    let world = World::new().await;
    for wrong in ["a.b.c", "e30.e30.x", ""] {
        for path in ["/", "/.berth/ssh"] {
            let answer = world.get(path, &format!("berth-token: {wrong}\r\n")).await;
            assert_eq!(status(&answer), "401", "{wrong} {answer}");
            assert!(!answer.contains("location:") && !answer.contains("set-cookie"), "{answer}");
        }
    }
    let token = token(&world);
    let twice = format!("berth-token: {token}\r\nberth-token: {token}\r\n");
    assert_eq!(status(&world.get("/", &twice).await), "401");
    assert_eq!(status(&world.get(&format!("/?berth-token={token}"), "").await), "401");
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let own = format!("origin: https://{HOST_NAME}\r\n");
    let cookie = world.cookie();
    let by_cookie = world.get("/.berth/ssh", &format!("{upgrade}{own}{cookie}")).await;
    assert_eq!(status(&by_cookie), "404", "no browser's cookie opens a tunnel");
    assert!(world.server.received_requests().await.expect("recorded").is_empty(), "the server was asked");
}

#[tokio::test]
async fn what_is_open_is_closed_by_the_first_no() {
    let world = World::new().await;
    let name = WorkspaceName::new("a").expect("a name");
    let port = Target { workspace: WorkspaceId::random(), name, port: 8080 };
    let grant = "a.b.c".to_owned().into();
    let question = question(Some(&grant), &port);
    let until = Shared::now() + SignedDuration::from_hours(1);
    let allowed = ResponseTemplate::new(200).set_body_json(json!({"decision": "allowed", "until": until}));
    world.decides(allowed).await;
    assert_eq!(world.shared.may(question, Some(&grant), &port).await, Verdict::Allowed);
    let stream = world.shared.streams.enter(question, Some(&grant), &port, VISIT);
    let shared = Arc::clone(&world.shared);
    let asking = tokio::spawn(shared.keep_asking(std::time::Duration::from_millis(10)));
    world.decides(ResponseTemplate::new(500)).await;
    while world.server.received_requests().await.expect("recorded").len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!stream.cut().is_cancelled(), "silence closes nothing yet");
    let no = json!({"decision": "denied", "why": "session"});
    world.decides(ResponseTemplate::new(200).set_body_json(no)).await;
    stream.cut().cancelled().await;
    asking.abort();
}

#[tokio::test]
async fn whoever_comes_to_a_workspace_that_does_not_run_waits_where_they_are_told_why() {
    let world = World::new().await;
    let until = Shared::now() + SignedDuration::from_hours(1);
    let allowed = ResponseTemplate::new(200).set_body_json(json!({"decision": "allowed", "until": until}));
    world.decides(allowed).await;
    let cookie = world.cookie();
    let led = |answer: &str| {
        let (_, location) = answer.split_once("location: ").expect("it leads on");
        location.lines().next().expect("an address").parse::<url::Url>().expect("an address")
    };
    let page = led(&world.get("/files/a?secret=b", &format!("{cookie}{PAGE}")).await);
    let path = format!("/organizations/{}/workspaces/", world.shared.identity.organization);
    assert!(page.as_str().starts_with(&format!("https://b.example{path}")), "{page}");
    assert!(page.path().ends_with("/wait") && !page.as_str().contains("secret"), "{page}");
    let of =
        |wanted: &str| page.query_pairs().find(|(name, _)| name == wanted).expect("there").1.into_owned();
    assert_eq!(of("port"), "8080");
    // And back, whoever asks: what was wanted is asked for anew.
    let back = led(&world.get(&format!("/.berth/onward?to={}", of("to")), "").await);
    assert_eq!(back.as_str(), "https://8080-a.ws.example/files/a?secret=b");
    for wrong in ["/.berth/onward", "/.berth/onward?to=https://evil.example/", "/.berth/onward?to=AAAA"] {
        assert_eq!(led(&world.get(wrong, "").await).as_str(), "https://8080-a.ws.example/", "{wrong}");
    }
    // What a page asks for is told in a word.
    let part = world.get("/", &cookie).await;
    assert!(status(&part) == "503" && !part.contains("location"), "{part}");
    let posted = format!(
        "POST /.berth/onward HTTP/1.1\r\nhost: {HOST_NAME}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    assert_eq!(status(&world.say(&posted).await), "404");
}
