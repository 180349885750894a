//! People: signed in by a link, seen as what they are in each organisation, and signed out.

use berth_schema::{AccountId, SessionId, SessionToken, SignInLinkId, SignInToken};
use berth_server::services::sign_in;
use reqwest::Method;
use ring::rand::SystemRandom;
use serde_json::json;

use crate::support::{App, Requests, Visitor};

/// A link for somebody of that organisation, who is made an owner where they are not there yet.
pub(crate) async fn link(app: &App, organization: &str, name: &str) -> String {
    let organizations = berth_db::every_organization(&app.database_url).await.expect("organisations");
    let organization = organization.parse().expect("a name");
    let (run, random) = (app.at_the_machine(), SystemRandom::new());
    let made = sign_in::recover(&run, &organizations, &organization, (Some(name), None), &random).await;
    made.expect("a link").token.expose().to_owned()
}

pub(crate) async fn signed_in(app: &App, organization: &str, name: &str) -> Visitor {
    let mut visitor = Visitor::new(app.address());
    let reply = visitor.sign_in(&link(app, organization, name).await).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/workspaces"), "{}", reply.text);
    visitor
}

/// The ids of the sessions that go on, as the page of sessions names them.
pub(crate) fn ids(page: &str) -> Vec<String> {
    let page = page.split_once("Signed in now").map_or(page, |(_, going_on)| going_on);
    let parts = page.split("action=\"/sessions/").skip(1);
    parts.filter_map(|part| part.split_once("/end\"")).map(|(id, _)| id.to_owned()).collect()
}

#[tokio::test]
async fn a_link_signs_in_once_and_leads_to_what_one_is_in() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create(&json!({"name": "api", "image": "debian:13"})).await.expect::<serde_json::Value>(201);
        let token = link(app, "acme", "Ada Lovelace").await;
        let mut ada = Visitor::new(app.address());
        assert!(!ada.is_signed_in().await);
        // To look at a link opens nothing, however often.
        for _ in 0..3 {
            let page = ada.get(&format!("/sign-in/link?token={token}")).await;
            assert_eq!(page.status, 200);
            assert!(page.text.contains("<form method=\"post\" action=\"/sign-in/link\">"), "{}", page.text);
        }
        assert_eq!(ada.sign_in(&token).await.status, 303);
        let home = ada.get("/").await;
        assert!(
            home.text.contains("Ada Lovelace") && home.text.contains("/organizations/acme"),
            "{}",
            home.text
        );
        let page = ada.get("/organizations/acme").await;
        assert!(page.text.contains("api") && page.text.contains("owner"), "{}", page.text);

        let mut again = Visitor::new(app.address());
        let refused = again.sign_in(&token).await;
        assert_eq!(refused.status, 401);
        assert!(refused.text.contains("used already") && again.cookie.is_none(), "{}", refused.text);
    })
    .await;
}

#[tokio::test]
async fn of_many_who_open_a_link_at_once_one_is_signed_in() {
    App::run(async |app| {
        app.organization("acme").await;
        let token = link(app, "acme", "Ada").await;
        let tries = (0..12).map(|_| async {
            let mut visitor = Visitor::new(app.address());
            visitor.sign_in(&token).await.status
        });
        let mut answers = futures::future::join_all(tries).await;
        answers.sort_unstable();
        assert_eq!(answers, [[303].as_slice(), &[401; 11]].concat());
    })
    .await;
}

