//! Passkeys: made, shown, removed, and everything that somebody may try who has none.

use berth_schema::Action;
use berth_schema::audit::{Outcome, What};
use serde_json::Value;

use crate::login::Cli;
use crate::openid::logout::records;
use crate::policy;
use crate::sign_in::{link, signed_in};
use crate::support::authenticator::{Authenticator, submit};
use crate::support::{App, Requests as _, Visitor};

/// What makes an authenticator, or the browser in front of it, wrong in one respect.
type Change = fn(&mut Authenticator);

/// A test with room for many strangers.
async fn run(test: impl AsyncFnOnce(&App)) {
    App::run_with(|http| http.edge.unproven_burst = 1_000_000, test).await;
}

/// Somebody who has just signed in by a link, and is an owner of acme.
async fn person(app: &App, name: &str) -> Visitor {
    let visitor = signed_in(app, "acme", name).await;
    Visitor::named(app.address(), visitor.cookie)
}

fn nobody(app: &App) -> Visitor {
    Visitor::named(app.address(), None)
}

/// As if so many minutes had passed since somebody signed in or confirmed who they are.
async fn let_pass(app: &App, minutes: u32) {
    app.execute(&format!(
        "UPDATE sessions SET authenticated_at = authenticated_at - interval '{minutes} minutes',
            verified_at = verified_at - interval '{minutes} minutes'"
    ))
    .await;
}

