//! Whatever is wrong is named, and nothing is stored.

use berth_schema::variables::MAX_TOTAL_BYTES;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{App, Requests, send};

/// Fields that creating a workspace with this body names.
async fn refused(app: &App, cases: &[(Value, &[&str])]) {
    let admin = app.organization("acme").await;
    admin.create_agent("cluster").await;
    for (body, fields) in cases {
        let reply = admin.create(body).await;
        assert_eq!(reply.wrong_fields(), *fields, "{body}: {}", reply.text);
    }
    assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM workspace_variables").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM workspace_data_keys").await, 0);
}

#[tokio::test]
async fn every_wrong_field_is_named_and_nothing_is_stored() {
    App::run(async |app| {
        let long = "a".repeat(34);
        let variable = |name: &str| json!({"image": "a", "variables": [{"name": name, "value": "v"}]});
        let cases: Vec<(Value, &[&str])> = vec![
            (json!({"image": "a", "colour": "red"}), &["colour"]),
            (json!({"image": 7}), &["image"]),
            (json!({"image": "a", "variables": {}}), &["variables"]),
            (json!({"image": "a", "variables": [{"name": "A", "valu": "x"}]}), &["variables[0].valu"]),
            (json!({"image": "a", "variables": [{"value": "x"}]}), &["variables[0].name"]),
            (json!({"image": "a", "variables": [{"name": "A", "value": "x", "kind": "registry"}]}), &["variables[0].kind"]),
            (json!({"image": "a", "name": long}), &["name"]),
            (json!({"image": "a", "name": "Upper"}), &["name"]),
            (json!({"image": "a", "name": "berth-x"}), &["name"]),
            (json!({"image": "a b"}), &["image"]),
            (json!({"devfile": "schemaVersion: 2.2.2", "image": "a"}), &["image"]),
            (variable("1A"), &["variables[0].name"]),
            (variable("LD_PRELOAD"), &["variables[0].name"]),
            (json!({"image": "a", "variables": [{"name": "A"}]}), &["variables[0].value"]),
            (json!({"image": "a", "variables": [{"name": "A", "value_base64": "%"}]}), &["variables[0].value"]),
            (json!({"image": "a", "agent": "nobody"}), &["agent"]),
            (json!({"image": "a", "agent": "No Name"}), &["agent"]),
            (json!({"image": "a", "agent": "f2b2ad1c-4a2f-4a53-8a7e-6a5a3c3b7f10"}), &["agent"]),
            (json!([]), &["body"]),
            (
                json!({"name": "A", "image": "a b", "agent": "nobody", "variables": [{"name": "1A", "value": "x"}]}),
                &["name", "image", "variables[0].name", "agent"],
            ),
        ];
        refused(app, &cases).await;
    })
    .await;
}

#[tokio::test]
async fn a_broken_devfile_says_its_line() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let devfile =
            "schemaVersion: 2.2.2\ncomponents:\n  - name: main\n    container:\n      imag: debian\n";
        let problem = admin.create(&json!({"devfile": devfile})).await.problem(422, "invalid");
        let error = problem.errors.iter().find(|error| error.field.starts_with("devfile.components[0]"));
        assert!(error.is_some_and(|error| error.message.contains("line 5")), "{problem:?}");
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_agent_of_another_organisation_is_none() {
    App::run(async |app| {
        let (admin, other) = (app.organization("acme").await, app.organization("other").await);
        let foreign = other.create_agent("theirs").await;
        for agent in [foreign.id.to_string(), "theirs".to_owned()] {
            let reply = admin.create(&json!({"image": "a", "agent": agent})).await;
            assert_eq!(reply.wrong_fields(), ["agent"]);
        }
        let own = admin.create_agent("ours").await;
        admin.post(&admin.path("/agents/ours/revoke"), &json!({})).await.expect::<Value>(200);
        for agent in [own.id.to_string(), "ours".to_owned()] {
            let reply = admin.create(&json!({"image": "a", "agent": agent})).await;
            assert_eq!(reply.wrong_fields(), ["agent"]);
        }
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
    })
    .await;
}

