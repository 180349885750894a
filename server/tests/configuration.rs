//! An agent's configuration through the REST API, and what a change of it does to workspaces.

use berth_schema::AgentConfiguration;
use berth_schema::configuration::ConfigurationView;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Admin, App, Requests, message, send};

const PATH: &str = "/agents/cluster/configuration";

async fn set(admin: &Admin, document: &Value) -> ConfigurationView {
    admin.put(&admin.path(PATH), document).await.expect(200)
}

async fn get(admin: &Admin) -> ConfigurationView {
    admin.get(&admin.path(PATH)).await.expect(200)
}

#[tokio::test]
async fn what_was_never_set_is_empty_and_the_servers_options_hold() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let reply = admin.get(&admin.path(PATH)).await;
        assert_eq!(reply.header("etag"), "\"0\"");
        let view: ConfigurationView = reply.expect(200);
        assert_eq!((view.version, view.changed_at), (0, None));
        assert_eq!(view.configuration, AgentConfiguration::default());
        assert_eq!(view.effective.volume_size.as_deref(), Some("1Gi"));
        assert_eq!(view.effective.network_policy.egress.map(|rules| rules.len()), Some(2));
        assert_eq!(view.effective.lifecycle.max_age_hours, Some(8_760));
    })
    .await;
}

#[tokio::test]
async fn what_was_set_is_shown_and_replaces_all_that_was_before() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let one = set(&admin, &json!({"user": 6000, "labels": {"team": "red"}})).await;
        assert_eq!((one.version, one.configuration.user), (1, Some(6_000)));
        assert!(one.changed_at.is_some());
        let two = set(&admin, &json!({"labels": {"team": "red"}})).await;
        assert_eq!((two.version, two.configuration.user, two.effective.user), (2, None, Some(5_001)));
        assert_eq!(
            set(&admin, &json!({"labels": {"team": "red"}})).await.version,
            2,
            "the same is no change"
        );
        assert_eq!(get(&admin).await.configuration, two.configuration);
        // Another organisation's agent of that name has its own.
        let other = app.organization("other").await;
        other.create_agent("cluster").await;
        assert_eq!(get(&other).await.version, 0);
    })
    .await;
}

#[tokio::test]
async fn one_bad_key_refuses_the_change_and_leaves_the_old_one_in_force() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("one").await;
        let before = set(&admin, &json!({"dns_zone": "a.example"})).await;
        let bad = json!({"user": 7000, "usr": 1, "volume_size": "big", "network_policy": {"egress": [{"allow": "x"}]}});
        let reply = admin.put(&admin.path(PATH), &bad).await;
        assert_eq!(reply.wrong_fields(), ["network_policy.egress[0].allow", "volume_size", "usr"]);
        for (body, field) in [(r#"{"user": 1, "user": 2}"#, "user"), (r#"{"labels": {"a": "b", "a": "c"}}"#, "labels.a")] {
            let request = admin.request(Method::PUT, &admin.path(PATH)).header("content-type", "application/json");
            assert_eq!(send(request.body(body)).await.wrong_fields(), [field]);
        }
        let after = get(&admin).await;
        assert_eq!((after.version, &after.configuration), (before.version, &before.configuration));
        assert_eq!(admin.workspace("one").await.generation.get(), 2, "of the change that was right");
    })
    .await;
}

#[tokio::test]
async fn a_change_upon_an_old_version_is_refused() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let put = async |version: &str, user: i64| {
            let request = admin.request(Method::PUT, &admin.path(PATH)).header("if-match", version);
            send(request.json(&json!({"user": user}))).await
        };
        put("\"0\"", 6_000).await.expect::<Value>(200);
        let problem = put("\"0\"", 7_000).await.problem(412, "configuration-mismatch");
        assert_eq!(problem.errors[0].field, "If-Match");
        assert!(problem.detail.contains("version 1"), "{}", problem.detail);
        assert_eq!(put("\"1\"", 7_000).await.header("etag"), "\"2\"");
    })
    .await;
}

#[tokio::test]
async fn what_changes_the_cluster_raises_every_living_workspace_and_wakes_the_agent() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for name in ["one", "two", "gone"] {
            admin.create_workspace(name).await;
        }
        admin.wish("gone", "terminate").await.expect::<Value>(200);
        agent.partial(1, vec![]).await;
        let waiting = async {
            let mut request = message(2, vec![]);
            request.wait_seconds = 20;
            // It holds the directives of the first round, so that only the change is news.
            request.received = agent
                .partial(1, vec![])
                .await
                .workspaces
                .iter()
                .map(|directive| berth_schema::reconcile::Received {
                    workspace_id: directive.workspace_id,
                    generation: directive.generation,
                })
                .collect();
            agent.send(&request).await.expect::<berth_schema::reconcile::ReconcileResponse>(200)
        };
        let change = async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            set(&admin, &json!({"labels": {"team": "red"}})).await
        };
        let started = std::time::Instant::now();
        let (response, view) = tokio::join!(waiting, change);
        assert!(started.elapsed().as_secs() < 15, "the agent was not woken");
        assert_eq!(view.rendered_again, Some(2));
        let labelled = response.workspaces.iter().filter_map(|directive| directive.config_to_apply.as_ref());
        let labelled =
            labelled.filter(|objects| objects.iter().all(|o| o["metadata"]["labels"]["team"] == "red"));
        assert_eq!(labelled.count(), 2, "{:#?}", response.workspaces);
        for (name, generation) in [("one", 2), ("two", 2), ("gone", 2)] {
            assert_eq!(admin.workspace(name).await.generation.get(), generation, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_changes_nothing_in_the_cluster_leaves_workspaces_alone() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("one").await;
        let quotas = json!({"quotas": {"agent": {"workspaces": 100}}, "storage_class": "fast", "user": 5001});
        assert_eq!(set(&admin, &quotas).await.rendered_again, Some(0));
        assert_eq!(admin.workspace("one").await.generation.get(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("one").await;
        let path = admin.path(&format!("{PATH}?dry_run=true"));
        let view: ConfigurationView =
            admin.put(&path, &json!({"user": 6000, "labels": {"a": "b"}})).await.expect(200);
        assert_eq!((view.version, view.configuration.user, view.rendered_again), (0, Some(6_000), Some(1)));
        assert_eq!(admin.put(&path, &json!({"user": 0})).await.wrong_fields(), ["user"]);
        assert_eq!(get(&admin).await.version, 0);
        assert_eq!(admin.workspace("one").await.generation.get(), 1);
    })
    .await;
}

#[tokio::test]
async fn storage_is_that_of_the_creation_for_good() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        set(&admin, &json!({"storage_class": "fast", "volume_size": "3Gi"})).await;
        admin.create_workspace("one").await;
        set(&admin, &json!({"storage_class": "slow", "volume_size": "2Gi", "labels": {"a": "b"}})).await;
        let rebuilt =
            admin.post(&admin.path("/workspaces/one/rebuild"), &json!({"image": "debian:12"})).await;
        rebuilt.expect::<Value>(200);
        let response = agent.partial(1, vec![]).await;
        let objects = response.workspaces[0].config_to_apply.as_ref().expect("objects");
        let claim = objects.iter().find(|object| object["kind"] == "PersistentVolumeClaim").expect("a claim");
        assert_eq!(claim["spec"]["storageClassName"], "fast");
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "3Gi");
        assert_eq!(claim["metadata"]["labels"]["a"], "b");
    })
    .await;
}

