use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::json;
use wiremock::MockServer;

use crate::support::{Berth, agent, answer, bodies, ok, requests, workspace};

async fn server() -> MockServer {
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces", ok(workspace("Running", "CreationRequested", 1, 0))).await;
    server
}

#[tokio::test]
async fn what_is_given_is_what_is_sent() {
    let server = server().await;
    let berth = Berth::with(&server).env("FROM_OUTSIDE", "s3cret 'quoted'\nsecond line");
    fs::write(berth.home.path().join("devfile.yaml"), "schemaVersion: 2.3.0\n").unwrap();
    fs::write(berth.home.path().join("blob"), [0, 255, 10]).unwrap();
    fs::write(berth.home.path().join("vars.env"), "# all\nMODE=file\nOTHER=\"x\"\n").unwrap();
    let path = |name: &str| berth.home.path().join(name).display().to_string();
    let ran = berth.run(&[
        "create",
        "reef",
        "--devfile",
        &path("devfile.yaml"),
        "--agent",
        "here",
        "--env-file",
        &path("vars.env"),
        "-e",
        "MODE=flag=1",
        "-e",
        "FROM_OUTSIDE",
        "--file",
        &format!("key={}", path("blob")),
    ]);
    let ran = ran.ok().prints("reef\n").says("Workspace 'reef' is created on agent 'here'.");
    assert!(!ran.stderr.contains("s3cret"));
    let sent = json!({
        "name": "reef", "agent": "here", "devfile": "schemaVersion: 2.3.0\n",
        "variables": [
            { "name": "FROM_OUTSIDE", "kind": "environment", "value": "s3cret 'quoted'\nsecond line" },
            { "name": "MODE", "kind": "environment", "value": "flag=1" },
            { "name": "OTHER", "kind": "environment", "value": "\"x\"" },
            { "name": "key", "kind": "file", "value_base64": "AP8K" },
        ],
    });
    assert_eq!(bodies(&server).await, [sent]);
}

#[tokio::test]
async fn standard_input_may_be_the_devfile_but_only_once() {
    let server = server().await;
    let berth = Berth::with(&server);
    berth.run_with(&["create", "--devfile", "-"], "schemaVersion: 2.3.0").ok();
    assert_eq!(bodies(&server).await, [json!({ "devfile": "schemaVersion: 2.3.0" })]);
    let twice = ["create", "--devfile", "-", "--file", "key=-"];
    berth.run_with(&twice, "x").exits(2).says("--file key and --devfile cannot both read standard input");
}

#[tokio::test]
async fn a_devcontainer_is_sent_as_it_is_and_nothing_means_the_default() {
    let server = server().await;
    let berth = Berth::with(&server);
    let text = "{ \"image\": \"node:22\", /* why */ }";
    berth.run_with(&["create", "--devcontainer", "-"], text).ok();
    berth.run(&["create"]).ok();
    assert_eq!(bodies(&server).await, [json!({ "devcontainer": text }), json!({})]);
}

#[tokio::test]
async fn what_cannot_be_right_is_not_sent() {
    let server = server().await;
    let berth = Berth::with(&server);
    for (args, says) in [
        (vec!["rebuild", "reef"], "one of --image, --devfile and --devcontainer is needed"),
        (vec!["create", "--devcontainer", "a", "--devfile", "b"], "cannot be used with"),
        (vec!["create", "--image", "a", "--devfile", "b"], "cannot be used with"),
        (vec!["create", "Upper", "--image", "a"], "must be lower-case letters"),
        (vec!["create", "--image", "a b"], "must be the name of an image"),
        (vec!["create", "--image", "a", "-e", "1A=hidden"], "-e 1A: the name must be letters"),
        (vec!["create", "--image", "a", "-e", "LD_PRELOAD=hidden"], "-e LD_PRELOAD: the name is reserved"),
        (vec!["create", "--image", "a", "-e", "NOT_SET"], "-e NOT_SET: it is not set in your environment"),
        (
            vec!["create", "--image", "a", "--file", "a/b=/dev/null"],
            "--file a/b: the name must be a file name",
        ),
        (vec!["create", "--image", "a", "--timeout", "soon"], "a time as in 90s"),
        (vec!["create", "--devfile", "-"], "--devfile: standard input is empty"),
    ] {
        let ran = berth.run(&args).exits(2).says(says);
        assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
    }
    berth
        .run(&["create", "--devfile", "/no/such/file"])
        .exits(1)
        .says("cannot read /no/such/file: No such file");
    assert_eq!(requests(&server).await, "");
}

#[tokio::test]
async fn an_agents_token_is_printed_once_and_alone() {
    let server = MockServer::start().await;
    let mut created = agent("berlin");
    created["token"] = json!("the-agents-token");
    answer(&server, "POST", "/agents", ok(created.clone())).await;
    let berth = Berth::with(&server);
    berth.run(&["agents", "create", "berlin"]).ok().prints("the-agents-token\n").says("not shown again");
    assert_eq!(berth.run(&["agents", "create", "berlin", "-o", "json"]).ok().json(), created);
}

#[tokio::test]
async fn an_agent_whose_token_got_lost_is_an_error() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/agents", ok(agent("berlin"))).await;
    let ran = Berth::with(&server).run(&["agents", "create", "berlin"]);
    ran.exits(1).prints("").says("its token was lost").says("berth agents revoke berlin");
}

