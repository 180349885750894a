//! The program itself: first start, log, readiness, signals.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use berth_schema::{AccessToken, SignInToken};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::support::{Admin, Raw, Requests, message, postgres};

const KEY: &str = "test AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";
/// Where a server's log goes.
const LOG: &str = "log";

/// A server process on a free port.
pub(crate) struct Program {
    child: Child,
    port: u16,
}

/// One that nothing takes until a program listens there: none of those that the kernel gives to clients, of which other tests begin
/// thousands meanwhile, and none twice.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let mut ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.by_ref().take(10_000).find(is_free).expect("a port")
}

pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth-server"));
    command
        .env_clear()
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// A command that has the key-encryption keys.
pub(crate) fn command_with_keys(directory: &Path) -> Command {
    let key = directory.join("kek");
    berth_secret_file::replace(&key, KEY.as_bytes()).expect("written");
    let mut command = command(directory);
    command.env("BERTH_KEK_FILE", key);
    command
}

/// The last lines of its log.
fn said(directory: &Path) -> String {
    let log = std::fs::read_to_string(directory.join(LOG)).unwrap_or_default();
    log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
}

pub(crate) async fn start(database_url: &str, directory: &Path) -> Program {
    let (port, metrics) = (free_port(), free_port());
    // A pipe that nobody empties would stop the server.
    let log = std::fs::File::create(directory.join(LOG)).expect("a file");
    let child = command_with_keys(directory)
        .stderr(log)
        .env("DATABASE_URL", postgres::login_url(database_url))
        .env("BERTH_MIGRATIONS_DATABASE_URL", database_url)
        .args(["--log", "trace", "--listen", &format!("127.0.0.1:{port}")])
        .args(["--metrics-listen", &format!("127.0.0.1:{metrics}")])
        .spawn()
        .expect("it starts");
    let program = Program { child, port };
    program.ready(directory).await;
    program
}

impl Program {
    async fn ready(&self, directory: &Path) {
        let started = Instant::now();
        while !self.is_ready(directory).await {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "it never became ready: {}",
                said(directory)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_ready(&self, directory: &Path) -> bool {
        let address = format!("127.0.0.1:{}", self.port);
        let status = command(directory).args(["healthcheck", "--address", &address]).status().await;
        status.expect("it runs").success()
    }

    /// Ends it as an orchestrator does.
    pub(crate) async fn terminate(self) -> Output {
        let id = self.child.id().expect("it runs").to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        assert!(status.success());
        let output = tokio::time::timeout(Duration::from_secs(35), self.child.wait_with_output()).await;
        output.expect("it ends in time").expect("its output")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub(crate) fn admin(&self, token: AccessToken) -> Admin {
        Admin::new(([127, 0, 0, 1], self.port).into(), token)
    }
}

/// Beside tokens stdout holds links alone.
pub(crate) fn tokens(output: &Output) -> Vec<AccessToken> {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let (links, tokens): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("http"));
    for link in links {
        let token = link.split_once("/sign-in/link?token=").expect("a link").1;
        token.parse::<SignInToken>().expect("it signs somebody in");
    }
    tokens.into_iter().map(|line| line.parse().expect("a token")).collect()
}

#[tokio::test]
async fn two_servers_that_start_together_make_one_first_administrator() {
    let url = postgres::empty_database().await;
    let directories = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
    let (one, two) = tokio::join!(start(&url, directories[0].path()), start(&url, directories[1].path()));
    let (one, two) = tokio::join!(one.terminate(), two.terminate());
    assert!(one.status.success() && two.status.success());
    assert_eq!(tokens(&one).len() + tokens(&two).len(), 1);

    let again = start(&url, directories[0].path()).await.terminate().await;
    assert!(tokens(&again).is_empty(), "it is shown once");
}

#[tokio::test]
async fn the_log_at_its_loudest_holds_no_secret() {
    const SECRETS: [&str; 3] = ["canary-environment-7f3a", "canary-file-91bc", "canary-devfile-55d0"];
    let url = postgres::migrated_database().await;
    let directory = tempfile::tempdir().expect("a directory");
    let output = command_with_keys(directory.path())
        .env("DATABASE_URL", postgres::login_url(&url))
        .args(["organization", "create", "acme"])
        .output()
        .await
        .expect("it runs");
    let token = tokens(&output).remove(0);
    let program = start(&url, directory.path()).await;
    let admin = program.admin(token.clone());
    let agent = admin.create_agent("cluster").await;
    let variables = json!([
        {"name": "A", "value": SECRETS[0]},
        {"name": "f", "kind": "file", "value": SECRETS[1]},
    ]);
    let devfile = format!(
        "schemaVersion: 2.2.2\ncomponents:\n  - name: main\n    container:\n      image: debian:13\n      env:\n        - name: X\n          value: {}\n",
        SECRETS[2]
    );
    admin
        .create(&json!({"name": "w", "devfile": devfile, "variables": variables}))
        .await
        .expect::<Value>(201);
    let wrong = json!({"image": "a", "variables": [{"name": "1A", "value": SECRETS[0]}, {"name": "B", "value": [SECRETS[1]]}]});
    admin.create(&wrong).await.problem(422, "invalid");
    let response = agent.partial(1, vec![]).await;
    assert_eq!(response.workspaces.len(), 1);
    admin.get(&format!("/nowhere/{}", "x".repeat(300))).await;
    agent.send(&message(2, vec![])).await;
    let address = ([127, 0, 0, 1], program.port).into();
    for malformed in ["GET / HTTP/1.1\n\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "\u{16}\u{3}\u{1}\n"] {
        assert_eq!(Raw::ask(address, malformed.as_bytes()).await.0, 400);
    }

    let output = program.terminate().await;
    assert!(output.status.success());
    let log = std::fs::read_to_string(directory.path().join(LOG)).expect("text");
    assert!(log.contains("TRACE") && log.contains("workspace created"), "the log is not at its loudest");
    let list = log
        .lines()
        .find(|line| line.contains("request served") && line.contains("path=/api/v1/organizations"));
    let list = list.expect("a request is logged");
    assert!(list.contains("organization=") && list.contains("token="), "the span says who it was: {list}");
    let alarm = log.lines().find(|line| line.contains("ERROR"));
    assert!(alarm.is_none(), "what strangers send is no alarm: {alarm:?}");
    let key = KEY.split(' ').nth(1).expect("a key").trim();
    let random = |text: &str| text[text.len() - 43..].to_owned();
    let tokens = [random(token.expose()), random(&agent.token)];
    for secret in SECRETS.into_iter().chain([key]).chain(tokens.iter().map(String::as_str)) {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {line:?}");
    }
}

#[tokio::test]
async fn a_server_says_what_it_lacks() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = command(directory.path()).output().await.expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("DATABASE_URL"));
    let url = postgres::migrated_database().await;
    let output = command(directory.path()).env("DATABASE_URL", url).output().await.expect("it runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--kek-file"));
}

