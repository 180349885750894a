//! What it costs that a request is authenticated, authorised and put on record: a read and a write by the REST API, beside a bare
//! actix-web handler that says the same to Postgres, message by message, and answers with the same bytes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context as _, ensure};
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::Actor;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::figure::{Figures, Goal, percentile};
use crate::replay::Replay;
use crate::tap::{Connection, Flight, Message, Tap};
use crate::wire::Wire;

const ROUNDS: usize = 1_000;
/// So often a request is tried until two in a row were alone with Postgres: the server's own tasks ask as well.
const TRIES: usize = 200;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let at: SocketAddr = authority(&url).context("a URL without an address")?.parse()?;

    // Of a first server it is learned what is said; a second one without anything in between is measured.
    let tap = Tap::before(at).await?;
    let tapped = url.replacen(&at.to_string(), &tap.address.to_string(), 1);
    let server = Server::start(ServerOptions::new(tapped, dir.path()).for_load()).await?;
    let (token, kek) = (server.first_token()?, server.kek().to_owned());
    let admin = Actor::new(server.url(), token.clone()).await?;
    let project = admin.post("projects", &json!({"name": "shop", "settings": {}})).await?.body;
    let path = project["path"].as_str().context("a project without a path")?;
    let organization = admin.path("");
    let place = format!("{organization}projects/{path}");
    let read = request("GET", &place, token.expose_secret(), "");
    let read = [read.clone(), read];
    // In turns, since what is so already is not written.
    let write = ["blue", "grey"].map(|shop| {
        let settings = json!({"repository": {"url": format!("https://git.example.com/{shop}.git")}});
        request("PATCH", &place, token.expose_secret(), &json!({"settings": settings}).to_string())
    });
    let (read_said, write_said) = (learn(&tap, &server, &read).await?, learn(&tap, &server, &write).await?);
    drop(server);
    drop(tap);

    // Each has a database of its own: what one writes would be in the other's way.
    let copy = postgres.copy_database(&url).await?;
    // Records that are said again do not follow each other: what checks that is left out of the floor.
    let (client, connection) = tokio_postgres::connect(&copy, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute("ALTER TABLE audit_records DISABLE TRIGGER USER").await?;
    drop(client);
    connection.await.context("the connection's task")??;
    let server_dir = tempfile::tempdir()?;
    let mut options = ServerOptions::new(&url, server_dir.path()).for_load();
    options.kek = Some(kek);
    let server = Server::start(options).await?;
    for (what, request, said, goal) in [
        ("a read", read, read_said, Goal::TimesFloor(1.5)),
        ("a write", write, write_said, Goal::TimesFloor(1.5)),
    ] {
        let database = copy.rsplit('/').next().context("a URL without a database")?;
        let replay = Replay::open(at, database, &said.connections, &said.earlier, said.flights).await?;
        let statements = replay.statements();
        let mut through_berth = Wire::connect(server.address()).await?;
        let expected = through_berth.ask(&request[0]).await?;
        ensure!(expected.status == 200, "{what}: {}", String::from_utf8_lossy(&expected.body));
        let bare = Bare::start(replay, expected.body)?;
        let mut through_bare = Wire::connect(bare.address).await?;
        let (mut measured, mut floor) = (Vec::new(), Vec::new());
        for request in request.iter().rev().cycle().take(ROUNDS) {
            floor.push(timed(&mut through_bare, request).await.context("the bare handler")?);
            measured.push(timed(&mut through_berth, request).await.context("Berth")?);
        }
        for (share, name, goal) in [(0.5, "p50", goal), (0.95, "p95", Goal::None)] {
            figures.add(
                format!("{what} ({statements} statements), {name}"),
                "ms",
                percentile(&mut measured, share),
                Some(percentile(&mut floor, share)),
                goal,
            );
        }
    }
    Ok(())
}

fn authority(url: &str) -> Option<&str> {
    url.split_once('@')?.1.split('/').next()
}

fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

struct Learned {
    connections: Vec<Connection>,
    earlier: Vec<Flight>,
    flights: Vec<Flight>,
}

/// What is said to Postgres for one of two requests of a kind, and for the other.
async fn learn(tap: &Tap, server: &Server, requests: &[Vec<u8>; 2]) -> anyhow::Result<Learned> {
    let mut wire = Wire::connect(server.address()).await?;
    let mut before: Option<Vec<Flight>> = None;
    for request in requests.iter().cycle().take(TRIES) {
        let heard = tap.during(async {
            let reply = wire.ask(request).await?;
            ensure!(reply.status == 200, "status {}: {}", reply.status, String::from_utf8_lossy(&reply.body));
            // What is said behind the answer belongs to it as well.
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(())
        });
        let flights = heard.await?;
        match before.replace(flights.clone()) {
            Some(earlier) if is_settled(&flights) && shape(&earlier) == shape(&flights) => {
                return Ok(Learned { connections: tap.connections(), earlier, flights });
            }
            _ => {}
        }
    }
    anyhow::bail!("no two requests in a row were alone with Postgres")
}

/// Whether something was said, and every statement of it was prepared before or is prepared for it alone: each of the server's
/// connections prepares its own, once.
fn is_settled(flights: &[Flight]) -> bool {
    let messages = || flights.iter().flat_map(|flight| &flight.messages);
    let is_closed = |name: &[u8]| {
        let mut closes = messages().filter(|message| message.kind == Message::CLOSE);
        closes.any(|close| close.body.get(1..).is_some_and(|closed| closed.starts_with(name)))
    };
    !flights.is_empty() && messages().filter_map(Message::prepares).all(is_closed)
}

/// The kinds of messages, by which two requests of one kind are known from one that the server's tasks talked into.
fn shape(flights: &[Flight]) -> Vec<Vec<u8>> {
    let kinds = |flight: &Flight| flight.messages.iter().map(|message| message.kind).collect();
    flights.iter().map(kinds).collect()
}

async fn timed(wire: &mut Wire, request: &[u8]) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let reply = wire.ask(request).await?;
    ensure!(reply.status == 200, "status {}: {}", reply.status, String::from_utf8_lossy(&reply.body));
    Ok(started.elapsed())
}

/// Serves until it is dropped.
struct Bare {
    address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
}

struct Known {
    replay: Mutex<Replay>,
    answer: Vec<u8>,
}

impl Bare {
    fn start(replay: Replay, answer: Vec<u8>) -> anyhow::Result<Self> {
        let known = web::Data::new(Known { replay: Mutex::new(replay), answer });
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::clone(&known)).default_service(web::to(answered))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))?;
        let address = *server.addrs().first().context("no address")?;
        Ok(Self { address, task: tokio::spawn(server.run()) })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answered(known: web::Data<Known>, _read: web::Bytes) -> HttpResponse {
    match known.replay.lock().await.once().await {
        Ok(()) => HttpResponse::Ok().content_type("application/json").body(known.answer.clone()),
        Err(cause) => HttpResponse::InternalServerError().body(format!("{cause:#}")),
    }
}