#[test]
fn a_creation_whose_answer_is_lost_is_sent_again_with_the_same_key() {
    let (url, keys) = breaks_connections(2);
    Berth::at(&url).run(&["create", "--image", "debian:13"]).ok().prints("reef\n");
    let keys: Vec<String> = keys.iter().collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(!keys[0].is_empty() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn a_creation_is_not_sent_for_ever() {
    let (url, keys) = breaks_connections(100);
    let ran = Berth::at(&url).run(&["create", "--image", "debian:13"]);
    ran.exits(1).says("cannot create the workspace: no connection to http://127.0.0.1");
    assert_eq!(keys.try_iter().count(), 3);
}

#[test]
fn a_change_whose_answer_is_lost_is_not_sent_again() {
    let (url, keys) = breaks_connections(100);
    Berth::at(&url).run(&["restart", "reef"]).exits(1).says("cannot restart workspace 'reef'");
    assert_eq!(keys.try_iter().count(), 1);
}

/// A server that reads a request and closes the connection without a word, `broken` times, and then answers. It tells
/// the Idempotency-Key of each request.
fn breaks_connections(broken: usize) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, keys) = channel();
    thread::spawn(move || {
        for turn in 0..=broken {
            let (mut stream, _) = listener.accept().unwrap();
            let key = read_key(&mut stream);
            if sender.send(key).is_err() {
                return;
            }
            if turn == broken {
                let body = workspace("Running", "CreationRequested", 1, 0).to_string();
                let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).unwrap();
            }
        }
    });
    (url, keys)
}

fn read_key(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the request ended early");
        request.extend_from_slice(&buffer[..count]);
    }
    let text = String::from_utf8_lossy(&request);
    let key = text.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
    key.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_workspace_is_made_for_a_project_or_of_a_repository() {
    let server = server().await;
    let mut of_project = workspace("Running", "CreationRequested", 1, 0);
    of_project["belongs_to"] = json!({"id": "8d7e6f5a-0000-4000-8000-000000000001", "path": "platform/api"});
    of_project["project"] = json!({"url": "https://git.a/api.git", "ref": "main"});
    answer(&server, "POST", "/projects/platform%2Fapi/workspaces", ok(of_project.clone())).await;
    answer(&server, "GET", "/workspaces", ok(json!({"items": [of_project.clone()]}))).await;
    answer(&server, "GET", "/workspaces/reef", ok(of_project)).await;
    let run = |args: &[&str]| Berth::with(&server).run(args);
    run(&["create", "--project", "platform/api"]).ok();
    run(&["create", "--project", "platform/api", "--ref", "next"]).ok();
    run(&["create", "--project", "platform/api", "--repository", "https://git.a/mine.git"]).ok();
    for flag in ["--project", "--repository"] {
        run(&["create", flag, "https://git.a/mine.git", "--ref", "next"]).ok();
    }
    let mine = json!({"project": {"url": "https://git.a/mine.git", "ref": "next"}});
    let sent = [
        json!({}),
        json!({"project": {"ref": "next"}}),
        json!({"project": {"url": "https://git.a/mine.git"}}),
        mine.clone(),
        mine,
    ];
    assert_eq!(bodies(&server).await, sent);
    run(&["list", "--project", "platform/api"]).ok();
    let shown = run(&["get", "reef"]).ok().stdout;
    assert!(shown.contains("platform/api") && shown.contains("https://git.a/api.git at main"), "{shown}");
    let asked = requests(&server).await;
    assert_eq!(
        asked.matches("POST /api/v1/organizations/main/projects/platform%2Fapi/workspaces").count(),
        3,
        "{asked}"
    );
    assert!(asked.contains("project=platform%2Fapi"), "{asked}");
    run(&["create", "--ref", "next"]).exits(2).says("--ref is of nothing");
    run(&["create", "--project", "Not a path"]).exits(2).says("the project of --project");
    run(&["create", "--project", "https://git.a/b", "--repository", "https://git.a/c"]).exits(2);
    let ran =
        run(&["create", "--project", "https://u:hunter2@git.a/b"]).exits(2).says("the URL of --project");
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

#[tokio::test]
async fn the_url_of_a_repository_is_enough_and_what_was_found_there_is_told() {
    let server = MockServer::start().await;
    let mut made = workspace("Running", "CreationRequested", 1, 0);
    let commit = "3f0c9a1b2d4e5f60718293a4b5c6d7e8f9012345";
    made["found"] = json!({"commit": commit, "path": "apps/shop/devfile.yaml"});
    answer(&server, "POST", "/workspaces", ok(made.clone())).await;
    answer(&server, "GET", "/workspaces/reef", ok(made)).await;
    let run = |args: &[&str]| Berth::with(&server).run(args);
    let url = "https://git.a/shop.git";
    run(&["create", url, "--ref", "main", "--devfile-path", "apps/shop/devfile.yaml"])
        .ok()
        .says("It is made of apps/shop/devfile.yaml of commit 3f0c9a1b2d4e.");
    run(&["create", "reef", "--repository", url]).ok();
    let sent = [
        json!({"project": {"url": url, "ref": "main", "devfile_path": "apps/shop/devfile.yaml"}}),
        json!({"name": "reef", "project": {"url": url}}),
    ];
    assert_eq!(bodies(&server).await, sent);
    let shown = run(&["get", "reef"]).ok().stdout;
    assert!(shown.contains("Made of") && shown.contains("of commit 3f0c9a1b2d4e"), "{shown}");
    run(&["create", url, "--repository", url]).exits(2).says("given twice");
    run(&["create", "No Name"]).exits(2).says("the workspace's name");
    run(&["create", "--devfile-path", "devfile.yaml"]).exits(2).says("--devfile-path is of nothing");
    run(&["create", url, "--devfile-path", "../devfile.yaml"]).exits(2);
    run(&["create", url, "--image", "a", "--devfile-path", "devfile.yaml"]).exits(2);
    let ran = run(&["create", "https://u:hunter2@git.a/b"]).exits(2);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}