#[tokio::test]
async fn without_an_agent_named_there_must_be_exactly_one() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let body = json!({"image": "a"});
        assert_eq!(admin.create(&body).await.wrong_fields(), ["agent"]);
        admin.create_agent("one").await;
        admin.create(&body).await.expect::<Value>(201);
        admin.create_agent("two").await;
        assert_eq!(admin.create(&body).await.wrong_fields(), ["agent"]);
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_is_refused_is_not_repeated() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        const SECRET: &str = "hunter2-31337";
        for variable in [
            json!({"name": "1A", "value": SECRET}),
            json!({"name": "A", "value": SECRET, "value_base64": SECRET}),
            json!({"name": "A", "value_base64": SECRET}),
            json!({"name": "A", "value": {"nested": SECRET}}),
            json!({"name": "A", "value": "x", "kind": SECRET}),
            json!(SECRET),
            json!([SECRET]),
        ] {
            let reply = admin.create(&json!({"image": "a", "variables": [variable]})).await;
            reply.problem(422, "invalid");
            assert!(!reply.text.contains(SECRET), "{variable}: {}", reply.text);
        }
        let reply = admin.create(&json!({"image": "a", "variables": [{"name": "A", "value": 31_337}]})).await;
        assert!(!reply.text.contains("31337"), "{}", reply.text);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_json_is_said_to_be_none() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let path = admin.path("/agents");
        let post = |body: &'static str, media_type: &'static str| {
            send(admin.request(Method::POST, &path).header("content-type", media_type).body(body))
        };
        let problem = post("{\"name\": ", "application/json").await.problem(400, "malformed-json");
        assert!(problem.detail.contains("line 1"), "{problem:?}");
        post("{\"name\": \"a\"}", "text/plain").await.problem(415, "unsupported-media-type");
        post("{\"name\": \"a\"}", "application/json-patch+json").await.problem(415, "unsupported-media-type");
        post("{\"name\": \"a\"}", "application/json; charset=utf-8").await.expect::<Value>(201);
        let bare = send(admin.request(Method::POST, &path).body("{}")).await;
        bare.problem(415, "unsupported-media-type");
        let encoded = admin.request(Method::POST, &path).header("content-encoding", "br").json(&json!({}));
        send(encoded).await.problem(415, "unsupported-media-type");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let large = json!({"image": "x".repeat(5 * 1024 * 1024)});
        admin.create(&large).await.problem(413, "body-too-large");
        agent.post("/api/v1/agent/reconcile", &large).await.problem(413, "body-too-large");
        let total = json!([{"name": "A", "kind": "file", "value": "x".repeat(MAX_TOTAL_BYTES)}]);
        let reply = admin.create(&json!({"image": "a", "variables": total})).await;
        assert_eq!(reply.wrong_fields(), ["variables"]);
    })
    .await;
}

#[tokio::test]
async fn queries_and_headers_are_checked_too() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=x", "limit"),
            ("after=x", "after"),
            ("colour=red", "colour"),
            ("limit=1&limit=2", "limit"),
            ("desired_state=Broken", "desired_state"),
            ("actual_state=running,Broken", "actual_state"),
            ("agent=nobody", "agent"),
            ("agent=No%20Name", "agent"),
        ] {
            let reply = admin.get(&admin.path(&format!("/workspaces?{query}"))).await;
            assert_eq!(reply.wrong_fields(), [field], "{query}");
        }
        let agents = admin.path("/agents");
        let request = admin.request(Method::POST, &agents).header("idempotency-key", "a b");
        let problem = send(request.json(&json!({"name": "a"}))).await.problem(400, "malformed-request");
        assert_eq!(problem.errors[0].field, "Idempotency-Key");
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let stop = admin.path("/workspaces/w/stop");
        let reply = send(admin.request(Method::POST, &stop).header("if-match", "7")).await;
        assert_eq!(reply.problem(400, "malformed-request").errors[0].field, "If-Match");
    })
    .await;
}
