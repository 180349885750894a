//! `berth ports …`.

use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{Berth, answer, ok};

const ID: &str = "8d7e6f5a-0000-4000-8000-000000000001";

fn ports(shares: &Value) -> Value {
    let url = "https://8080-reef.ws.example/";
    let web = json!({"name": "web", "port": 8080, "url": url, "shares": shares});
    json!({"items": [web, {"name": "db", "port": 5432}]})
}

#[tokio::test]
async fn ports_are_listed_shared_and_taken_back() {
    let server = MockServer::start().await;
    let share = |with: Value| json!({"with": with, "shared_at": "2026-11-29T10:00:00Z", "expires_at": "2026-11-29T10:00:00Z"});
    let mut shut = share(json!("public"));
    shut["shut"] = json!("rule");
    let all = ports(&json!([
        share(json!({"user": {"id": ID, "name": "Bob"}})),
        share(json!({"group": {"id": ID, "path": "platform"}})),
        share(json!({"group": {"id": ID}})),
        share(json!("organization")),
        shut,
    ]));
    answer(&server, "GET", "/workspaces/reef/ports", ok(all.clone())).await;
    for how in ["share", "publish", "unshare"] {
        answer(&server, "POST", &format!("/workspaces/reef/ports/{how}"), ok(all.clone())).await;
    }
    let berth = || Berth::with(&server);
    let listed = berth().run(&["ports", "list", "reef"]).ok().stdout;
    let with = format!(
        "Bob (for 0s), group platform (for 0s), group {ID} (for 0s), the organization (for 0s), everybody (for 0s; lets nobody in now: a rule of the organization forbids it)"
    );
    assert!(listed.contains(&format!("8080\tweb\t-\t{with}\thttps://8080-reef.ws.example/")), "{listed}");
    assert!(listed.contains("5432\tdb\t-\tnobody\t-"), "{listed}");
    let share = ["ports", "share", "reef", "8080"];
    let with = |more: &[&'static str]| [&share[..], more].concat();
    berth()
        .run(&with(&["--user", "Bob", "--for", "30m"]))
        .ok()
        .says("Port 8080 is shared with 'Bob': https://8080-reef.ws.example/");
    berth().run(&with(&["--group", "platform/payments"])).ok();
    berth().run(&with(&["--whole-organization"])).ok();
    berth().run(&with(&["--public", "--for", "2d"])).ok().says("with whoever has its address");
    berth().run(&["ports", "unshare", "reef", "8080"]).ok().says("not shared with anybody any more");
    berth().run(&["ports", "unshare", "reef", "8080", "--public"]).ok();
    let requests = server.received_requests().await.expect("recorded");
    let bodies: Vec<Value> =
        requests.iter().filter_map(|request| serde_json::from_slice(&request.body).ok()).collect();
    let expected = [
        json!({"port": 8080, "with": {"user": "Bob"}, "minutes": 30}),
        json!({"port": 8080, "with": {"group": "platform/payments"}}),
        json!({"port": 8080, "with": "organization"}),
        json!({"port": 8080, "minutes": 2880}),
        json!({"port": 8080}),
        json!({"port": 8080, "with": "public"}),
    ];
    assert_eq!(bodies, expected);
    // What cannot be is said before anybody is asked.
    for wrong in [
        &share[..],
        &with(&["--user", "Bob", "--public"]),
        &with(&["--public", "--for", "90s"]),
        &with(&["--public", "--for", "0m"]),
        &with(&["--group", "../x"]),
        &["ports", "share", "reef", "0", "--public"],
    ] {
        berth().run(wrong).exits(2);
    }
}

#[tokio::test]
async fn ports_that_no_devfile_declares_are_opened_and_closed() {
    let server = MockServer::start().await;
    let opened = |shut: Value| {
        let mut how = json!({"opened_at": "2026-11-29T10:00:00Z", "expires_at": "2026-11-29T10:00:00Z"});
        if !shut.is_null() {
            how["shut"] = shut;
        }
        let url = "https://3000-reef.ws.example/";
        json!({"items": [{"name": "preview", "port": 3000, "url": url, "opened": how}]})
    };
    answer(&server, "POST", "/workspaces/reef/ports/open", ok(opened(Value::Null))).await;
    answer(&server, "POST", "/workspaces/reef/ports/close", ok(json!({"items": []}))).await;
    answer(&server, "GET", "/workspaces/reef/ports", ok(opened(json!("rule")))).await;
    let berth = || Berth::with(&server);
    let open = ["ports", "open", "reef", "3000"];
    berth().run(&open).ok().says("Port 3000 is open: https://3000-reef.ws.example/");
    berth().run(&[&open[..], &["--for", "90m", "--name", "preview"]].concat()).ok();
    let listed = berth().run(&["ports", "list", "reef"]).ok().stdout;
    let shut = "for 0s; lets nobody in now: a rule of the organization forbids it";
    let row = format!("3000\tpreview\t{shut}\tnobody\thttps://3000-reef.ws.example/");
    assert!(listed.contains(&row), "{listed}");
    berth().run(&["ports", "close", "reef", "3000"]).ok().says("Port 3000 is closed.");
    let requests = server.received_requests().await.expect("recorded");
    let bodies: Vec<Value> =
        requests.iter().filter_map(|request| serde_json::from_slice(&request.body).ok()).collect();
    let expected = [
        json!({"port": 3000}),
        json!({"port": 3000, "name": "preview", "minutes": 90}),
        json!({"port": 3000}),
    ];
    assert_eq!(bodies, expected);
    for wrong in [
        &["ports", "open", "reef", "0"][..],
        &["ports", "open", "reef", "65536"],
        &["ports", "open", "reef", "3000", "--name", "<b>"],
        &["ports", "open", "reef", "3000", "--for", "30"],
        &["ports", "close", "reef", "x"],
    ] {
        berth().run(wrong).exits(2);
    }
}

#[tokio::test]
async fn a_port_that_may_not_be_public_says_by_which_rule() {
    let server = MockServer::start().await;
    let body = json!({
        "type": "urn:berth:problem:forbidden", "title": "This token may not do that", "status": 403,
        "detail": "the organization's rule 'nothing-is-public' forbids 'workspace.publish-port'",
    });
    let refusal = ResponseTemplate::new(403).set_body_raw(body.to_string(), "application/problem+json");
    answer(&server, "POST", "/workspaces/reef/ports/publish", refusal).await;
    Berth::with(&server)
        .run(&["ports", "share", "reef", "8080", "--public"])
        .exits(5)
        .says("nothing-is-public")
        .says("hint: owners set the rules: `berth policy set`");
}
