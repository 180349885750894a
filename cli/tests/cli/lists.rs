use serde_json::{Value, json};
use wiremock::matchers::{path, query_param};
use wiremock::{Mock, MockServer};

use crate::support::{Berth, ORGANIZATION, WORKSPACE_ID, agent, answer, because, ok, requests, workspace};

async fn server(items: Value) -> MockServer {
    let server = MockServer::start().await;
    answer(&server, "GET", "/workspaces", ok(json!({ "items": items }))).await;
    server
}

fn failing() -> Value {
    because(workspace("Running", "Failed", 2, 1), "ImagePullBackOff", "no such image")
}

#[tokio::test]
async fn without_a_terminal_a_table_is_separated_by_tabs() {
    let server = server(json!([failing()])).await;
    let berth = Berth::with(&server);
    let ran = berth.run(&["list"]).ok();
    let (head, row) = ran.stdout.trim_end().split_once('\n').unwrap();
    assert_eq!(head, "NAME\tDESIRED\tSTATE\tREASON\tAGENT\tAGE");
    assert!(row.starts_with("reef\tRunning\tFailed\tImagePullBackOff\there\t"), "{row}");
    let wide = berth.run(&["list", "-o", "wide"]).ok().stdout;
    let end = format!("\t2 (applied: 1)\tdebian:13\tws-reef\t{WORKSPACE_ID}\n");
    assert!(wide.ends_with(&end), "{wide}");
}

#[tokio::test]
async fn json_yaml_and_names_hold_the_objects_of_the_api() {
    let server = server(json!([failing()])).await;
    let berth = Berth::with(&server);
    assert_eq!(berth.run(&["list", "-o", "json"]).ok().json(), json!({ "items": [failing()] }));
    berth.run(&["list", "-o", "name"]).ok().prints("reef\n");
    let yaml = berth.run(&["list", "-o", "yaml"]).ok().stdout;
    for line in ["items:\n", "name: reef\n", "actual_state: Failed\n", "reason: ImagePullBackOff\n"] {
        assert!(yaml.contains(line), "{yaml}");
    }
}

#[tokio::test]
async fn one_workspace_is_shown_with_all_that_is_known() {
    let server = MockServer::start().await;
    let mut shown = failing();
    shown["variables"] = json!([{ "name": "KEY", "kind": "environment" }, { "name": "id", "kind": "file" }]);
    shown["sizes"] = json!([
        { "container": "main", "image": "debian:13", "cpu": "2", "memory": "4Gi" },
        { "container": "database", "image": "postgres:17" },
    ]);
    shown["disk"] = "15Gi".into();
    answer(&server, "GET", "/workspaces/reef", ok(shown.clone())).await;
    let berth = Berth::with(&server);
    let text = berth.run(&["get", "reef"]).ok().stdout;
    for line in [
        "Reason\tImagePullBackOff: no such image\n",
        "Variables\tKEY (environment), id (file)\n",
        "Container\tmain: 2 CPU, 4Gi of memory\nContainer\tdatabase\nDisk\t15Gi\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(berth.run(&["get", "reef", "-o", "json"]).ok().json(), shown);
}

#[tokio::test]
async fn filters_go_to_the_server() {
    let server = server(json!([])).await;
    let args = [
        "list",
        "--state",
        "failed,error",
        "--desired-state",
        "Running",
        "--agent",
        "here",
        "--name",
        "re f",
    ];
    Berth::with(&server).run(&args).ok().says("No workspaces found.");
    let query = "desired_state=Running&actual_state=Failed%2CError&agent=here&name=re+f&limit=100";
    assert_eq!(requests(&server).await, format!("GET {ORGANIZATION}/workspaces?{query}\n"));
    Berth::with(&server)
        .run(&["list", "--state", "ill"])
        .exits(2)
        .says("[possible values: CreationRequested");
}

#[tokio::test]
async fn pages_are_followed_up_to_the_limit() {
    let server = MockServer::start().await;
    let page =
        |next: Value| ok(json!({ "items": vec![workspace("Running", "Running", 1, 1); 100], "next": next }));
    let below = || path(format!("{ORGANIZATION}/workspaces"));
    let more = Mock::given(below()).and(query_param("after", "two"));
    more.respond_with(page(Value::Null)).mount(&server).await;
    Mock::given(below()).respond_with(page(json!("two"))).with_priority(9).mount(&server).await;
    let berth = Berth::with(&server);
    let count = |ran: &crate::support::Ran| ran.stdout.lines().count();
    let first =
        berth.run(&["list", "-o", "name"]).ok().says("There are more than these 100; --all shows all.");
    assert_eq!(count(&first), 100);
    let all = berth.run(&["list", "-o", "name", "--all"]).ok();
    assert_eq!((count(&all), all.stderr.as_str()), (200, ""));
    server.reset().await;
    answer(&server, "GET", "/workspaces", ok(json!({ "items": [], "next": "again" }))).await;
    berth.run(&["list", "--limit", "150", "--after", "x"]).ok();
    let asked = format!("GET {ORGANIZATION}/workspaces?limit=100&after=x\n");
    assert_eq!(requests(&server).await, asked, "an empty page ends a list");
}

#[tokio::test]
async fn what_a_server_says_does_not_move_the_cursor() {
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}end\nsecond line";
    let server = server(json!([because(failing(), evil, evil)])).await;
    let berth = Berth::with(&server);
    for form in ["table", "wide", "json", "yaml", "name"] {
        let ran = berth.run(&["list", "-o", form]).ok();
        let obeyed =
            ran.stdout.chars().find(|c| (c.is_control() && !"\n\t".contains(*c)) || *c == '\u{202e}');
        assert_eq!(obeyed, None, "{form}: {}", ran.stdout);
    }
    let json = berth.run(&["list", "-o", "json"]).ok().json();
    assert_eq!(json["items"][0]["reason"]["message"], "[2J31mend second line", "it is read as plain text");
}

