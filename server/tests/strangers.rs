//! Whoever has proven nothing is slowed down, learns nothing and stands in nobody's way.

use berth_schema::{AgentId, AgentToken, OpaqueAccessToken, OrganizationId, TokenId};
use futures::future::join_all;
use reqwest::Method;

use crate::support::{App, Requests, message, postgres, send};

fn forged(organization: OrganizationId) -> String {
    OpaqueAccessToken::new(organization, TokenId::random(), &[7; 32]).expose().to_owned()
}

#[tokio::test]
async fn too_many_forged_tokens_are_refused_for_a_while_and_nobody_else_is() {
    App::run_with(
        |http| (http.edge.unproven_burst, http.edge.unproven_per_second) = (5, 4),
        async |app| {
            let admin = app.organization("acme").await;
            let agent = admin.create_agent("cluster").await;
            let stranger = app.anyone(Some(&forged(admin.organization())));
            let agents = AgentToken::new(admin.organization(), AgentId::random(), &[7; 32]);
            let other = app.anyone(Some(agents.expose()));
            let path = admin.path("/workspaces");
            let lists = (0..20).map(|_| stranger.get(&path));
            let rounds = (0..20).map(|_| other.post("/api/v1/agent/reconcile", &serde_json::Value::Null));
            let honest = async {
                for sequence in 1..20 {
                    assert_eq!(admin.get("/api/v1/whoami").await.status, 200);
                    agent.partial(sequence, vec![]).await;
                }
            };
            let (lists, rounds, ()) = futures::join!(join_all(lists), join_all(rounds), honest);
            let (refused, unknown): (Vec<_>, Vec<_>) =
                lists.into_iter().chain(rounds).partition(|reply| reply.status == 429);
            assert!(refused.len() >= 20 && unknown.len() >= 5, "{} and {}", refused.len(), unknown.len());
            for reply in &refused {
                reply.problem(429, "too-many-requests");
                assert!(reply.header("retry-after").parse::<u64>().expect("seconds") >= 1);
            }
            assert!(unknown.iter().all(|reply| reply.status == 401));
            // An orchestrator is never refused.
            assert_eq!(app.anyone(None).get("/healthz").await.status, 200);
            // It ends.
            loop {
                let reply = stranger.get(&path).await;
                if reply.status == 401 {
                    return;
                }
                let seconds = reply.header("retry-after").parse().expect("seconds");
                tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_token_that_was_proven_and_is_revoked_is_a_strangers() {
    App::run_with(
        |http| (http.edge.unproven_burst, http.edge.unproven_per_second) = (1, 1),
        async |app| {
            let admin = app.organization("acme").await;
            let token = app.token(admin.organization(), None).await;
            let second = app.anyone(Some(token.expose()));
            for _ in 0..5 {
                assert_eq!(second.get("/api/v1/whoami").await.status, 200);
            }
            app.revoke(&token).await;
            assert_eq!(second.get("/api/v1/whoami").await.status, 401);
            let more = join_all((0..20).map(|_| second.get("/api/v1/whoami"))).await;
            assert!(more.iter().any(|reply| reply.status == 429));
            assert!(more.iter().all(|reply| matches!(reply.status, 401 | 429)));
        },
    )
    .await;
}

/// 20 requests at once with a forwarded address: how many of them were refused for their number.
async fn refused(app: &App, forwarded: &str) -> usize {
    let anyone = app.anyone(None);
    let asked =
        (0..20).map(|_| send(anyone.request(Method::GET, "/nowhere").header("x-forwarded-for", forwarded)));
    join_all(asked).await.iter().filter(|reply| reply.status == 429).count()
}

#[tokio::test]
async fn a_trusted_proxy_says_who_asks_and_nobody_else_does() {
    let slow = |http: &mut berth_server::config::HttpOptions| {
        (http.edge.unproven_burst, http.edge.unproven_per_second) = (20, 1);
    };
    App::run_with(slow, async |app| {
        assert_eq!(refused(app, "198.51.100.1").await, 0);
        assert!(refused(app, "198.51.100.2").await > 10, "a stranger's word is not taken");
    })
    .await;
    let trusting = |http: &mut berth_server::config::HttpOptions| {
        slow(http);
        http.edge.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a net")];
    };
    App::run_with(trusting, async |app| {
        assert_eq!(refused(app, "198.51.100.1").await, 0);
        assert_eq!(refused(app, "198.51.100.1, 198.51.100.2").await, 0);
        assert!(refused(app, "198.51.100.3, 198.51.100.2").await > 10);
    })
    .await;
}

#[tokio::test]
async fn no_row_of_a_tenant_is_looked_at_before_the_proof() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        // Whoever looks at one of these has to wait, and is given up.
        let mut keeper = postgres::client(&app.database_url).await;
        let closed = keeper.transaction().await.expect("a transaction");
        let tables = "workspaces, workspace_transitions, workspace_variables, scope_variables, orphans, git_credentials";
        closed.batch_execute(&format!("LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")).await.expect("locked");
        let stranger = app.anyone(Some(&forged(admin.organization())));
        for query in ["", "?name=w", "?agent=cluster", "?actual_state=Running", "?limit=0", "?nonsense=1"] {
            stranger.get(&admin.path(&format!("/workspaces{query}"))).await.problem(401, "unauthenticated");
        }
        for path in ["/workspaces/w", "/workspaces/w/timeline", "/workspaces/w/events", "/events", "/variables"] {
            stranger.get(&admin.path(path)).await.problem(401, "unauthenticated");
        }
        let agents = AgentToken::new(admin.organization(), agent.id, &[7; 32]);
        let request = serde_json::to_value(message(1, vec![])).expect("JSON");
        let reply = app.anyone(Some(agents.expose())).post("/api/v1/agent/reconcile", &request).await;
        reply.problem(401, "unauthenticated");
        closed.rollback().await.expect("unlocked");
    })
    .await;
}
