//! Agents through the REST API.

use berth_schema::api::{Agent, AgentCreated, Paged};
use serde_json::{Value, json};

use crate::support::{App, Requests};

#[tokio::test]
async fn a_token_is_shown_once_and_stored_as_a_hash() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let reply = admin.post(&admin.path("/agents"), &json!({"name": "cluster"})).await;
        let created: AgentCreated = reply.expect(201);
        let token = created.token.expect("shown");
        let location = reply.header("location").to_owned();
        let got = admin.get(&location).await;
        let mut shown: Agent = got.expect(200);
        let takes = shown.takes.take().expect("it is told where one is asked for");
        assert!(takes.organization && takes.groups.is_empty(), "a new one is for everybody: {takes:?}");
        assert_eq!(shown, created.agent);
        assert!(!got.text.contains("berth_agt_"), "{}", got.text);
        let secret = &token["berth_agt_".len() + 43..];
        let found =
            app.count(&format!("SELECT count(*) FROM agents WHERE agents::text LIKE '%{secret}%'")).await;
        assert_eq!(found, 0);
    })
    .await;
}

#[tokio::test]
async fn a_name_is_taken_until_its_agent_is_revoked() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let body = json!({"name": "cluster"});
        admin.create_agent("cluster").await;
        let problem = admin.post(&admin.path("/agents"), &body).await.problem(409, "name-taken");
        assert_eq!(problem.errors[0].field, "name");
        // Another organisation's names are its own.
        app.organization("other").await.create_agent("cluster").await;
        let revoked: Agent = admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await.expect(200);
        let again = admin.post(&admin.path(&format!("/agents/{}/revoke", revoked.id)), &json!({})).await;
        assert_eq!(again.expect::<Agent>(200), revoked, "revoking twice keeps the first time");
        admin.create_agent("cluster").await;
    })
    .await;
}

#[tokio::test]
async fn an_agent_is_found_by_name_or_id_and_counts_its_workspaces() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("one").await;
        admin.create_workspace("two").await;
        for name in [agent.id.to_string(), "cluster".to_owned()] {
            let got: Agent = admin.get(&admin.path(&format!("/agents/{name}"))).await.expect(200);
            assert_eq!((got.id, got.workspaces, got.last_contact_at), (agent.id, 2, None));
        }
        admin.get(&admin.path("/agents/nobody")).await.problem(404, "not-found");
        agent.partial(1, vec![]).await;
        let got: Agent = admin.get(&admin.path("/agents/cluster")).await.expect(200);
        assert!(got.last_contact_at.is_some());
    })
    .await;
}

#[tokio::test]
async fn pages_of_agents_hold_each_once() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        for index in 0..7 {
            admin.create_agent(&format!("agent-{index}")).await;
        }
        let mut names = Vec::new();
        let mut query = "?limit=3".to_owned();
        loop {
            let page: Paged<Agent> = admin.get(&admin.path(&format!("/agents{query}"))).await.expect(200);
            names.extend(page.items.into_iter().map(|agent| agent.name.to_string()));
            let Some(next) = page.next else { break };
            query = format!("?limit=3&after={next}");
        }
        let expected: Vec<_> = (0..7).rev().map(|index| format!("agent-{index}")).collect();
        assert_eq!(names, expected, "the newest first");
        let whoami: Value = admin.get("/api/v1/whoami").await.expect(200);
        assert_eq!(whoami["token_name"], "first administrator");
    })
    .await;
}
