//! The list, one of it, and its buttons.

use reqwest::Method;
use serde_json::Value;

use super::{acme, by_the_api, make};
use crate::support::cluster::{gone, settled};
use crate::support::{App, Reply, Requests as _, Visitor};

/// A button of the page at `from`.
pub(super) async fn press(visitor: &Visitor, from: &str, path: &str) -> Reply {
    let request = visitor
        .request(Method::POST, path)
        .header("origin", visitor.origin())
        .header("sec-fetch-site", "same-origin")
        .header("referer", format!("{}{from}", visitor.origin()));
    Reply::of(request.send().await.expect("an answer")).await
}

#[tokio::test]
async fn who_signs_in_is_led_to_their_workspaces_or_chooses_where() {
    App::run(async |app| {
        let (_, ada) = acme(app).await;
        let led = ada.get("/workspaces").await;
        assert_eq!((led.status, led.header("location")), (303, "/organizations/acme/workspaces"));
        let empty = ada.get("/organizations/acme/workspaces").await.text;
        assert!(empty.contains("There is none yet") && empty.contains("/organizations/acme/new"), "{empty}");
        let form = ada.get("/new?repo=https://git.example/a.git&ref=main").await;
        let there = "/organizations/acme/new?repo=https://git.example/a.git&ref=main";
        assert_eq!((form.status, form.header("location")), (303, there));

        app.organization("umbrella").await;
        app.execute(
            "INSERT INTO subjects (organization_id, id, kind, name, created_at, account_id, role)
             SELECT o.id, gen_random_uuid(), 'user', 'Ada', now(), a.id, 'developer'
             FROM organizations o, accounts a WHERE o.name = 'umbrella' AND a.name = 'Ada'",
        )
        .await;
        assert_eq!(ada.get("/workspaces").await.header("location"), "/");
        let choice = ada.get("/new?repo=https://git.example/a.git&ref=%22%3E%3Cscript%3E").await.text;
        for organization in ["acme", "umbrella"] {
            let link = format!("/organizations/{organization}/new?repo=https://git.example/a.git&amp;ref=");
            assert!(choice.contains(&link) || choice.contains(&link.replace("&amp;", "&#38;")), "{choice}");
        }
        assert!(!choice.contains("<script"), "{choice}");
    })
    .await;
}

#[tokio::test]
async fn a_workspace_is_watched_stopped_started_and_deleted_by_forms_alone() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let mut ada = crate::sign_in::signed_in(app, "acme", "Ada").await;
        let page = make(&mut ada, "reef").await;
        assert_eq!(page, "/organizations/acme/workspaces/reef");
        let text = ada.get(&page).await.text;
        for part in
            ["Requested", "Taken up by the agent", "aria-current=\"step\"", "debian:13", "berth ssh reef"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Without scripts the page is loaded anew.
        assert!(text.contains("<noscript><meta http-equiv=\"refresh\""), "{text}");

        let directives = agent.partial(1, vec![]).await.workspaces;
        agent.partial(2, vec![settled(&directives[0], "1")]).await;
        let text = ada.get(&page).await.text;
        assert!(text.contains("class=\"state good\">Running<"), "{text}");
        assert!(text.contains("What it went through") && text.contains(">Ada<"), "{text}");

        let list = "/organizations/acme/workspaces?name=ree&state=&owner=me";
        assert!(ada.get(list).await.text.contains("workspaces/reef/stop"));
        let stopped = press(&ada, list, &format!("{page}/stop")).await;
        assert_eq!((stopped.status, stopped.header("location")), (303, list), "back to the same list");
        let started = press(&ada, "/api/v1/whoami", &format!("{page}/start")).await;
        assert_eq!(started.header("location"), page, "to no place that is no page");
        let restarted = press(&ada, &page, &format!("{page}/restart")).await;
        assert_eq!((restarted.status, restarted.header("location")), (303, page.as_str()));

        let asks = ada.get(&format!("{page}/delete")).await.text;
        assert!(asks.contains("everything on its disk") && asks.contains("not pushed"), "{asks}");
        let action = asks.split("action=\"").find(|part| part.contains("/delete\"")).expect("a form");
        let action = action.split('"').next().expect("an address");
        assert!(!action.contains("reef"), "another one may have the name by then: {action}");
        let deleted = press(&ada, &page, action).await;
        assert_eq!((deleted.status, deleted.header("location")), (303, "/organizations/acme/workspaces"));
        assert!(ada.get(&page).await.text.contains("Being deleted"));
        let directives = agent.partial(3, vec![]).await.workspaces;
        agent.partial(4, vec![gone(&directives[0])]).await;
        let text = ada.get(&page).await.text;
        assert!(
            text.contains(">Deleted<") && !text.contains("<form method=\"post\" action=\"/organizations"),
            "{text}"
        );
        assert!(!text.contains("sse-connect"), "nothing of it will ever change: {text}");
        let again = press(&ada, &page, &format!("{page}/start")).await;
        assert_eq!(again.status, 409);
        assert!(
            again.text.contains("Back to where you were") && again.text.contains("Request "),
            "{}",
            again.text
        );
    })
    .await;
}

