//! Who was denied what.

use berth_schema::audit::Details;
use reqwest::Method;

use super::{records, since, why};
use crate::support::{App, Requests, send};

#[tokio::test]
async fn whoever_was_proven_and_denied_is_on_record_once_a_minute() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let reader = app.read_only_token(admin.organization()).await;
        let reader = app.anyone(Some(reader.expose()));
        let stranger = app.organization("stranger").await;
        let before = records(&admin).await.len();
        for _ in 0..20 {
            send(reader.request(Method::POST, &admin.path("/workspaces/w/stop")))
                .await
                .problem(403, "forbidden");
        }
        agent.get("/api/v1/whoami").await.problem(403, "forbidden");
        app.anyone(None).get("/api/v1/whoami").await.problem(401, "unauthenticated");
        app.anyone(Some("garbage")).get("/api/v1/whoami").await.problem(401, "unauthenticated");
        stranger.get(&admin.path("/agents")).await.problem(404, "not-found");

        let denied = since(&admin, before).await;
        let told: Vec<_> =
            denied.iter().map(|record| (record.action.as_str(), record.outcome.clone())).collect();
        assert_eq!(told, [("workspace.stop", why("read-only-token")), ("identity.read", why("is-agent")),]);
        assert!(denied.iter().all(|record| matches!(record.details, Details::Denied { times: 1 })));
        assert_eq!(denied[0].resource.id(), None, "a client's words are not kept");
        assert!(denied.iter().all(|record| record.peer.is_some() && record.request.is_some()));
        // What a stranger was told is on their own organisation's record, not on that which they asked for.
        let theirs = records(&stranger).await;
        assert_eq!(theirs.last().expect("one").outcome, why("other-organization"));
        assert_eq!(
            theirs.last().expect("one").resource.id(),
            Some(admin.organization().to_string().as_str())
        );
    })
    .await;
}
