//! `berth groups …` and `berth projects …`.

use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, bodies, ok, problem, requests};

const ID: &str = "8d7e6f5a-0000-4000-8000-000000000001";

fn group(path: &str) -> Value {
    json!({"id": ID, "path": path, "created_at": "2026-11-29T10:00:00Z"})
}

fn project(path: &str, settings: &Value, version: i64) -> Value {
    let now = "2026-11-29T10:00:00Z";
    json!({"id": ID, "path": path, "settings": settings, "version": version, "created_at": now, "updated_at": now})
}

#[tokio::test]
async fn a_path_is_one_part_of_the_address_and_says_what_something_is_in() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/groups", ok(group("platform"))).await;
    answer(&server, "POST", "/groups/platform/groups", ok(group("platform/payments"))).await;
    answer(
        &server,
        "POST",
        "/groups/platform%2Fpayments/projects",
        ok(project("platform/payments/api", &json!({}), 1)),
    )
    .await;
    answer(&server, "GET", "/groups", ok(json!({"items": [group("platform/payments")]}))).await;
    let mut whole = group("platform/payments");
    whole["agents"] = json!(["berlin", "paris"]);
    answer(&server, "GET", "/groups/platform%2Fpayments", ok(whole)).await;
    answer(&server, "PATCH", "/groups/platform%2Fpayments", ok(group("billing"))).await;
    answer(&server, "DELETE", &format!("/groups/{ID}"), ok(group("billing"))).await;
    let berth = || Berth::with(&server);
    berth().run(&["groups", "create", "platform"]).ok().prints("platform\n");
    berth()
        .run(&["groups", "create", "platform/payments"])
        .ok()
        .says("Group 'platform/payments' is created.");
    berth().run(&["projects", "create", "platform/payments/api"]).ok().prints("platform/payments/api\n");
    assert!(berth().run(&["groups", "list"]).ok().stdout.contains("platform/payments\t"));
    assert_eq!(berth().run(&["groups", "get", "platform/payments", "-o", "json"]).ok().json()["id"], ID);
    let got = berth().run(&["groups", "get", "platform/payments"]).ok().stdout;
    assert!(got.contains("\nAgents\tberlin, paris\n"), "{got}");
    berth().run(&["groups", "move", "platform/payments", "billing"]).ok().says("The group is 'billing' now.");
    berth().run(&["groups", "delete", ID]).exits(2).says("--yes");
    berth().run(&["groups", "delete", ID, "--yes"]).ok().says("Group 'billing' is deleted.");
    let sent = bodies(&server).await;
    let expected =
        [json!({"name": "platform"}), json!({"name": "payments"}), json!({"name": "api", "settings": {}})];
    assert_eq!(sent, [&expected[..], &[json!({"path": "billing"})]].concat());
    let keys = server.received_requests().await.unwrap();
    assert!(
        keys.iter()
            .filter(|r| r.method.as_str() == "POST")
            .all(|r| r.headers.contains_key("idempotency-key"))
    );
    for bad in ["", "/", "a//b", "../a", "a/", "A", "a?b"] {
        berth().run(&["groups", "get", bad]).exits(2);
        berth().run(&["projects", "get", bad]).exits(2);
    }
}

#[tokio::test]
async fn a_project_is_shown_with_the_file_that_its_workspaces_are_made_of() {
    let server = MockServer::start().await;
    let repository = json!({"url": "https://git.example/api.git", "ref": "main"});
    let with = json!({"repository": repository, "devfile_path": "apps/shop/devfile.yaml"});
    answer(&server, "GET", "/projects/a%2Fshop", ok(project("a/shop", &with, 1))).await;
    answer(&server, "GET", "/projects/a%2Fplain", ok(project("a/plain", &json!({}), 1))).await;
    let shown = |path: &str| Berth::with(&server).run(&["projects", "get", path]).ok().stdout;
    let (shop, plain) = (shown("a/shop"), shown("a/plain"));
    assert!(shop.contains("Ref\tmain\nDevfile\tapps/shop/devfile.yaml\nAgent\t"), "{shop}");
    assert!(!plain.contains("Devfile"), "{plain}");
}

