//! Workspaces whose agent was revoked: adopted by another one of the same cluster, or forgotten.

use berth_schema::agents::WorkspacesAdopted;
use berth_schema::api::{self, Paged, Workspace};
use berth_schema::prerequisites::Prerequisites;
use berth_schema::reconcile::{Action, MessageType, ReconcileRequest, ReconcileResponse};
use berth_schema::timeline::Transition;
use berth_schema::{ActualState, AgentId, DesiredState};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::cluster::settled;
use crate::support::{Admin, Agent, App, Reply, Requests, message};

/// The agent says which cluster it is in, and whom it adopts.
pub(crate) async fn tell(agent: &Agent, cluster: Option<&str>, adopts: &[AgentId]) {
    let has = Prerequisites {
        cluster_id: cluster.map(Into::into),
        adopts: adopts.to_vec(),
        ..Prerequisites::default()
    };
    let request = ReconcileRequest {
        message_type: MessageType::Prerequisites,
        prerequisites: Some(has),
        ..message(0, vec![])
    };
    agent.send(&request).await.expect::<ReconcileResponse>(200);
}

async fn revoke(admin: &Admin, agent: &Agent) {
    admin.post(&admin.path(&format!("/agents/{}/revoke", agent.id)), &json!({})).await.expect::<Value>(200);
}

async fn adopt(admin: &Admin, to: &Agent, from: &Agent) -> Reply {
    let path = admin.path(&format!("/agents/{}/adopt", to.id));
    admin.post(&path, &json!({"from": from.id})).await
}

#[tokio::test]
async fn what_a_revoked_agent_had_becomes_anothers_with_its_variables() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let old = admin.create_agent("old").await;
        tell(&old, Some("c1"), &[]).await;
        let variables = json!([{"name": "A", "value": "kept"}]);
        let body = json!({"name": "w", "image": "a", "variables": variables});
        admin.create(&body).await.expect::<Value>(201);
        admin.create_workspace("leaving").await;
        let directives = old.partial(1, vec![]).await.workspaces;
        old.partial(2, directives.iter().map(|directive| settled(directive, "1")).collect()).await;
        admin.wish("leaving", "terminate").await.expect::<Value>(200);
        let before = admin.workspace("w").await;
        revoke(&admin, &old).await;
        let new = admin.create_agent("new").await;
        tell(&new, Some("c1"), &[old.id]).await;

        let adopted: WorkspacesAdopted = adopt(&admin, &new, &old).await.expect(200);
        assert_eq!((adopted.from, adopted.workspaces), (old.id, 2));
        let now = admin.workspace("w").await;
        assert_eq!((now.agent_id, now.id, now.namespace.clone()), (new.id, before.id, before.namespace));
        assert_eq!(now.generation, before.generation.next(), "it has to be written over what is there");
        let due = "SELECT count(*) FROM workspaces WHERE name = 'w' AND lifecycle_at <= now()";
        assert_eq!(app.count(due).await, 1, "the rules of its new agent are looked at");
        // An empty report is no loss: nothing was proven at this agent yet.
        let response = new.partial(1, vec![]).await;
        let actions: Vec<_> =
            response.workspaces.iter().map(|told| (told.name.to_string(), told.action)).collect();
        assert!(actions.contains(&("leaving".to_owned(), Action::Terminate)), "{actions:?}");
        let directive = response.workspaces.iter().find(|told| told.name.as_str() == "w").expect("told");
        let label = &directive.config_to_apply.as_ref().expect("objects")[0]["metadata"]["labels"];
        assert_eq!(label["berth.dev/agent-id"], json!(new.id));
        let bundle = new.variables(&response, "w").expect("they open");
        assert_eq!(bundle.environment["A"].expose(), b"kept");
        new.partial(2, vec![settled(directive, "2")]).await;
        assert_eq!(admin.workspace("w").await.actual_state, ActualState::Running);
        // Its history came along, and tells who did it.
        let timeline: Paged<Transition> = admin.get(&admin.path("/workspaces/w/timeline")).await.expect(200);
        let adoption = timeline
            .items
            .iter()
            .find(|step| step.reason.as_ref().is_some_and(|reason| reason.reason == "Adopted"));
        assert!(adoption.is_some() && timeline.items.len() >= 4, "{:?}", timeline.items);
        let shown: api::Agent = admin.get(&admin.path("/agents/new")).await.expect(200);
        assert_eq!(shown.workspaces, 2);
    })
    .await;
}