#[tokio::test]
async fn a_passkey_signs_its_person_in_until_it_is_removed() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let mut ada = person(app, "Ada").await;
        assert!(ada.get("/passkeys").await.text.contains("You have none"));
        let mut key = Authenticator::new();
        let added = key.register(&mut ada, "Ada's <phone>").await;
        assert_eq!((added.status, added.header("location")), (303, "/passkeys"), "{}", added.text);
        let page = ada.get("/passkeys").await.text;
        assert!(page.contains("Ada&#39;s &#60;phone&#62;") && page.contains("never used"), "{page}");

        let mut laptop = nobody(app);
        let page = laptop.get("/sign-in/passkey").await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        let reply = key.sign_in(&mut laptop).await;
        assert_eq!((reply.status, reply.header("location")), (303, "/workspaces"), "{}", reply.text);
        assert!(laptop.is_signed_in().await);
        assert!(laptop.get("/sessions").await.text.contains("by a passkey"));
        assert!(ada.get("/passkeys").await.text.contains("used just now"));
        let all = records(&admin).await;
        let last = all.last().expect("a record");
        assert!(format!("{last:?}").contains("passkey") && last.outcome == Outcome::Done, "{last:?}");

        // The same one is made once, and removed by its person alone.
        let mut eve = person(app, "Eve").await;
        let again = key.register(&mut eve, "mine").await;
        assert_eq!(again.status, 422, "{}", again.text);
        let id = ada.get("/passkeys").await.text;
        let id = id
            .split("action=\"/passkeys/")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .expect("an id")
            .to_owned();
        assert_eq!(eve.submit(&format!("/passkeys/{id}/remove"), &[]).await.status, 303);
        assert_eq!(app.count("SELECT count(*) FROM passkeys").await, 1);
        assert_eq!(ada.submit(&format!("/passkeys/{id}/remove"), &[]).await.status, 303);
        assert_eq!(app.count("SELECT count(*) FROM passkeys").await, 0);
        let refused = key.sign_in(&mut nobody(app)).await;
        assert_eq!(refused.status, 401);
        assert!(refused.text.contains("opens nothing here"), "{}", refused.text);
        // What was open goes on.
        assert!(laptop.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_right_signs_nobody_in_and_is_on_record_of_whose_it_would_be() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let (mut ada, mut eve) = (person(app, "Ada").await, person(app, "Eve").await);
        let (mut key, mut other) = (Authenticator::new(), Authenticator::new());
        assert_eq!(key.register(&mut ada, "key").await.status, 303);
        assert_eq!(other.register(&mut eve, "other").await.status, 303);
        let changes: [(&str, Change); 6] = [
            ("passkey-unverified", |key| key.flags = 0b001),
            ("passkey-absent", |key| key.flags = 0b100),
            ("passkey-form", |key| key.flags = 0b10101),
            ("passkey-relying-party", |key| key.party = "evil.example".to_owned()),
            ("passkey-origin", |key| key.origin = Some("http://evil.example".to_owned())),
            ("passkey-counter", |key| key.counter = 0),
        ];
        for (reason, change) in changes {
            let (counter, before) = (key.counter, records(&admin).await.len());
            change(&mut key);
            let mut thief = nobody(app);
            let refused = key.sign_in(&mut thief).await;
            assert_eq!(refused.status, 401, "{reason}");
            assert!(thief.cookie.is_none() && !refused.text.contains(reason), "{}", refused.text);
            (key.flags, key.party, key.origin) = (0b101, "localhost".to_owned(), None);
            key.counter = counter;
            let mut found = false;
            for _ in 0..100 {
                let all = records(&admin).await;
                found = all[before..].iter().any(|one| one.outcome == Outcome::Denied(reason.to_owned()));
                if found {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            assert!(found, "{reason} is not on record");
        }
        // One person's passkey, another one's account.
        let mut thief = nobody(app);
        let page = thief.get("/sign-in/passkey").await.text;
        let hers = key.show(&page, &thief);
        let mut mixed = other.show(&page, &thief);
        mixed.iter_mut().find(|(name, _)| *name == "account").expect("there").1 = hers[2].1.clone();
        assert_eq!(submit(&mut thief, "/sign-in/passkey", &mixed).await.status, 401);
        // Once, and for what was asked here.
        let page = thief.get("/sign-in/passkey").await.text;
        let fields = key.show(&page, &thief);
        assert_eq!(submit(&mut nobody(app), "/sign-in/passkey", &fields).await.status, 303);
        let again = submit(&mut thief, "/sign-in/passkey", &fields).await;
        assert!(again.status == 401 && again.text.contains("begin it anew"), "{}", again.text);
        let page = ada.get("/confirm").await.text;
        assert_eq!(submit(&mut thief, "/sign-in/passkey", &key.show(&page, &ada)).await.status, 401);
        let page = thief.get("/sign-in/passkey").await.text;
        app.execute("UPDATE sign_in_attempts SET expires_at = now()").await;
        let late = key.show(&page, &thief);
        assert_eq!(submit(&mut thief, "/sign-in/passkey", &late).await.status, 401);
        // By another site's page.
        let page = thief.get("/sign-in/passkey").await.text;
        let fields = key.show(&page, &thief);
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let foreign =
            thief.request(reqwest::Method::POST, "/sign-in/passkey").header("origin", "http://evil.example");
        let foreign = foreign.header("content-type", "application/x-www-form-urlencoded").body(form);
        assert_eq!(foreign.send().await.expect("an answer").status(), 401);
        for (field, value) in [("signature", "!"), ("account", ""), ("challenge", "x"), ("client_data", "AA")]
        {
            let page = thief.get("/sign-in/passkey").await.text;
            let mut fields = key.show(&page, &thief);
            fields.iter_mut().find(|(name, _)| *name == field).expect("there").1 = value.to_owned();
            let refused = submit(&mut thief, "/sign-in/passkey", &fields).await;
            assert!([401, 422].contains(&refused.status), "{field}: {}", refused.text);
        }
        assert!(thief.cookie.is_none());
        // Who is suspended has none.
        app.execute("UPDATE accounts SET suspended_at = now() WHERE name = 'Ada'").await;
        assert_eq!(key.sign_in(&mut nobody(app)).await.status, 401);
        assert_eq!(other.sign_in(&mut nobody(app)).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn what_signs_somebody_in_is_changed_soon_after_they_have_proven_who_they_are() {
    run(async |app| {
        app.organization("acme").await;
        let mut ada = person(app, "Ada").await;
        let (mut key, mut second) = (Authenticator::new(), Authenticator::new());
        let late = ada.get("/passkeys/new").await.text;
        assert_eq!(key.register(&mut ada, "key").await.status, 303);
        let_pass(app, 11).await;
        let refused = second.register(&mut ada, "second").await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("too long ago"), "{}", refused.text);
        let fields = second.make(&late, "second", &ada);
        assert_eq!(submit(&mut ada, "/passkeys", &fields).await.status, 403);
        let page = ada.get("/passkeys").await.text;
        let id =
            page.split("action=\"/passkeys/").nth(1).and_then(|rest| rest.split('/').next()).expect("an id");
        assert_eq!(ada.submit(&format!("/passkeys/{id}/remove"), &[]).await.status, 403);

        let mut eve = person(app, "Eve").await;
        assert_eq!(second.register(&mut eve, "hers").await.status, 303);
        assert_eq!(second.confirm(&mut ada).await.status, 401, "another person's");
        let confirmed = key.confirm(&mut ada).await;
        assert_eq!((confirmed.status, confirmed.header("location")), (303, "/workspaces"));
        assert_eq!(Authenticator::new().register(&mut ada, "third").await.status, 303);
        // Nobody is led elsewhere.
        let page = ada.get("/confirm?to=//evil.example").await.text;
        assert!(!page.contains("evil"), "{page}");
        // There is room for twenty.
        for n in 0..18 {
            assert_eq!(Authenticator::new().register(&mut ada, &n.to_string()).await.status, 303);
        }
        let full = Authenticator::new().register(&mut ada, "more").await;
        assert!(full.status == 422 && full.text.contains("20 already"), "{}", full.text);
        for name in ["", "  ", &"x".repeat(101)] {
            assert_eq!(Authenticator::new().register(&mut eve, name).await.status, 422);
        }
        // A server that is called by its address has none.
        let mut unnamed = signed_in(app, "acme", "Grace").await;
        assert!(unnamed.get("/passkeys/new").await.text.contains("has no name"));
        assert_eq!(
            unnamed.submit("/sign-in/link", &[("token", &link(app, "acme", "Grace").await)]).await.status,
            303
        );
    })
    .await;
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_for_rules_but_for_whom_a_provider_vouches() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let rules = format!(
            "{}\n@id(\"second-factor\") forbid (principal, action == Action::\"workspace.list\", resource)\n\
             when {{ context.by == \"session\" }}\n\
             unless {{ context.mfa && context has session_age_seconds && context.session_age_seconds < 300 }};",
            berth_policy::BUILT_IN
        );
        policy::set(&admin, &rules).await.expect::<Value>(200);
        let mut ada = person(app, "Ada").await;
        let status = async |browser: &Visitor| browser.get("/organizations/acme/workspaces").await.status;
        assert_eq!(status(&ada).await, 303, "a link is one factor: it is led to where another one is shown");
        let mut key = Authenticator::new();
        assert_eq!(key.register(&mut ada, "key").await.status, 303);
        assert_eq!(status(&ada).await, 303, "to make one is to show none");
        assert_eq!(key.confirm(&mut ada).await.status, 303);
        assert_eq!(status(&ada).await, 200);
        let tokens = Cli::of(app).log_in(&mut ada).await;
        let anyone = app.anyone(Some(tokens["access_token"].as_str().expect("a token")));
        let path = "/api/v1/organizations/acme/workspaces";
        assert_eq!(anyone.get(path).await.status, 200, "a command line has what its session had");
        let_pass(app, 6).await;
        assert_eq!((status(&ada).await, anyone.get(path).await.status), (303, 403));
        let mut laptop = nobody(app);
        assert_eq!(key.sign_in(&mut laptop).await.status, 303);
        assert_eq!(status(&laptop).await, 200);
        app.execute("UPDATE subjects SET is_provided = true WHERE name = 'Ada'").await;
        assert_eq!(status(&laptop).await, 403, "nothing that is shown here would help");
        let confirmed = records(&admin).await.iter().filter(|one| one.action == What::Action(Action::ConfirmSession)).count();
        assert_eq!(confirmed, 1);
    })
    .await;
}
