use berth_audit_chain::{canonical, follow};
use berth_schema::audit::Digest;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer};

use crate::support::{Berth, InTurn, ORGANIZATION, answer, ok, requests};

/// What a server has on record, the oldest first. The second is of a kind that nobody here knows.
fn entries() -> Vec<Value> {
    let organization = "0191e2b4-0000-4000-8000-00000000000f";
    let record = |sequence: u64, action: &str, outcome: Value, details: Value| {
        json!({
            "organization": organization, "sequence": sequence, "time": "2027-01-15T08:00:00Z",
            "who": {"kind": "subject", "subject": "0191e2b4-0000-4000-8000-000000000002", "by": {"token": organization}},
            "action": action, "resource": {"kind": "agent", "id": "\u{1b}[31m"}, "outcome": outcome, "peer": "192.0.2.1",
            "details": details,
        })
    };
    let all = [
        record(1, "agent.create", json!("done"), json!("nothing")),
        record(2, "moon.land", json!("done"), json!({"landed": {"feet": 2, "on": "moon"}})),
        record(3, "agent.revoke", json!({"denied": "read-only-token"}), json!({"denied": {"times": 1}})),
    ];
    let mut hash = Digest::ZERO;
    let entries = all.into_iter().map(|record| {
        hash = follow(hash, &canonical(&record).unwrap());
        json!({"hash": hash, "record": record})
    });
    entries.collect()
}

async fn server() -> MockServer {
    let server = MockServer::start().await;
    let all = entries();
    let from = |first: usize| json!({"items": all[first - 1..], "next": "4"});
    for first in 1..=3 {
        Mock::given(method("GET"))
            .and(path(format!("{ORGANIZATION}/audit")))
            .and(query_param("from", first.to_string()))
            .respond_with(ok(from(first)))
            .with_priority(1)
            .mount(&server)
            .await;
    }
    let mut newest: Vec<Value> = all.iter().rev().cloned().collect();
    newest[2]["actor_name"] = json!("Ada Lovelace");
    Mock::given(method("GET"))
        .and(path(format!("{ORGANIZATION}/audit")))
        .and(query_param("limit", "1"))
        .respond_with(ok(json!({"items": newest[..1], "next": "3"})))
        .with_priority(2)
        .mount(&server)
        .await;
    answer(&server, "GET", "/audit", ok(json!({"items": newest}))).await;
    server
}

#[tokio::test]
async fn what_is_on_record_is_listed_also_where_it_is_of_an_unknown_kind() {
    let server = server().await;
    let ran = Berth::with(&server)
        .run(&["audit", "list", "--denied", "--resource", "agent", "--action", "agent.revoke"])
        .ok();
    let rows: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["SEQUENCE", "TIME", "WHO", "ACTION", "RESOURCE", "OUTCOME", "DETAILS"]);
    assert_eq!((rows[1][0], rows[1][5], rows[1][6]), ("3", "denied: read-only-token", "times=1"));
    let moon = (rows[2][3], rows[2][4], rows[2][6]);
    assert_eq!(moon, ("moon.land", r"agent:\u{1b}[31m", "feet=2 on=moon"));
    assert_eq!(rows[2][2], "subject 0191e2b4-0000-4000-8000-000000000002");
    assert_eq!((rows[3][2], rows[3][6]), ("Ada Lovelace", "-"));
    let wide = Berth::with(&server).run(&["audit", "list", "-o", "wide"]).ok();
    assert!(wide.stdout.contains("Ada Lovelace\t") && wide.stdout.contains(rows[2][2]), "{}", wide.stdout);
    let asked = requests(&server).await;
    let query = "/audit?action=agent.revoke&resource=agent&outcome=denied&limit=100\n";
    assert!(asked.contains(query), "{asked}");
    let json = Berth::with(&server).run(&["audit", "list", "-o", "json"]).ok().json();
    assert_eq!(json["items"][1], entries()[1]);
    Berth::with(&server).run(&["audit", "list", "--action", "explode"]).exits(2);
}

#[tokio::test]
async fn an_export_verifies_by_itself_and_a_changed_one_is_told_with_its_record() {
    let server = server().await;
    let berth = Berth::with(&server);
    let export = berth.run(&["audit", "export"]).ok().says("Records 1 to 3.").stdout;
    assert_eq!(export.lines().count(), 5);
    let file = berth.home.path().join("audit.jsonl");
    let verify = |text: &str| {
        std::fs::write(&file, text).unwrap();
        // Without a server.
        Berth::new().run(&["audit", "verify", file.to_str().unwrap()])
    };
    let right = verify(&export).ok();
    assert!(right.stdout.contains("records 1 to 3 of organization"), "{}", right.stdout);
    assert!(right.stdout.contains(entries()[2]["hash"].as_str().unwrap()));
    let piped = Berth::new().run_with(&["audit", "verify", "-"], &export).ok();
    assert_eq!(piped.stdout, right.stdout);

    verify(&export.replace("moon.land", "moon.lost")).exits(1).says("record 2").says("was changed");
    let mut lines: Vec<&str> = export.lines().collect();
    lines.remove(2);
    verify(&(lines.join("\n") + "\n")).exits(1).says("record 2").says("it is record 3");
    let cut: String = export.split_inclusive('\n').take(3).collect();
    verify(&cut).exits(1).says("its end is missing");

    let part = berth.run(&["audit", "export", "--from", "3"]).ok().stdout;
    let told = verify(&part).ok().stdout;
    assert!(told.contains("records 3 to 3"), "{told}");
    berth.run(&["audit", "export", "--from", "4"]).exits(2).says("the last record is 3");
}

#[tokio::test]
async fn an_export_that_lacks_a_record_is_not_ended() {
    let server = MockServer::start().await;
    let all = entries();
    let pages = [json!({"items": [all[2]]}), json!({"items": [all[0], all[2]], "next": "4"})];
    answer(&server, "GET", "/audit", InTurn::new(pages.map(ok))).await;
    let ran = Berth::with(&server).run(&["audit", "export"]).exits(1).says("there is no record 2");
    Berth::new().run_with(&["audit", "verify", "-"], &ran.stdout).exits(1).says("its end is missing");
}

#[tokio::test]
async fn following_goes_on_behind_what_was_shown() {
    let server = server().await;
    let empty = ok(json!({"items": [], "next": "4"}));
    Mock::given(method("GET"))
        .and(path(format!("{ORGANIZATION}/audit")))
        .and(query_param("from", "4"))
        .respond_with(InTurn::new([empty, wiremock::ResponseTemplate::new(403)]))
        .with_priority(1)
        .mount(&server)
        .await;
    let ran = Berth::with(&server).run(&["audit", "follow", "--from", "2", "-o", "name"]);
    assert_ne!(ran.code, 0, "the server has had enough");
    assert_eq!(ran.stdout, "2\n3\n");
}
