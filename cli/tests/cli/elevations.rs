//! `berth elevations …`.

use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{Berth, answer, ok};

const ID: &str = "8d7e6f5a-0000-4000-8000-000000000001";

fn elevation(state: &str) -> Value {
    let mut one = json!({
        "id": ID, "member": ID, "name": "Ada", "role": "maintainer", "group": "platform", "reason": "a deploy",
        "seconds": 1800, "state": state, "created_at": "2026-11-29T10:00:00Z", "decide_by": "2026-11-30T10:00:00Z",
    });
    if state == "active" {
        one["ends_at"] = json!("2026-11-29T10:30:00Z");
    }
    one
}

#[tokio::test]
async fn a_role_is_asked_for_listed_decided_and_ended() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/groups/platform/elevations", ok(elevation("pending"))).await;
    answer(&server, "POST", "/elevations", ok(elevation("pending"))).await;
    let both = json!({"items": [elevation("pending"), elevation("expired")]});
    answer(&server, "GET", "/elevations", ok(both)).await;
    for (how, state) in [("approve", "active"), ("refuse", "refused"), ("end", "ended")] {
        answer(&server, "POST", &format!("/elevations/{ID}/{how}"), ok(elevation(state))).await;
    }
    let berth = || Berth::with(&server);
    let asked = ["elevations", "request", "maintainer", "--reason", "a deploy", "--minutes", "30"];
    berth()
        .run(&[&asked[..], &["--group", "platform"]].concat())
        .ok()
        .says("You ask to be maintainer at group 'platform' for 30 minutes.");
    berth().run(&asked).ok();
    let listed = berth().run(&["elevations", "list"]).ok().stdout;
    assert!(
        listed.contains("Ada\tmaintainer\tplatform\t30m\tpending\t") && !listed.contains("expired"),
        "{listed}"
    );
    assert!(berth().run(&["elevations", "list", "--state", "all"]).ok().stdout.contains("expired"));
    let done = |how: &str| berth().run(&["elevations", how, ID]).ok();
    done("approve").says("'Ada' is maintainer at group 'platform' until 2026-11-29T10:30:00Z.");
    done("refuse").says("The wish of 'Ada' to be maintainer at group 'platform' is refused.");
    done("end").says("'Ada' is maintainer at group 'platform' no longer.");
    let requests = server.received_requests().await.expect("recorded");
    let body: Value = serde_json::from_slice(&requests[0].body).expect("JSON");
    assert_eq!(body, json!({"role": "maintainer", "reason": "a deploy", "seconds": 1800}));
    // What cannot be is said before anybody is asked.
    berth().run(&["elevations", "request", "emperor", "--reason", "x"]).exits(2);
    berth().run(&["elevations", "request", "owner"]).exits(2);
    berth().run(&["elevations", "request", "owner", "--reason", "x", "--minutes", "481"]).exits(2);
    berth().run(&["elevations", "approve", "not-an-id"]).exits(2);
}

#[tokio::test]
async fn who_has_to_prove_anew_who_they_are_is_told_how() {
    let server = MockServer::start().await;
    let body = json!({
        "type": "urn:berth:problem:forbidden", "title": "This token may not do that", "status": 403,
        "detail": "'elevation.approve' needs you to have proven lately who you are", "step_up": true,
    });
    let refusal = ResponseTemplate::new(403).set_body_raw(body.to_string(), "application/problem+json");
    answer(&server, "POST", &format!("/elevations/{ID}/approve"), refusal).await;
    Berth::with(&server).run(&["elevations", "approve", ID]).exits(5).says("/confirm").says("`berth login`");
}