#[tokio::test]
async fn colours_are_for_terminals_unless_asked_for() {
    let server = server(json!([failing()])).await;
    let berth = Berth::with(&server);
    assert!(!berth.run(&["list"]).ok().stdout.contains('\u{1b}'));
    let refused = berth.run(&["get", "no-such", "--color", "always"]);
    assert!(refused.stderr.contains("\u{1b}[31m"), "{}", refused.stderr);
    assert!(!berth.run(&["get", "no-such"]).stderr.contains('\u{1b}'));
}

#[tokio::test]
async fn agents_are_shown_with_how_they_are() {
    let server = MockServer::start().await;
    let (mut heard, mut silent, mut revoked) = (agent("heard"), agent("silent"), agent("revoked"));
    let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    silent["sealing_keys"] = json!([{ "public_key": key, "registered_at": "2026-01-01T00:00:01Z" }]);
    heard["last_contact_at"] = json!("2999-01-01T00:00:00Z");
    revoked["revoked_at"] = json!("2026-01-01T00:00:00Z");
    answer(&server, "GET", "/agents", ok(json!({ "items": [heard, silent, agent("new"), revoked] }))).await;
    answer(&server, "GET", "/agents/silent", ok(agent("silent"))).await;
    let berth = Berth::with(&server);
    let valid = berth.run(&["agents", "list", "-o", "name"]).ok().prints("heard\nsilent\nnew\n");
    valid.says("1 in another state is not shown; --state all shows it.");
    berth.run(&["agents", "list", "-o", "name", "--state", "revoked"]).ok().prints("revoked\n");
    let ran = berth.run(&["agents", "list", "--state", "all"]).ok();
    let columns = |line: &str| line.split('\t').take(4).map(str::to_owned).collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = ran.stdout.lines().map(columns).collect();
    let expected = [
        "NAME STATE WORKSPACES LAST CONTACT",
        "heard Active 3 0s ago",
        "silent Silent 3 -",
        "new Never connected 3 -",
        "revoked Revoked 3 -",
    ];
    assert_eq!(lines, expected);
    berth.run(&["agents", "get", "silent", "-o", "name"]).ok().prints("silent\n");
}

#[tokio::test]
async fn the_organisation_is_asked_for_where_nothing_tells_it() {
    let server = server(json!([])).await;
    Mock::given(path("/api/v1/whoami")).respond_with(ok(crate::support::whoami())).mount(&server).await;
    let berth = Berth::new().env("BERTH_URL", &server.uri()).env("BERTH_TOKEN", crate::support::TOKEN);
    berth.run(&["list"]).ok();
    assert!(requests(&server).await.starts_with("GET /api/v1/whoami\nGET /api/v1/organizations/main/"));
}