#[tokio::test]
async fn a_server_that_runs_short_of_files_goes_on_serving() {
    let url = postgres::migrated_database().await;
    let directory = tempfile::tempdir().expect("a directory");
    let output = command_with_keys(directory.path())
        .env("DATABASE_URL", postgres::login_url(&url))
        .args(["organization", "create", "acme"])
        .output()
        .await
        .expect("it runs");
    let token = tokens(&output).remove(0);
    let (port, metrics) = (free_port(), free_port());
    let log = std::fs::File::create(directory.path().join(LOG)).expect("a file");
    let mut limited = Command::new("sh");
    limited.env_clear().current_dir(directory.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let child = limited
        .kill_on_drop(true)
        .env("DATABASE_URL", postgres::login_url(&url))
        .args(["-c", "ulimit -S -n 100; ulimit -H -n 400; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_berth-server"))
        .args(["--kek-file", "kek", "--listen", &format!("127.0.0.1:{port}")])
        .args(["--metrics-listen", &format!("127.0.0.1:{metrics}")])
        .spawn()
        .expect("it starts");
    let program = Program { child, port };
    program.ready(directory.path()).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id().expect("it runs")));
    assert!(status.expect("it runs").contains("THP_enabled:\t0"), "it holds huge pages");
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(Raw::connect(([127, 0, 0, 1], port).into()).await);
    }
    let admin = program.admin(token);
    for _ in 0..5 {
        assert_eq!(admin.get("/api/v1/whoami").await.status, 200);
    }
    assert!(program.terminate().await.status.success());
}

#[tokio::test]
async fn a_lost_token_is_replaced_on_the_servers_machine() {
    let url = postgres::migrated_database().await;
    let directory = tempfile::tempdir().expect("a directory");
    let run = async |arguments: &[&str]| {
        let output = command_with_keys(directory.path())
            .env("DATABASE_URL", postgres::login_url(&url))
            .env("BERTH_MIGRATIONS_DATABASE_URL", &url)
            .args(arguments)
            .output();
        output.await.expect("it runs")
    };
    let first = run(&["organization", "create", "acme"]).await;
    let words = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(words.contains("berth-server token create --organization acme"), "{words}");
    let recovered = run(&["token", "create", "--organization", "acme"]).await;
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    let token = tokens(&recovered).remove(0);
    assert_eq!(token.organization(), tokens(&first)[0].organization());
    let program = start(&url, directory.path()).await;
    let list: Value =
        program.admin(token.clone()).get(&program.admin(token).path("/tokens")).await.expect(200);
    assert_eq!(list["items"][0]["name"], "recovered administrator");
    program.terminate().await;

    let again = run(&["token", "create", "--organization", "acme"]).await;
    assert!(!again.status.success() && tokens(&again).is_empty(), "one name, one token");
    let nowhere = run(&["token", "create", "--organization", "nobody"]).await;
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("there is no such organization"));
}

