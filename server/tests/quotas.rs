//! Quotas, the largest workspace, and other resources for one that exists: on a real server and a real Postgres.

use berth_schema::api::Workspace;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Admin, App, Reply, Requests};

async fn configure(admin: &Admin, document: &Value) {
    let view: Value = admin.put(&admin.path("/agents/cluster/configuration"), document).await.expect(200);
    assert_eq!(&view["configuration"], document);
}

async fn resize(admin: &Admin, name: &str, wish: &Value) -> Reply {
    admin.post(&admin.path(&format!("/workspaces/{name}/resize")), wish).await
}

fn image(name: &str) -> Value {
    json!({"name": name, "image": "debian:13"})
}

#[tokio::test]
async fn fifty_creations_at_once_against_a_quota_of_twenty_give_exactly_twenty() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        configure(&admin, &json!({"quotas": {"agent": {"workspaces": 20}}})).await;
        // Two servers on one database, so that no lock of a process could be what holds it.
        let replica = app.replica().await;
        let other = replica.admin(&admin);
        let replies = join_all((0..50).map(async |number: usize| {
            let who = if number.is_multiple_of(2) { &admin } else { &other };
            loop {
                let reply = who.create(&image(&format!("w-{number}"))).await;
                // On a busy machine the queue for the lock is longer than a request waits for a connection. A client that is
                // told so tries again.
                if reply.status != 503 {
                    break reply;
                }
            }
        }))
        .await;
        let created = replies.iter().filter(|reply| reply.status == 201).count();
        assert_eq!(created, 20);
        for refused in replies.iter().filter(|reply| reply.status != 201) {
            let problem = refused.problem(403, "quota-exceeded");
            assert_eq!(problem.errors[0].field, "quotas.agent.workspaces");
            let expected = "the agent's quota of workspaces is 20, and 20 of it are used; this needs 1 more";
            assert_eq!(problem.errors[0].message, expected);
        }
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 20);
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_place_is_free_again_once_a_workspace_is_to_be_terminated() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        configure(&admin, &json!({"quotas": {"agent": {"workspaces": 1}}})).await;
        admin.create_workspace("one").await;
        admin.create(&image("two")).await.problem(403, "quota-exceeded");
        admin.wish("one", "terminate").await.expect::<Value>(200);
        admin.create_workspace("two").await;
    })
    .await;
}

#[tokio::test]
async fn each_user_has_a_quota_of_their_own() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        configure(&admin, &json!({"quotas": {"user": {"workspaces": 2}}})).await;
        let second = Admin::new(app.address(), app.token(admin.organization(), None).await);
        for (who, name) in [(&admin, "a-1"), (&admin, "a-2"), (&second, "b-1"), (&second, "b-2")] {
            who.create(&image(name)).await.expect::<Value>(201);
        }
        for who in [&admin, &second] {
            let problem = who.create(&image("more")).await.problem(403, "quota-exceeded");
            assert_eq!(problem.errors[0].field, "quotas.user.workspaces");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_stopped_runs_again_only_while_there_is_room() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        configure(&admin, &json!({"quotas": {"agent": {"running": 1}}})).await;
        admin.create_workspace("one").await;
        admin.create(&image("two")).await.problem(403, "quota-exceeded");
        admin.wish("one", "stop").await.expect::<Value>(200);
        admin.create_workspace("two").await;
        let problem = admin.wish("one", "start").await.problem(403, "quota-exceeded");
        assert_eq!(problem.errors[0].field, "quotas.agent.running");
        admin.wish("two", "restart").await.expect::<Value>(200);
        admin.wish("two", "stop").await.expect::<Value>(200);
        admin.wish("one", "start").await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn cpu_and_memory_count_by_their_limits_and_defaults() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        configure(&admin, &json!({"quotas": {"agent": {"cpu": "2500m", "memory": "3Gi"}}})).await;
        // The built-in defaults: one CPU and 512Mi.
        admin.create_workspace("one").await;
        resize(&admin, "one", &json!({"memory": "2Gi"})).await.expect::<Value>(200);
        admin.create_workspace("two").await;
        let problem = admin.create(&image("three")).await.problem(403, "quota-exceeded");
        let fields: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["quotas.agent.cpu"], "{:?}", problem.errors);
        assert!(problem.errors[0].message.contains("is 2500m, and 2 of it are used"), "{:?}", problem.errors);
        let problem = resize(&admin, "two", &json!({"memory": "2Gi"})).await.problem(403, "quota-exceeded");
        assert_eq!(problem.errors[0].field, "quotas.agent.memory");
        // A change of the defaults changes what is counted.
        let quotas =
            json!({"quotas": {"agent": {"cpu": "2500m"}}, "default_resources": {"cpu_limit": "500m"}});
        configure(&admin, &quotas).await;
        admin.create_workspace("three").await;
    })
    .await;
}

