//! Whoever is known is bounded as well, and stands in nobody's way.

use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;

use crate::support::{App, Requests, postgres};

#[tokio::test]
async fn one_token_that_asks_too_fast_is_refused_before_the_database_hears_of_it_and_no_other_is() {
    App::run_with(
        |http| (http.edge.requests_burst, http.edge.requests_per_second) = (8, 1),
        async |app| {
            let admin = app.organization("acme").await;
            let [fast, other] =
                [app.token(admin.organization(), None).await, app.token(admin.organization(), None).await];
            let [fast, other] = [&fast, &other].map(|token| app.anyone(Some(token.expose())));
            let ask = async |times: usize| join_all((0..times).map(|_| fast.get("/api/v1/whoami"))).await;
            assert_eq!(fast.get("/api/v1/whoami").await.status, 200);
            let replies = ask(40).await;
            let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
            assert!(
                replies.len() - refused.len() <= 12,
                "8 at once, and a few that have waited: {}",
                refused.len()
            );
            for reply in refused {
                let problem = reply.problem(429, "too-fast");
                assert!(problem.detail.starts_with("this token asks too fast"), "{}", problem.detail);
                assert!(reply.header("retry-after").parse::<u64>().expect("seconds") >= 1);
            }
            for _ in 0..5 {
                assert_eq!(other.get("/api/v1/whoami").await.status, 200);
            }
            // Whoever looks at a token has to wait now.
            let mut keeper = postgres::client(&app.database_url).await;
            let closed = keeper.transaction().await.expect("a transaction");
            closed.batch_execute("LOCK TABLE access_tokens IN ACCESS EXCLUSIVE MODE").await.expect("locked");
            let mut asked: FuturesUnordered<_> = (0..40).map(|_| fast.get("/api/v1/whoami")).collect();
            for _ in 0..20 {
                let reply = asked.next().await.expect("a reply");
                reply.problem(429, "too-fast");
            }
            drop(asked);
            closed.rollback().await.expect("rolled back");
            // It ends.
            loop {
                let reply = fast.get("/api/v1/whoami").await;
                if reply.status == 200 {
                    return;
                }
                let seconds = reply.header("retry-after").parse().expect("seconds");
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
        },
    )
    .await;
}