/// What a server that does not start says at its end.
async fn refusal(directory: &Path, database_url: &str, kek: &Path) -> String {
    let output = command(directory)
        .env("DATABASE_URL", database_url)
        .arg("--kek-file")
        .arg(kek)
        .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
        .output();
    let output =
        tokio::time::timeout(Duration::from_secs(60), output).await.expect("it ends").expect("it runs");
    assert!(!output.status.success(), "it started");
    assert!(tokens(&output).is_empty(), "it made a first token");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_key_file_that_is_wrong_or_open_stops_the_start_and_says_what_to_do() {
    let url = postgres::empty_database().await;
    let directory = tempfile::tempdir().expect("a directory");
    let program = start(&url, directory.path()).await;
    let port = program.port;
    let first = program.terminate().await;
    let login = postgres::login_url(&url);
    let kek = directory.path().join("other");
    let write = |text: &str| berth_secret_file::replace(&kek, text.as_bytes()).expect("written");
    let another = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    write(&format!("test {another}\n"));
    let said = refusal(directory.path(), &login, &kek).await;
    assert!(said.contains("a key 'test' that is another one"), "nothing but what signs is under it: {said}");
    let admin = Admin::new(([127, 0, 0, 1], port).into(), tokens(&first).remove(0));
    let again = start(&url, directory.path()).await;
    let admin = Admin::new(([127, 0, 0, 1], again.port).into(), admin.token.clone());
    admin.request_variable(&json!({"name": "A", "value": "x"})).await.expect::<Value>(200);
    again.terminate().await;

    write(&format!("2026 {another}\n"));
    let said = refusal(directory.path(), &login, &kek).await;
    assert!(said.contains("lacks the key 'test'") && said.contains("bring its line back"), "{said}");
    write(&format!("test {another}\n"));
    let said = refusal(directory.path(), &login, &kek).await;
    assert!(said.contains("a key 'test' that is another one"), "{said}");
    assert!(!said.contains(another));
    write(KEY);
    std::fs::set_permissions(&kek, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    let said = refusal(directory.path(), &login, &kek).await;
    assert!(said.contains("chmod 0600") && said.contains("other"), "{said}");
    std::fs::remove_file(&kek).expect("it was there");
    let said = refusal(directory.path(), &login, &kek).await;
    assert!(said.contains("does not exist"), "{said}");
    let said = refusal(directory.path(), &login, directory.path()).await;
    assert!(said.contains("is a directory"), "{said}");
}

#[tokio::test]
async fn a_server_does_not_log_in_as_the_owner_nor_serve_a_part_of_a_copy() {
    let url = postgres::empty_database().await;
    let directory = tempfile::tempdir().expect("a directory");
    let kek = directory.path().join("kek");
    let first = start(&url, directory.path()).await.terminate().await;
    assert_eq!(tokens(&first).len(), 1);
    let said = refusal(directory.path(), &url, &kek).await;
    assert!(said.contains("SUPERUSER") && said.contains("BERTH_MIGRATIONS_DATABASE_URL"), "{said}");
    let unmigrated = postgres::empty_database().await;
    let said = refusal(directory.path(), &postgres::login_url(&unmigrated), &kek).await;
    assert!(said.contains("berth-server migrate"), "{said}");

    // What pg_dump saved that was shown a part.
    let owner = postgres::client(&url).await;
    owner.batch_execute("DELETE FROM access_tokens").await.expect("the owner may do anything");
    let said = refusal(directory.path(), &postgres::login_url(&url), &kek).await;
    assert!(said.contains("lacks the access tokens") && said.contains("berth-server backup"), "{said}");
}

#[tokio::test]
async fn a_dev_server_can_be_backed_up_and_restored_with_the_files_that_it_writes() {
    let directory = tempfile::tempdir().expect("a directory");
    // The user as whom Postgres runs has to enter it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).expect("it is ours");
    let state = directory.path().join("state");
    let (port, metrics) = (free_port(), free_port());
    let log = std::fs::File::create(directory.path().join(LOG)).expect("a file");
    let mut command_line = command(directory.path());
    command_line.stderr(log).env("PATH", std::env::var_os("PATH").unwrap_or_default()).arg("--dev");
    command_line.arg("--state-dir").arg(&state).args(["--listen", &format!("127.0.0.1:{port}")]);
    command_line.args(["--metrics-listen", &format!("127.0.0.1:{metrics}")]);
    let program = Program { child: command_line.spawn().expect("it starts"), port };
    program.ready(directory.path()).await;

    let owner = std::fs::read_to_string(state.join("owner-database-url")).expect("a file");
    let owner = owner.trim();
    let file = directory.path().join("berth.backup");
    let run = async |url: &str, arguments: &[&std::ffi::OsStr]| {
        let mut command = command(directory.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = command.env("BERTH_MIGRATIONS_DATABASE_URL", url).args(arguments).output().await;
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(owner, &["backup".as_ref(), file.as_os_str()]).await;
    postgres::client(owner).await.batch_execute("CREATE DATABASE again").await.expect("made");
    let again = format!("{}/again", owner.strip_suffix("/berth").expect("the database's name"));
    run(
        &again,
        &["restore".as_ref(), file.as_os_str(), "--kek-file".as_ref(), state.join("kek").as_os_str()],
    )
    .await;
    program.terminate().await;
}
