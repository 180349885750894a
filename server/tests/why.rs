//! Why: the whole way from an agent's report to the answer.

use berth_schema::reconcile::PodProblem;
use berth_schema::why::{Actor, Situation, Why};
use berth_schema::{ActualState, Generation};
use serde_json::json;

use crate::support::cluster::{gone, settled};
use crate::support::{Admin, App, Requests};

async fn why(admin: &Admin, workspace: &str) -> Why {
    admin.get(&admin.path(&format!("/workspaces/{workspace}/why"))).await.expect(200)
}

#[tokio::test]
async fn why_follows_a_workspace_through_its_life() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let created = admin.create_workspace("w").await;
        let answer = why(&admin, "w").await;
        assert_eq!((answer.situation, answer.workspace_id), (Situation::CreationRequested, created.id));
        assert_eq!((answer.agent.name.as_str(), answer.agent.last_contact_at), ("cluster", None));
        assert!(answer.next.expect("a step").by.expect("a time") > answer.since);

        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        let mut info = settled(&directive, "1");
        let status =
            info.latest_k8s_deployment_info.as_mut().and_then(|deployment| deployment.status.as_mut());
        status.expect("a status").available_replicas = Some(0);
        info.pod_problems.push(PodProblem {
            container: Some("main".into()),
            reason: "ImagePullBackOff".into(),
            message: "Back-off pulling image".into(),
            since: None,
        });
        agent.partial(2, vec![info]).await;
        let answer = why(&admin, &created.id.to_string()).await;
        assert_eq!(answer.situation, Situation::ImageCannotBePulled);
        assert_eq!(answer.reason.expect("a reason").message, "container main: Back-off pulling image");
        assert_eq!(answer.next.expect("a step").actor, Actor::User);
        assert!(answer.agent.last_contact_at.is_some());

        agent.partial(3, vec![settled(&directive, "2")]).await;
        assert_eq!(why(&admin, "w").await.situation, Situation::Running);

        let stopped = admin.wish("w", "stop").await;
        assert_eq!(stopped.status, 200);
        let answer = why(&admin, "w").await;
        assert_eq!((answer.situation, answer.generation), (Situation::ChangeRequested, Generation::of(2)));

        admin.wish("w", "terminate").await;
        assert_eq!(why(&admin, "w").await.situation, Situation::TerminationRequested);
        agent.partial(4, vec![gone(&directive)]).await;
        let answer = why(&admin, &created.id.to_string()).await;
        assert_eq!((answer.situation, answer.actual_state), (Situation::Gone, ActualState::Terminated));
        assert_eq!(answer.next, None);
    })
    .await;
}

#[tokio::test]
async fn the_workspace_of_a_revoked_agent_says_so() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await;
        let answer = why(&admin, "w").await;
        assert_eq!(answer.situation, Situation::AgentRevoked);
        assert_eq!(Some(answer.since), answer.agent.revoked_at);
    })
    .await;
}

#[tokio::test]
async fn why_of_nothing_is_not_found() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.get(&admin.path("/workspaces/w/why")).await.problem(404, "not-found");
        admin.get(&admin.path("/workspaces/W%00/why")).await.problem(400, "malformed-request");
    })
    .await;
}
