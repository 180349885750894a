//! Whoever asks or gives has proven lately who they are, and is led to where they do.

use berth_schema::access::Role;
use berth_schema::elevations::Elevation;
use reqwest::Method;
use serde_json::{Value, json};

use super::Person;
use crate::policy::set;
use crate::support::App;

/// All sessions are older than that.
async fn age(app: &App, seconds: u32) {
    let since = format!("now() - interval '{seconds} seconds'");
    app.execute(&format!("UPDATE sessions SET authenticated_at = {since}, verified_at = NULL")).await;
}

#[tokio::test]
async fn who_signed_in_too_long_ago_neither_asks_nor_gives_until_they_prove_it_anew() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        age(app, 590).await;
        let asked = ada.asks(app, "", Role::Maintainer).await;
        age(app, 601).await;
        let wanted = json!({"role": "owner", "reason": "x"});
        let problem = ada.post(app, "/elevations", wanted).await.problem(403, "forbidden");
        assert!(problem.step_up && problem.detail.contains("/confirm"), "{problem:?}");
        let problem = boss.decides(app, &asked, "approve").await.problem(403, "forbidden");
        assert!(problem.step_up && problem.detail.contains("berth login"), "{problem:?}");
        // What gives nobody anything needs it not.
        ada.decides(app, &asked, "end").await.expect::<Elevation>(200);
        age(app, 0).await;
        let asked = ada.asks(app, "", Role::Maintainer).await;
        boss.decides(app, &asked, "approve").await.expect::<Elevation>(200);
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_demands_a_second_factor_leads_a_page_to_where_it_is_shown() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let rules = format!(
            "{}@id(\"two-factors\") forbid (principal, action == Action::\"group.list\", resource) \
             unless {{ context.mfa || context.by == \"token\" }};",
            berth_policy::BUILT_IN
        );
        set(&owner, &rules).await;
        let page = ada.browser.get("/organizations/acme/groups?limit=5").await;
        assert_eq!(page.status, 303, "{}", page.text);
        assert_eq!(page.header("location"), "/confirm?to=%2Forganizations%2Facme%2Fgroups%3Flimit%3D5");
        // A page that asks by itself has the whole page ask again.
        let live =
            ada.browser.request(Method::GET, "/organizations/acme/groups").header("hx-request", "true");
        let live = live.send().await.expect("an answer");
        assert_eq!((live.status().as_u16(), live.headers()["hx-refresh"].as_bytes()), (403, &b"true"[..]));
        let problem = ada.get(app, "/groups").await.problem(403, "forbidden");
        assert!(problem.step_up && problem.detail.contains("'two-factors'"), "{problem:?}");
        let shown: Value = ada.get(app, "/workspaces").await.expect(200);
        assert_eq!(shown["items"], json!([]));
        app.execute("UPDATE sessions SET verified_at = now()").await;
        assert_eq!(ada.browser.get("/organizations/acme/groups").await.status, 200);
        ada.get(app, "/groups").await.expect::<Value>(200);
        // What no proof would allow is refused as before.
        let problem = ada.get(app, "/audit").await.problem(403, "forbidden");
        assert!(!problem.step_up, "{problem:?}");
    })
    .await;
}

/// Were what is there answered otherwise than what is not, whoever finds an open browser would learn the names.
#[tokio::test]
async fn what_is_hidden_until_a_second_factor_is_answered_as_what_there_is_not() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        owner.create_workspace("theirs").await;
        let mut ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        crate::connections::workspace_of(app, &mut ada.browser).await;
        let rules = format!(
            "{}@id(\"two-factors\") forbid (principal, action in Action::\"workspace\", resource) \
             unless {{ context.mfa || context.by == \"token\" }};",
            berth_policy::BUILT_IN
        );
        set(&owner, &rules).await;
        let mut answers = Vec::new();
        for name in ["hers", "theirs", "nothing"] {
            let problem = ada.get(app, &format!("/workspaces/{name}")).await.problem(403, "forbidden");
            answers.push((problem.detail, problem.step_up));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer.1), "{answers:?}");
        app.execute("UPDATE sessions SET verified_at = now()").await;
        let statuses = ["hers", "theirs", "nothing"]
            .map(async |name| ada.get(app, &format!("/workspaces/{name}")).await.status);
        assert_eq!(futures::future::join_all(statuses).await, [200, 404, 404]);
    })
    .await;
}