#[tokio::test]
async fn what_is_not_given_of_a_project_stays_and_only_what_was_seen_is_changed() {
    let server = MockServer::start().await;
    let before =
        json!({"repository": {"url": "https://git.example/api.git", "ref": "main"}, "agent": "berlin"});
    answer(&server, "GET", "/projects/platform%2Fapi", ok(project("platform/api", &before, 4))).await;
    answer(&server, "PATCH", &format!("/projects/{ID}"), ok(project("platform/api", &before, 5))).await;
    let set =
        |args: &[&str]| Berth::with(&server).run(&[&["projects", "set", "platform/api"], args].concat());
    set(&["--ref", "release"]).ok().says("Project 'platform/api' is at version 5.");
    set(&["--repository", "ssh://git@git.example/api.git", "--no-agent"]).ok();
    set(&["--no-repository"]).ok();
    set(&["--no-ref", "--agent", "paris"]).ok();
    set(&[]).exits(2);
    set(&["--no-repository", "--ref", "main"]).exits(2);
    let refused = set(&["--repository", "https://me:hunter2@git.example/api.git"]).exits(2);
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    let url = "https://git.example/api.git";
    let expected = [
        json!({"repository": {"url": url, "ref": "release"}, "agent": "berlin"}),
        json!({"repository": {"url": "ssh://git@git.example/api.git"}}),
        json!({"agent": "berlin"}),
        json!({"repository": {"url": url}, "agent": "paris"}),
    ];
    assert_eq!(bodies(&server).await, expected.map(|settings| json!({"settings": settings})));
    for request in server.received_requests().await.unwrap().iter().filter(|r| r.method.as_str() == "PATCH") {
        assert_eq!(request.headers["if-match"], "\"4\"");
    }
    assert!(!requests(&server).await.contains("hunter2"));
}

#[tokio::test]
async fn a_group_that_holds_something_is_refused_in_the_servers_words() {
    let server = MockServer::start().await;
    let refused = problem(409, "the group holds projects; move or delete that first", &json!([]));
    answer(&server, "DELETE", "/groups/platform", refused).await;
    Berth::with(&server)
        .run(&["groups", "delete", "platform", "--yes"])
        .exits(6)
        .says("the group holds projects");
}

#[tokio::test]
async fn roles_are_given_and_taken_at_a_place_and_an_explanation_names_it() {
    let server = MockServer::start().await;
    let given = json!({"member": ID, "name": "Ada", "kind": "user", "role": "maintainer"});
    for at in ["/groups/platform%2Fpayments", "/projects/api"] {
        answer(&server, "GET", &format!("{at}/members"), ok(json!({"items": [given]}))).await;
        answer(&server, "PUT", &format!("{at}/members"), ok(given.clone())).await;
        answer(&server, "POST", &format!("{at}/members/remove"), ok(given.clone())).await;
    }
    let berth = || Berth::with(&server);
    for (kind, at) in [("groups", "platform/payments"), ("projects", "api")] {
        assert_eq!(berth().run(&[kind, "members", at]).ok().stdout, "NAME\tROLE\nAda\tmaintainer\n");
        berth().run(&[kind, "give-role", at, "Ada", "maintainer"]).ok().says("'Ada' is maintainer there");
        berth().run(&[kind, "take-role", at, "Ada"]).ok().says("'Ada' is not maintainer there any more.");
        berth().run(&[kind, "give-role", at, "Ada", "emperor"]).exits(2);
    }
    let one = [json!({"member": "Ada", "role": "maintainer"}), json!({"member": "Ada"})];
    assert_eq!(bodies(&server).await, [&one[..], &one[..]].concat());
    let permission = json!({
        "action": "project.change", "resource": ID, "role": "developer", "policy_version": 0, "allowed": true,
        "given": [{"role": "maintainer", "at": "group", "path": "platform"}], "reason": "permitted", "rules": ["maintainers"],
    });
    answer(&server, "GET", "/can-i", ok(permission)).await;
    berth().run(&["auth", "can-i", "project.change", "platform/api", "--explain"]).ok().says(
        "As developer, maintainer of group 'platform', by version 0 of the policy: permitted (rule maintainers).",
    );
}

#[tokio::test]
async fn what_there_is_not_is_said_with_what_to_do() {
    let server = MockServer::start().await;
    let missing = |what: &str| problem(404, &format!("there is no such {what}"), &json!([]));
    answer(&server, "POST", "/groups/a/groups", missing("group")).await;
    answer(&server, "POST", "/groups/a/projects", missing("group")).await;
    answer(&server, "GET", "/groups/a", missing("group")).await;
    answer(&server, "GET", "/projects/a%2Fb", missing("project")).await;
    let berth = || Berth::with(&server);
    for kind in ["groups", "projects"] {
        let ran = berth().run(&[kind, "create", "a/b"]).exits(3);
        ran.says("make the group first that it is to be in: `berth groups create PATH`");
    }
    berth().run(&["groups", "get", "a"]).exits(3).says("`berth groups list` shows those that you may see");
    berth()
        .run(&["projects", "get", "a/b"])
        .exits(3)
        .says("`berth projects list` shows those that you may see");
}
