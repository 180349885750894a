//! What a workspace went through, as its users see it.

use berth_schema::api::Paged;
use berth_schema::state::TransitionCause;
use berth_schema::timeline::Transition;
use berth_schema::why::Why;
use berth_schema::{ActualState, DesiredState};

use crate::support::cluster::{gone, settled};
use crate::support::{Admin, App, Requests};

async fn page(admin: &Admin, workspace: &str, query: &str) -> Paged<Transition> {
    admin.get(&admin.path(&format!("/workspaces/{workspace}/timeline{query}"))).await.expect(200)
}

#[tokio::test]
async fn a_timeline_tells_each_change_and_who_made_it() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let workspace = admin.create_workspace("w").await;
        let directive = agent.partial(1, vec![]).await.workspaces.remove(0);
        agent.partial(2, vec![settled(&directive, "1")]).await;
        // The same again is no news.
        agent.partial(3, vec![settled(&directive, "1")]).await;
        admin.wish("w", "terminate").await;
        agent.partial(4, vec![gone(&directive)]).await;

        let id = workspace.id.to_string();
        let all = page(&admin, &id, "").await;
        assert_eq!(all.next, None);
        let told: Vec<_> = all
            .items
            .iter()
            .map(|row| (row.number, row.desired_state, row.actual_state, row.cause, row.token.as_deref()))
            .collect();
        let user = TransitionCause::User;
        let token = Some("first administrator");
        assert_eq!(
            told,
            [
                (4, DesiredState::Terminated, ActualState::Terminated, TransitionCause::Agent, None),
                (3, DesiredState::Terminated, ActualState::Running, user, token),
                (2, DesiredState::Running, ActualState::Running, TransitionCause::Agent, None),
                (1, DesiredState::Running, ActualState::CreationRequested, user, token),
            ]
        );
        assert!(all.items.windows(2).all(|pair| pair[0].at >= pair[1].at));
        assert_eq!(all.items[1].token_id, Some(admin.token.token_id()));

        // In pages.
        let first = page(&admin, &id, "?limit=3").await;
        assert_eq!(first.items[..], all.items[..3]);
        let next = first.next.expect("there is one more");
        let last = page(&admin, &id, &format!("?limit=3&after={next}")).await;
        assert_eq!((&last.items[..], last.next), (&all.items[3..], None));
    })
    .await;
}

#[tokio::test]
async fn a_wrong_page_is_named() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let path = |query: &str| admin.path(&format!("/workspaces/w/timeline?{query}"));
        assert_eq!(admin.get(&path("limit=0&after=x")).await.wrong_fields(), ["limit", "after"]);
        assert_eq!(admin.get(&path("since=1")).await.wrong_fields(), ["since"]);
        admin.get(&admin.path("/workspaces/x/timeline")).await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn why_knows_when_a_rebuild_was_asked_for() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let body = serde_json::json!({"image": "debian:12"});
        admin.post(&admin.path("/workspaces/w/rebuild"), &body).await.expect::<serde_json::Value>(200);
        let why: Why = admin.get(&admin.path("/workspaces/w/why")).await.expect(200);
        let rebuilt = page(&admin, "w", "?limit=1").await.items.remove(0);
        assert_eq!((why.since, why.generation), (rebuilt.at, rebuilt.generation));
    })
    .await;
}
