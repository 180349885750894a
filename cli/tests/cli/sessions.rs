//! `berth sessions …`.

use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, ok, requests, workspace};

const ID: &str = "8d7e6f5a-0000-4000-8000-000000000001";

fn connected() -> Value {
    let at = "2026-11-29T10:00:00Z";
    let one = |kind: &str, port: u16, bytes: u64| {
        json!({"workspace": "reef", "port": port, "kind": kind, "since": at, "last_active_at": at, "open": 2,
               "bytes_to_workspace": bytes, "bytes_to_person": 5})
    };
    let mut hers = one("browser", 60_001, 3_000);
    hers["id"] = json!(ID);
    hers["who"] = json!({"id": ID, "name": "Ada"});
    hers["address"] = json!("192.0.2.1");
    let mut ssh = one("ssh", 60_022, 0);
    ssh["id"] = json!("8d7e6f5a-0000-4000-8000-000000000002");
    ssh["who"] = json!({"id": ID, "name": "Ada\u{1b}[31m"});
    json!({"items": [hers, ssh, one("public", 8_080, 0)]})
}

#[tokio::test]
async fn whoever_is_connected_is_listed_and_ended() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/workspaces/reef/connections", ok(connected())).await;
    answer(&server, "POST", "/workspaces/reef/connections/end", ok(json!({"ended": 1}))).await;
    let berth = || Berth::with(&server);
    let listed = berth().run(&["sessions", "list", "reef", "-o", "wide"]).ok().stdout;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines[0], "ID\tWORKSPACE\tWHO\tBY\tPORT\tSINCE\tACTIVE\tFROM\tOPEN\tSENT\tRECEIVED");
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let hers = columns(lines[1]);
    assert_eq!(hers[..5], [ID, "reef", "Ada", "editor", "60001"]);
    assert_eq!(hers[7..], ["192.0.2.1", "2", "2 KiB", "5 B"]);
    assert!(!lines[2].contains('\u{1b}') && lines[2].contains("\tssh\t60022\t"), "{}", lines[2]);
    assert!(lines[3].starts_with("-\treef\teverybody\tpublic\t8080\t"), "{}", lines[3]);
    let names = berth().run(&["sessions", "ls", "reef", "-o", "name"]).ok().stdout;
    assert_eq!(names.lines().next(), Some(ID));

    berth().run(&["sessions", "end", "reef", ID]).ok().says("1 connection was ended.");
    let twice = berth().run(&["sessions", "end", "reef", "--all"]).ok();
    twice.says("1 connection was ended.\nOnce more in 6 seconds").says("1 connection more was ended.");
    let requests = server.received_requests().await.expect("recorded");
    let bodies: Vec<Value> =
        requests.iter().filter_map(|request| serde_json::from_slice(&request.body).ok()).collect();
    assert_eq!(bodies, [json!({"id": ID}), json!({}), json!({})]);
    // What cannot be is said before anybody is asked.
    for wrong in [&["reef"][..], &["reef", ID, "--all"], &["reef", "calm"], &["../x", "--all"]] {
        berth().run(&[&["sessions", "end"], wrong].concat()).exits(2);
    }
}

#[tokio::test]
async fn without_a_name_those_of_all_ones_own_that_run_are_listed() {
    let server = MockServer::start().await;
    let ids = ["8d7e6f5a-0000-4000-8000-00000000000a", "8d7e6f5a-0000-4000-8000-00000000000b"];
    let all = json!({"items": ids.map(|id| {
        let mut workspace = workspace("Running", "Running", 1, 1);
        workspace["id"] = json!(id);
        workspace
    })});
    answer(&server, "GET", "/workspaces", ok(all)).await;
    for id in ids {
        answer(&server, "GET", &format!("/workspaces/{id}/connections"), ok(connected())).await;
    }
    let listed = Berth::with(&server).run(&["sessions", "list", "-o", "name"]).ok().stdout;
    assert_eq!(listed.lines().filter(|line| *line == ID).count(), 2, "{listed}");
    let asked = requests(&server).await;
    assert!(asked.contains("owner=me&actual_state=Running"), "{asked}");
}