#[tokio::test]
async fn both_sides_have_to_agree() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let old = admin.create_agent("old").await;
        tell(&old, Some("c1"), &[]).await;
        admin.create_workspace("w").await;
        let new = admin.create_agent("new").await;
        let refused = async |text: &str| {
            let problem = adopt(&admin, &new, &old).await.problem(409, "not-adopted");
            assert!(problem.detail.contains(text), "{}", problem.detail);
            assert_eq!(admin.workspace("w").await.agent_id, old.id);
        };
        refused("is not revoked").await;
        revoke(&admin, &old).await;
        refused("install it first").await;
        tell(&new, Some("c1"), &[]).await;
        refused("--adopts").await;
        tell(&new, Some("c2"), &[old.id]).await;
        refused("another cluster").await;
        tell(&new, None, &[old.id]).await;
        refused("cannot say").await;
        adopt(&admin, &old, &old).await.problem(409, "agent-revoked");
        adopt(&admin, &new, &new).await.problem(409, "not-adopted");
        // Another organisation's agent is none.
        let stranger = app.organization("other").await.create_agent("old").await;
        adopt(&admin, &new, &stranger).await.problem(404, "not-found");

        tell(&new, Some("c1"), &[old.id]).await;
        let replies = join_all((0..30).map(|_| adopt(&admin, &new, &old))).await;
        let counts: u64 = replies.iter().map(|reply| reply.expect::<WorkspacesAdopted>(200).workspaces).sum();
        assert_eq!(counts, 1, "each workspace is adopted once");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_promised_for_the_workspace_of_a_revoked_agent() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        admin.post(&admin.path("/workspaces/w/forget"), &json!({})).await.problem(409, "agent-lives");
        revoke(&admin, &agent).await;
        for wish in ["start", "stop", "restart", "terminate"] {
            admin.wish("w", wish).await.problem(409, "agent-revoked");
        }
        let rebuild = admin.post(&admin.path("/workspaces/w/rebuild"), &json!({"image": "b"})).await;
        rebuild.problem(409, "agent-revoked");
    })
    .await;
}

#[tokio::test]
async fn a_forgotten_workspace_is_gone_and_its_name_is_free() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let body = json!({"name": "w", "image": "a", "variables": [{"name": "A", "value": "x"}]});
        admin.create(&body).await.expect::<Value>(201);
        revoke(&admin, &agent).await;
        let path = admin.path("/workspaces/w/forget");
        let forgotten: Workspace = admin.post(&path, &json!({})).await.expect(200);
        assert_eq!(forgotten.desired_state, DesiredState::Terminated);
        assert_eq!(forgotten.actual_state, ActualState::Terminated);
        let reason = forgotten.reason.clone().expect("it says what may be left");
        assert!(reason.message.contains(forgotten.namespace.as_str()), "{}", reason.message);
        assert_eq!(app.count("SELECT count(*) FROM workspace_variables").await, 0);
        let again: Workspace = admin.post(&path, &json!({})).await.expect(200);
        assert_eq!(again, forgotten, "once");

        let other = admin.create_agent("other").await;
        admin.create(&body).await.expect::<Value>(201);
        let workspace = admin.workspace("w").await;
        assert_eq!(workspace.agent_id, other.id);
        // What was forgotten is nobody's to adopt.
        tell(&other, Some("c1"), &[agent.id]).await;
        let adopted: WorkspacesAdopted = adopt(&admin, &other, &agent).await.expect(200);
        assert_eq!(adopted.workspaces, 0);
    })
    .await;
}
