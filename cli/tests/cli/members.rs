//! `berth members …` and `berth invitations …`.

use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, ok, problem};

const ADA: &str = "8d7e6f5a-0000-4000-8000-000000000001";

fn ada(role: &str, suspended: bool) -> Value {
    let mut member = json!({
        "id": ADA, "name": "Ada", "kind": "user", "role": role, "signs_in": true, "created_at": "2026-11-29T10:00:00Z",
    });
    if suspended {
        member["suspended_at"] = json!("2026-11-29T11:00:00Z");
    }
    member
}

#[tokio::test]
async fn members_are_listed_changed_and_removed_by_id() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/members", ok(json!({"items": [ada("developer", false)]}))).await;
    answer(&server, "GET", "/members/Ada", ok(ada("developer", false))).await;
    answer(&server, "PATCH", "/members/Ada", ok(ada("maintainer", true))).await;
    answer(&server, "DELETE", &format!("/members/{ADA}"), ok(ada("developer", true))).await;
    let berth = || Berth::with(&server);
    let listed = berth().run(&["members", "list"]).ok().stdout;
    assert!(listed.contains("Ada\tdeveloper\tactive\tyes\t"), "{listed}");
    assert_eq!(berth().run(&["members", "get", "Ada", "-o", "json"]).ok().json()["id"], ADA);
    berth()
        .run(&["members", "set-role", "Ada", "maintainer"])
        .ok()
        .says("'Ada' is maintainer, and is suspended.");
    berth().run(&["members", "suspend", "Ada"]).ok();
    berth().run(&["members", "resume", "Ada"]).ok();
    // Nobody is there to be asked.
    berth().run(&["members", "remove", "Ada"]).exits(2);
    berth().run(&["members", "remove", "Ada", "--yes"]).ok().says("'Ada' is removed");
    berth().run(&["members", "set-role", "Ada", "emperor"]).exits(2);
    let requests = server.received_requests().await.expect("recorded");
    let changes: Vec<Value> = requests
        .iter()
        .filter(|request| request.method.as_str() == "PATCH")
        .map(|request| serde_json::from_slice(&request.body).expect("JSON"))
        .collect();
    assert_eq!(
        changes,
        [json!({"role": "maintainer"}), json!({"suspended": true}), json!({"suspended": false})]
    );
    assert_eq!(requests.iter().filter(|request| request.method.as_str() == "DELETE").count(), 1);
}

#[tokio::test]
async fn the_link_alone_is_printed_and_is_whole() {
    let server = MockServer::start().await;
    let invited = json!({
        "id": ADA, "name": "Zoe", "role": "viewer", "state": "open", "created_at": "2026-11-29T10:00:00Z",
        "created_by": ADA, "expires_at": "2026-12-06T10:00:00Z", "link": "/invitation?token=berth_inv_x",
    });
    answer(&server, "POST", "/invitations", ok(invited)).await;
    let ran = Berth::with(&server).run(&["invitations", "create", "Zoe", "--role", "viewer"]).ok();
    assert_eq!(ran.stdout, format!("{}/invitation?token=berth_inv_x\n", server.uri()));
    ran.says("may join as viewer until 2026-12-06T10:00:00Z");
    let refused = problem(422, "invalid", &json!([{"field": "role", "message": "must not be more"}]));
    let other = MockServer::start().await;
    answer(&other, "POST", "/invitations", refused).await;
    Berth::with(&other)
        .run(&["invitations", "create", "Zoe", "--role", "owner"])
        .exits(1)
        .says("must not be more");
}