#[tokio::test]
async fn two_organisations_stand_side_by_side_and_a_third_does_not_exist() {
    App::run(async |app| {
        for name in ["acme", "umbrella", "stranger"] {
            app.organization(name).await;
        }
        let ada = signed_in(app, "acme", "Ada").await;
        // The same person in another organisation: what an invitation will do.
        app.execute(
            "INSERT INTO subjects (organization_id, id, kind, name, created_at, account_id, role)
             SELECT o.id, gen_random_uuid(), 'user', 'Ada', now(), a.id, 'viewer'
             FROM organizations o, accounts a WHERE o.name = 'umbrella' AND a.name = 'Ada'",
        )
        .await;
        let home = ada.get("/").await.text;
        assert!(home.contains("/organizations/acme") && home.contains("/organizations/umbrella"), "{home}");
        assert!(!home.contains("stranger"), "{home}");
        assert!(ada.get("/organizations/umbrella").await.text.contains("viewer"));
        let (hidden, missing) =
            (ada.get("/organizations/stranger").await, ada.get("/organizations/nothing").await);
        let without = |text: &str| text.split("Request ").next().expect("a part").to_owned();
        assert_eq!((hidden.status, missing.status), (404, 404));
        assert_eq!(without(&hidden.text), without(&missing.text));
        // Suspended there, and there alone.
        app.execute("UPDATE subjects SET suspended_at = now() WHERE role = 'viewer' AND name = 'Ada'").await;
        assert_eq!(ada.get("/organizations/umbrella").await.status, 404);
        assert_eq!(ada.get("/organizations/acme").await.status, 200);
        app.execute("UPDATE accounts SET suspended_at = now() WHERE name = 'Ada'").await;
        assert!(!ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn one_sees_ones_sessions_and_ends_any_of_them_on_every_server_at_once() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut laptop = signed_in(app, "acme", "Ada").await;
        let phone = signed_in(app, "acme", "Ada").await;
        let other = app.replica().await;
        let phone_there = phone.at(other.address());
        assert!(phone_there.is_signed_in().await);
        assert_eq!(phone_there.get("/organizations/acme").await.status, 200);

        let all = ids(&laptop.get("/sessions").await.text);
        assert_eq!(all.len(), 2);
        let own = ids(&phone.get("/sessions").await.text);
        assert_eq!(own.len(), 2);
        // The newest first: the phone's.
        assert_eq!(laptop.submit(&format!("/sessions/{}/end", all[0]), &[]).await.status, 303);
        assert!(!phone.is_signed_in().await && !phone_there.is_signed_in().await);
        assert_eq!(phone_there.get("/organizations/acme").await.status, 303);
        assert!(laptop.is_signed_in().await);

        let tablet = signed_in(app, "acme", "Ada").await;
        assert_eq!(laptop.submit("/sessions/end-others", &[]).await.status, 303);
        assert!(!tablet.is_signed_in().await && laptop.is_signed_in().await);
        let before = laptop.cookie.clone();
        assert_eq!(laptop.submit("/sign-out", &[]).await.header("location"), "/sign-in");
        assert_eq!(laptop.cookie, None);
        let kept = Visitor::with(app.address(), before);
        assert!(!kept.is_signed_in().await);
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_session_of_somebody_else_does_not_exist() {
    App::run(async |app| {
        app.organization("acme").await;
        let ada = signed_in(app, "acme", "Ada").await;
        let mut eve = signed_in(app, "acme", "Eve").await;
        let hers = ids(&ada.get("/sessions").await.text);
        assert_eq!(eve.submit(&format!("/sessions/{}/end", hers[0]), &[]).await.status, 404);
        assert_eq!(eve.submit(&format!("/sessions/{}/end", SessionId::random()), &[]).await.status, 404);
        assert!(ada.is_signed_in().await);
        assert_eq!(eve.submit("/sessions/end-others", &[]).await.status, 303);
        assert!(ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn what_another_sites_page_sends_does_nothing() {
    App::run(async |app| {
        app.organization("acme").await;
        let ada = signed_in(app, "acme", "Ada").await;
        let own = format!("http://{}", app.address());
        let cases: [&[(&str, &str)]; 7] = [
            &[],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", &own), ("sec-fetch-site", "cross-site")],
            &[("origin", &own), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", &own), ("origin", "https://evil.example")],
        ];
        for headers in cases {
            let mut request = ada.request(Method::POST, "/sign-out");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let status = request.send().await.expect("an answer").status().as_u16();
            assert_eq!(status, 401, "{headers:?}");
            assert!(ada.is_signed_in().await, "{headers:?}");
        }
        // Nor does it sign somebody in as somebody else.
        let token = link(app, "acme", "Eve").await;
        let forged = ada
            .request(Method::POST, "/sign-in/link")
            .header("origin", "https://evil.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}"));
        let answer = forged.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 401);
        assert!(!answer.headers().contains_key("set-cookie"));
        let mut eve = Visitor::new(app.address());
        assert_eq!(eve.sign_in(&token).await.status, 303, "the link was not used up");
    })
    .await;
}

#[tokio::test]
async fn the_api_takes_no_cookie_and_a_page_no_token() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let ada = signed_in(app, "acme", "Ada").await;
        assert_eq!(ada.get("/api/v1/whoami").await.status, 401);
        assert_eq!(ada.get("/api/v1/organizations/acme/workspaces").await.status, 401);
        let session = ada.cookie.as_deref().and_then(|pair| pair.split_once('=')).expect("a cookie").1;
        assert_eq!(app.anyone(Some(session)).get("/api/v1/whoami").await.status, 401);
        let nobody = Visitor::new(app.address());
        let bearer = nobody.request(Method::GET, "/").bearer_auth(admin.token.expose());
        assert_eq!(bearer.send().await.expect("an answer").status().as_u16(), 303);
        // What stands for the session among the organisation's tokens is in no list.
        ada.get("/organizations/acme").await;
        let listed = admin.get(&admin.path("/tokens")).await.text;
        assert!(!listed.contains("session"), "{listed}");
    })
    .await;
}

#[tokio::test]
async fn a_cookie_that_is_not_a_living_sessions_signs_nobody_in() {
    App::run(async |app| {
        app.organization("acme").await;
        let ada = signed_in(app, "acme", "Ada").await;
        let cookie = ada.cookie.clone().expect("a cookie");
        let real: SessionToken = cookie.split_once('=').expect("a pair").1.parse().expect("a token");
        let name = "__Host-berth-session";
        let forged = SessionToken::new(real.account(), real.session(), &[9; 32]);
        let elsewhere = SessionToken::new(AccountId::random(), real.session(), &[9; 32]);
        let link = SignInToken::new(real.account(), SignInLinkId::random(), &[9; 32]);
        let mut cookies = vec![
            format!("{name}={}", forged.expose()),
            format!("{name}={}", elsewhere.expose()),
            format!("{name}={}", link.expose()),
            format!("{name}="),
            format!("{name}=berth_ses_"),
            format!("berth-session={}", real.expose()),
            format!("__host-berth-session={}", real.expose()),
            format!("{cookie}; {name}={}", forged.expose()),
            format!("{cookie}A"),
        ];
        cookies.extend((0..40).map(|at| {
            let mut text = real.expose().to_owned();
            let at = "berth_ses_".len() + at * 2;
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            text.replace_range(at..=at, other);
            format!("{name}={text}")
        }));
        for cookie in cookies {
            let visitor = Visitor::with(app.address(), Some(cookie.clone()));
            assert!(!visitor.is_signed_in().await, "{cookie}");
        }
        app.execute("UPDATE sessions SET last_used_at = now() - interval '3 hours'").await;
        assert!(!ada.is_signed_in().await, "it was idle for too long");
        let again = signed_in(app, "acme", "Ada").await;
        app.execute("UPDATE sessions SET expires_at = now()").await;
        assert!(!again.is_signed_in().await, "it has ended");
    })
    .await;
}

#[tokio::test]
async fn a_page_says_what_protects_it_and_shows_names_as_text() {
    App::run(async |app| {
        app.organization("acme").await;
        let ada = signed_in(app, "acme", "<script>alert(1)</script> & \"Ada\"").await;
        for path in ["/", "/sessions", "/organizations/acme", "/sign-in", "/organizations/none"] {
            let page = ada.get(path).await;
            let policy = page.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
                "{path}: {policy}"
            );
            assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
            assert_eq!(page.header("cache-control"), "no-store", "{path}");
            assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
            assert!(!page.text.contains("<script>"), "{path}: {}", page.text);
            assert!(page.header("content-type").starts_with("text/html"), "{path}: {}", page.text);
        }
        let page = ada.get("/sign-in").await.text;
        let sheet = page.split("href=\"").find_map(|rest| {
            rest.split('"').next().filter(|link| link.starts_with("/assets/") && !link.contains(".svg"))
        });
        let sheet = ada.get(sheet.expect("a style sheet")).await;
        assert_eq!((sheet.status, sheet.header("content-type")), (200, "text/css; charset=utf-8"));
    })
    .await;
}

#[tokio::test]
async fn a_new_link_and_a_new_session_take_the_place_of_the_old_ones() {
    App::run(async |app| {
        app.organization("acme").await;
        let lost = link(app, "acme", "Ada").await;
        let new = link(app, "acme", "Ada").await;
        let mut ada = Visitor::new(app.address());
        assert_eq!(ada.sign_in(&lost).await.status, 401);
        assert_eq!(ada.sign_in(&new).await.status, 303);
        let before = Visitor::with(app.address(), ada.cookie.clone());
        let other = link(app, "acme", "Ada").await;
        assert_eq!(ada.sign_in(&other).await.status, 303);
        assert!(ada.is_signed_in().await);
        assert!(!before.is_signed_in().await, "this browser has forgotten it");
    })
    .await;
}

#[tokio::test]
async fn whoever_asks_for_what_there_is_not_is_told_in_their_own_form() {
    App::run(async |app| {
        let nobody = Visitor::new(app.address());
        for path in ["/blubb", "/organizations", "/organizations/acme/workspaces/api/x"] {
            let page = nobody.request(Method::GET, path).header("accept", "text/html,*/*");
            let page = page.send().await.expect("an answer");
            assert_eq!(page.status(), 404);
            assert!(
                page.headers()["content-type"].to_str().expect("ASCII").starts_with("text/html"),
                "{path}"
            );
            assert!(page.headers().contains_key("content-security-policy"));
            assert_eq!(nobody.get(path).await.header("content-type"), "application/problem+json");
        }
        let api = nobody.request(Method::GET, "/api/v1/nothing").header("accept", "text/html");
        let api = api.send().await.expect("an answer");
        assert_eq!(api.headers()["content-type"], "application/problem+json");
    })
    .await;
}