fn devfile(memory: &str) -> String {
    format!(
        "schemaVersion: 2.2.0\ncomponents:\n- name: volume\n  volume: {{}}\n- name: main\n  container: {{image: 'debian:13', memoryLimit: {memory}}}\n"
    )
}

#[tokio::test]
async fn a_devfile_beyond_the_maximum_is_refused_at_its_field() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        configure(&admin, &json!({"max_resources": {"memory": "2Gi"}})).await;
        let refused = admin.create(&json!({"name": "one", "devfile": devfile("3Gi")})).await;
        let problem = refused.problem(422, "invalid");
        assert_eq!(problem.errors[0].field, "devfile.components[1].container.memoryLimit");
        let message = &problem.errors[0].message;
        assert!(
            message.starts_with("the containers get 3Gi of memory together, at most 2Gi are allowed"),
            "{message}"
        );
        admin.create(&json!({"name": "one", "devfile": devfile("2Gi")})).await.expect::<Value>(201);
        let rebuild = admin.path("/workspaces/one/rebuild");
        let refused = admin.post(&rebuild, &json!({"devfile": devfile("3Gi")})).await;
        assert_eq!(refused.wrong_fields(), ["devfile.components[1].container.memoryLimit"]);
        let refused = resize(&admin, "one", &json!({"memory": "3Gi"})).await;
        assert_eq!(refused.wrong_fields(), ["memory"]);
        assert_eq!(admin.workspace("one").await.generation.get(), 1, "nothing was changed");
    })
    .await;
}

#[tokio::test]
async fn a_resize_reaches_the_objects_and_the_volume_never_shrinks() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("one").await;
        let wish = json!({"cpu": "2", "memory": "1Gi", "disk": "5Gi"});
        let resized: Workspace = resize(&admin, "one", &wish).await.expect(200);
        assert_eq!(resized.generation.get(), 2);
        let response = agent.partial(1, vec![]).await;
        let objects = response.workspaces[0].config_to_apply.as_ref().expect("objects");
        let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).expect("an object");
        let pod = &of("Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["resources"]["limits"], json!({"cpu": "2", "memory": "1Gi"}));
        assert_eq!(of("PersistentVolumeClaim")["spec"]["resources"]["requests"]["storage"], "5Gi");
        assert_eq!(of("ResourceQuota")["spec"]["hard"]["limits.memory"], (1_u64 << 30).to_string());
        // Never proven: it may be taken back to where it began, and no further.
        assert_eq!(resize(&admin, "one", &json!({"disk": "512Mi"})).await.wrong_fields(), ["disk"]);
        resize(&admin, "one", &json!({"disk": "1Gi"})).await.expect::<Value>(200);
        for (wish, field) in
            [(json!({}), "body"), (json!({"cpu": "many"}), "cpu"), (json!({"gpu": "1"}), "gpu")]
        {
            assert_eq!(resize(&admin, "one", &wish).await.wrong_fields(), [field]);
        }
        admin.wish("one", "terminate").await.expect::<Value>(200);
        resize(&admin, "one", &json!({"cpu": "1"})).await.problem(409, "wrong-state");
    })
    .await;
}
