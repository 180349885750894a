//! Why: the whole way from an agent's report to the answer.

use berth_schema::api::Paged;
use berth_schema::reconcile::{Lost, PodProblem, WorkspaceAgentInfo};
use berth_schema::timeline::Transition;
use berth_schema::why::{Actor, Situation, Why};
use berth_schema::{ActualState, Generation};
use serde_json::json;

use crate::support::cluster::{gone, seen, settled};
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
async fn an_agent_that_no_server_ever_heard_of_is_told_apart_from_a_silent_one() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        assert!(why(&admin, "w").await.agent.never_connected);
        agent.partial(1, vec![]).await;
        assert!(!why(&admin, "w").await.agent.never_connected);
    })
    .await;
}

#[tokio::test]
async fn volumes_that_were_made_anew_are_told_by_why_and_by_the_timeline() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        agent.partial(2, vec![settled(&directive, "1")]).await;
        assert_eq!(why(&admin, "w").await.cause, "It runs, as wanted.");

        let leaving = WorkspaceAgentInfo { lost: Some(Lost::NamespaceLeaving), ..settled(&directive, "2") };
        agent.partial(3, vec![leaving]).await;
        let blank = WorkspaceAgentInfo { applied_generation: None, ..seen(&directive) };
        agent.partial(4, vec![WorkspaceAgentInfo { lost: Some(Lost::Namespace), ..blank }]).await;
        let answer = why(&admin, "w").await;
        assert_eq!(answer.situation, Situation::MissingInCluster);
        assert_eq!(answer.reason.expect("a reason").reason, "NotInCluster");
        assert!(answer.cause.contains("somebody deleted its namespace"), "{}", answer.cause);

        agent.partial(5, vec![settled(&directive, "3")]).await;
        let answer = why(&admin, "w").await;
        assert_eq!((answer.situation, answer.reason), (Situation::Running, None));
        assert!(answer.cause.ends_with("and was made again with empty volumes."), "{}", answer.cause);
        let timeline: Paged<Transition> = admin.get(&admin.path("/workspaces/w/timeline")).await.expect(200);
        let reasons = timeline.items.iter().filter_map(|one| Some(one.reason.as_ref()?.reason.as_str()));
        assert!(reasons.clone().any(|reason| reason == "NotInCluster"), "{:?}", reasons.collect::<Vec<_>>());
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