/// What an agent is told to run the workspaces as, and their generations.
async fn users(agent: &crate::support::Agent, sequence: i64) -> Vec<(i64, i64)> {
    let response = agent.partial(sequence, vec![]).await;
    let told = response.workspaces.iter().filter_map(|directive| {
        let deployment = directive.config_to_apply.as_ref()?.last()?;
        let user = &deployment["spec"]["template"]["spec"]["securityContext"]["runAsUser"];
        Some((user.as_i64()?, directive.generation.get()))
    });
    told.collect()
}

#[tokio::test]
async fn the_user_is_that_of_the_creation_for_good() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("one").await;
        assert_eq!(set(&admin, &json!({"user": 6001})).await.rendered_again, Some(0));
        assert_eq!(users(&agent, 1).await, [(5_001, 1)]);
        let image = json!({"image": "debian:12"});
        admin.post(&admin.path("/workspaces/one/rebuild"), &image).await.expect::<Value>(200);
        assert_eq!(users(&agent, 2).await, [(5_001, 2)]);
    })
    .await;
}

#[tokio::test]
async fn a_workspace_from_before_is_settled_to_the_user_that_it_had() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        set(&admin, &json!({"user": 6001})).await;
        admin.create_workspace("one").await;
        let owner = crate::support::postgres::client(&app.database_url).await;
        owner
            .batch_execute("UPDATE workspaces SET spec = spec - 'user'")
            .await
            .expect("as it was stored before");
        assert_eq!(users(&agent, 1).await, [(6_001, 1)]);
        // A round may be rendering it from the new configuration at this moment: it gets a new generation.
        let path = admin.path(&format!("{PATH}?dry_run=true"));
        let tried: ConfigurationView = admin.put(&path, &json!({"user": 7001})).await.expect(200);
        assert_eq!(tried.rendered_again, Some(1));
        assert_eq!(set(&admin, &json!({"user": 7001})).await.rendered_again, Some(1));
        assert_eq!(users(&agent, 2).await, [(6_001, 2)]);
        assert_eq!(set(&admin, &json!({"user": 8001})).await.rendered_again, Some(0), "it is settled");
    })
    .await;
}

#[tokio::test]
async fn what_concerns_the_whole_installation_is_for_no_administrator_of_an_organisation() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        for (document, field) in [
            (json!({"network_policy": {"enabled": false}}), "network_policy.enabled"),
            (
                json!({"network_policy": {"egress": [{"allow": "169.254.169.254/32"}]}}),
                "network_policy.egress[0].allow",
            ),
            (json!({"tolerations": [{"operator": "Exists"}]}), "tolerations[0]"),
            (json!({"proxy_namespace": "kube-system"}), "proxy_namespace"),
        ] {
            assert_eq!(admin.put(&admin.path(PATH), &document).await.wrong_fields(), [field], "{document}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_requested_is_given_and_counted() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        set(&admin, &json!({"quotas": {"agent": {"memory": "12Gi"}}, "max_resources": {"cpu": "6"}})).await;
        let asking = |cpus: u32| json!({"devcontainer": json!({"image": "node:22", "hostRequirements": {"cpus": cpus, "memory": "8gb"}}).to_string()});
        let create = async |body: &Value| admin.post(&admin.path("/workspaces"), body).await;
        assert_eq!(create(&asking(7)).await.wrong_fields().len(), 1, "more than one workspace may have");
        create(&asking(4)).await.expect::<Value>(201);
        let response = agent.partial(1, vec![]).await;
        let objects = response.workspaces[0].config_to_apply.as_ref().expect("objects");
        let container = &objects.last().expect("a Deployment")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["resources"]["limits"], json!({"cpu": "4", "memory": "8Gi"}));
        assert_eq!(container["resources"]["requests"], json!({"cpu": "4", "memory": "8Gi"}));
        let problem = create(&asking(4)).await.problem(403, "quota-exceeded");
        assert_eq!(problem.errors[0].field, "quotas.agent.memory");
    })
    .await;
}