#[tokio::test]
async fn a_list_is_filtered_by_its_address_and_goes_on_page_by_page() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        for n in 0..28 {
            by_the_api(&admin, &format!("w-{n:02}")).await;
        }
        make(&mut ada, "mine").await;
        admin.wish("w-07", "stop").await.expect::<Value>(200);
        let list = async |query: &str| {
            let reply = ada.get(&format!("/organizations/acme/workspaces{query}")).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            reply.text
        };
        let rows = |page: &str| page.matches("<li class=\"row\"").count();
        let first = list("").await;
        assert_eq!(rows(&first), 25);
        assert!(first.contains("25 workspaces on this page: 24 requested, 1 stopping"), "{first}");
        let next = first.split("rel=\"next\"").next().and_then(|before| before.rsplit("href=\"").next());
        let next = next.expect("a link").trim_end_matches("\" ").replace("&#38;", "&");
        let second = list(&next).await;
        assert_eq!(rows(&second), 4);
        assert!(second.contains("w-00") && second.contains(">Newest</a>"), "{second}");
        assert_eq!(rows(&list("?name=w-1&state=&owner=").await), 10);
        let mine = list("?owner=me").await;
        assert!(rows(&mine) == 1 && mine.contains("workspaces/mine\""), "{mine}");
        assert_eq!(rows(&list("?state=starting&name=w-2").await), 8);
        let none = list("?state=failed").await;
        assert!(rows(&none) == 0 && none.contains("No workspace is like that"), "{none}");
        for wrong in ["?state=broken", "?owner=you", "?after=x", "?colour=red"] {
            let reply = ada.get(&format!("/organizations/acme/workspaces{wrong}")).await;
            assert_eq!(reply.status, 422, "{wrong}");
            assert!(reply.text.contains("Request "), "{}", reply.text);
        }
        let by_the_api = admin.get(&admin.path("/workspaces?owner=me&limit=100")).await.expect::<Value>(200);
        assert_eq!(by_the_api["items"].as_array().expect("a list").len(), 28);
    })
    .await;
}

#[tokio::test]
async fn where_an_agent_has_a_proxy_addresses_lead_in() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let page = make(&mut ada, "reef").await;
        assert!(ada.get(&page).await.text.contains("installs no proxy"));
        let document = serde_json::json!({
            "dns_zone": "ws.example", "tools_image": "tools:1", "proxy": {"image": "proxy:1", "public_port": 8443},
        });
        let set = admin.put(&admin.path("/agents/cluster/configuration"), &document).await;
        assert_eq!(set.status, 200, "{}", set.text);
        let text = ada.get(&page).await.text;
        assert!(text.contains("https://60001-reef.ws.example:8443/") && text.contains("when it runs"), "{text}");
        let shown: Value = admin.get(&admin.path("/workspaces/reef")).await.expect(200);
        assert_eq!(shown["endpoints"][0]["url"], "https://60001-reef.ws.example:8443/");
        assert_eq!(shown["sizes"][0]["image"], "debian:13");
    })
    .await;
}

#[tokio::test]
async fn where_variables_come_from_is_a_page_of_its_own_and_on_record() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let set = serde_json::json!({"name": "TOKEN", "value": "hunter2", "final": true});
        admin.put(&admin.path("/variables"), &set).await.expect::<Value>(200);
        let page = make(&mut ada, "reef").await;
        let text = ada.get(&page).await.text;
        assert!(text.contains("<code>TOKEN</code>") && text.contains("Where they come from"), "{text}");
        let origins = ada.get(&format!("{page}/variables")).await.text;
        assert!(origins.contains("TOKEN") && origins.contains("organization, final"), "{origins}");
        assert!(!origins.contains("hunter2") && !text.contains("hunter2"));
        let record = admin.get(&admin.path("/audit?limit=5")).await.text;
        assert_eq!(record.matches("variables_explained").count(), 1, "{record}");
    })
    .await;
}

#[tokio::test]
async fn the_page_says_whose_rule_stops_what_is_idle_and_its_button_puts_that_off() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let page = make(&mut ada, "reef").await;
        let text = ada.get(&page).await.text;
        assert!(!text.contains("Stops when idle") && text.contains("Keep it 2 h longer"), "{text}");
        admin.put(&admin.path("/idle"), &serde_json::json!({"minutes": 30})).await.expect::<Value>(200);
        let text = ada.get(&page).await.text;
        assert!(
            text.contains("Not at present") && text.contains("the rule is 30 minutes, by the organization"),
            "{text}"
        );
        crate::activity::heard(app, jiff::Timestamp::now()).await;
        let before = admin.workspace("reef").await.idle_stop.expect("told").at.expect("a time");
        let kept = ada.submit(&format!("{page}/extend"), &[("hours", "2")]).await;
        assert_eq!((kept.status, kept.header("location")), (303, page.as_str()), "{}", kept.text);
        let after = admin.workspace("reef").await.idle_stop.expect("told").at.expect("a time");
        assert!(after > before + jiff::SignedDuration::from_mins(85), "{before} {after}");
        assert!(ada.get(&page).await.text.contains("if nothing happens in it until then"));
        assert_eq!(ada.submit(&format!("{page}/extend"), &[("hours", "100000")]).await.status, 422);
        // Never is told, too, and what is stopped offers no more time.
        admin
            .put(&admin.path("/workspaces/reef/idle"), &serde_json::json!({"minutes": "never"}))
            .await
            .expect::<Value>(200);
        let text = ada.get(&page).await.text;
        assert!(text.contains("<dd>never, by the workspace&#39;s own rule</dd>"), "{text}");
        admin.wish("reef", "stop").await.expect::<Value>(200);
        assert!(!ada.get(&page).await.text.contains("h longer"));
    })
    .await;
}
