//! Everybody does what they should.

use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Outcome, Who};
use berth_schema::members::Member;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, run, set};
use crate::login::Cli;
use crate::openid::logout::records;
use crate::support::provider::Provider;
use crate::support::{Requests as _, send};

#[tokio::test]
async fn a_person_of_a_verified_domain_is_signed_in_and_stays_the_same_person() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "Acme SSO", &at.form()).await;
        let mut ada = Browser::default();
        let page = ada.get(app.address(), "/sign-in").await;
        assert!(
            page.text.contains("Continue with Acme SSO") && page.text.contains("127.0.0.1"),
            "{}",
            page.text
        );
        // What somebody wanted to see is what they see then.
        assert_eq!(ada.get(app.address(), "/organizations/acme").await.status, 303);
        let location = ada.begin(app.address(), &provider).await;
        for part in [
            "response_type=code",
            "code_challenge_method=S256",
            "scope=openid+profile+email",
            "&nonce=",
            "&state=",
        ] {
            assert!(location.contains(part), "{location}");
        }
        let before = records(&admin).await.len();
        let reply = ada.get(app.address(), &at.authorize(&location)).await;
        assert_eq!((reply.status, reply.header("location")), (303, "/organizations/acme"), "{}", reply.text);
        let page = ada.get(app.address(), "/organizations/acme").await;
        assert!(page.text.contains("Ada Lovelace") && page.text.contains("developer"), "{}", page.text);
        assert!(ada.get(app.address(), "/sessions").await.text.contains("by an identity provider"));
        assert_eq!(ada.cookie("__Host-berth-openid"), None, "it is used up");

        let [record] = &records(&admin).await[before..] else { panic!("one record") };
        let Details::SignedIn { method, provider: by, role, .. } = &record.details else {
            panic!("{record:?}")
        };
        assert_eq!((method.as_str(), *by, *role), ("openid", Some(provider.id), Some(Role::Developer)));
        assert!(matches!(record.who, Who::Subject { .. }) && record.outcome == Outcome::Done);
        assert!(!format!("{record:?}").contains("acme.com"), "{record:?}");

        // Another browser, another address: the same person. An address is nobody.
        at.claim(&json!({"email": "lovelace@acme.com", "name": "Ada King"}));
        let mut phone = Browser::default();
        assert_eq!(phone.sign_in(app, &at, &provider).await.status, 303);
        assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name <> 'Administrator'").await, 1);
        // The same address, another person.
        at.claim(&json!({"sub": "eve"}));
        let mut eve = Browser::default();
        assert_eq!(eve.sign_in(app, &at, &provider).await.status, 303);
        assert_eq!(app.count("SELECT count(*) FROM accounts WHERE name <> 'Administrator'").await, 2);
        assert_eq!(app.count("SELECT count(*) FROM subjects WHERE role = 'developer'").await, 2);
        // The browser's session of before ends.
        let before = ada.visitor(app.address());
        at.claim(&json!({"sub": "ada"}));
        assert_eq!(ada.sign_in(app, &at, &provider).await.status, 303);
        assert!(ada.is_signed_in(app.address()).await && !before.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn of_many_first_sign_ins_of_one_person_at_once_each_finds_one_account() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        let tries = (0..6).map(|_| async {
            let mut browser = Browser::default();
            browser.sign_in(app, &at, &provider).await.status
        });
        assert_eq!(futures::future::join_all(tries).await, [303; 6]);
        assert_eq!(app.count("SELECT count(*) FROM identities").await, 1);
        assert_eq!(app.count("SELECT count(*) FROM subjects WHERE is_provided").await, 1);
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, 6);
    })
    .await;
}

#[tokio::test]
async fn the_rules_say_who_is_let_in_and_as_what_each_time() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let mut form = at.form();
        form["admission"] = json!({"roles": [
            {"claim": "groups", "value": "admins", "role": "owner"},
            {"claim": "groups", "value": "staff", "role": "viewer"},
        ]});
        let provider = set(&admin, "sso", &form).await;
        let mut ada = Browser::default();
        let nobody = ada.sign_in(app, &at, &provider).await;
        assert_eq!(nobody.status, 401, "{}", nobody.text);
        assert!(nobody.text.contains("ask one of its owners"), "{}", nobody.text);
        for (groups, role) in
            [(json!(["staff"]), "viewer"), (json!(["staff", "admins"]), "owner"), (json!("staff"), "viewer")]
        {
            at.claim(&json!({"groups": groups}));
            assert_eq!(ada.sign_in(app, &at, &provider).await.status, 303);
            assert!(ada.get(app.address(), "/organizations/acme").await.text.contains(role), "{role}");
        }
        // Whom the rules do not fit any more.
        at.claim(&json!({"groups": []}));
        let mut again = Browser::default();
        assert_eq!(again.sign_in(app, &at, &provider).await.status, 401);
        // Whom somebody has made a member stays what they are.
        app.execute("UPDATE subjects SET is_provided = false, role = 'auditor' WHERE is_provided").await;
        assert_eq!(again.sign_in(app, &at, &provider).await.status, 303);
        assert!(again.get(app.address(), "/organizations/acme").await.text.contains("auditor"));
        // Who is suspended is not let in.
        app.execute("UPDATE subjects SET suspended_at = now() WHERE role = 'auditor'").await;
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 401);
        app.execute("UPDATE subjects SET suspended_at = NULL; UPDATE accounts SET suspended_at = now()")
            .await;
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn a_providers_rules_neither_undo_what_a_member_says_nor_take_the_last_owner() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let mut form = at.form();
        form["admission"] = json!({"roles": [
            {"claim": "groups", "value": "admins", "role": "owner"},
            {"claim": "groups", "value": "staff", "role": "viewer"},
        ]});
        let provider = set(&admin, "sso", &form).await;
        let mut ada = Browser::default();
        let mut comes_as = async |groups: &str, role: &str| {
            at.claim(&json!({"groups": [groups]}));
            assert_eq!(ada.sign_in(app, &at, &provider).await.status, 303);
            let page = ada.get(app.address(), "/organizations/acme").await.text;
            assert!(page.contains(role), "{role}: {page}");
        };
        let change = async |member: &Member, change: Value| {
            let path = admin.path(&format!("/members/{}", member.id));
            send(admin.request(Method::PATCH, &path).json(&change)).await.expect::<Member>(200)
        };
        comes_as("admins", "owner").await;
        let members: Paged<Member> = admin.get(&admin.path("/members")).await.expect(200);
        // The newest first.
        let [her, me] = members.items.as_slice() else { panic!("{members:?}") };
        change(me, json!({"suspended": true})).await;
        comes_as("staff", "owner").await;
        app.execute("UPDATE subjects SET suspended_at = NULL").await;
        comes_as("staff", "viewer").await;
        change(her, json!({"role": "developer"})).await;
        comes_as("staff", "developer").await;
        comes_as("admins", "developer").await;
        // Nor is the provider deleted by which alone an owner gets in.
        change(her, json!({"role": "owner"})).await;
        app.execute(&format!("UPDATE subjects SET is_provided = true WHERE id = '{}'", me.id)).await;
        app.execute("UPDATE access_tokens SET expires_at = now() + interval '1 hour' WHERE NOT is_session")
            .await;
        let sso = || admin.request(Method::DELETE, &admin.path("/identity-providers/sso"));
        send(sso()).await.problem(409, "last-owner");
        app.execute("UPDATE access_tokens SET expires_at = NULL").await;
        send(sso()).await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn two_organisations_stand_side_by_side_where_each_has_proven_who_it_is() {
    run(async |app| {
        let (acme, umbrella) = (app.organization("acme").await, app.organization("umbrella").await);
        let at = Provider::start().await;
        let weak = set(&acme, "sso", &at.form()).await;
        let mut form = at.form();
        form["evidence"] = json!({"amr": ["mfa"]});
        let strong = set(&umbrella, "sso", &form).await;
        let mut ada = Browser::default();
        let lacking = ada.sign_in(app, &at, &strong).await;
        assert_eq!(lacking.status, 401);
        assert!(lacking.text.contains("second factor"), "{}", lacking.text);
        at.claim(&json!({"amr": ["pwd", "mfa"], "acr": "gold", "auth_time": jiff::Timestamp::now().as_second() - 60}));
        assert_eq!(ada.sign_in(app, &at, &strong).await.status, 303);
        assert_eq!(ada.get(app.address(), "/organizations/umbrella").await.status, 200);
        assert_eq!(app.count("SELECT count(*) FROM session_proofs WHERE amr = '{pwd,mfa}' AND acr = 'gold' AND auth_time IS NOT NULL").await, 1);

        // The organisation that demands less opens nothing of the one that demands more.
        at.claim(&json!({"amr": null}));
        let mut thief = Browser::default();
        assert_eq!(thief.sign_in(app, &at, &weak).await.status, 303);
        assert_eq!(thief.get(app.address(), "/organizations/acme").await.status, 200);
        let refused = thief.get(app.address(), "/organizations/umbrella").await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("its own identity provider"), "{}", refused.text);
        let denied = records(&umbrella).await;
        assert!(denied.iter().any(|record| record.outcome == Outcome::Denied("other-provider".to_owned())));

        // One session, both proven.
        assert_eq!(ada.sign_in(app, &at, &weak).await.status, 303);
        for organization in ["acme", "umbrella"] {
            let page = ada.get(app.address(), &format!("/organizations/{organization}")).await;
            assert_eq!(page.status, 200, "{organization}: {}", page.text);
        }
        let home = ada.get(app.address(), "/").await.text;
        assert!(home.contains("/organizations/acme") && home.contains("/organizations/umbrella"), "{home}");
        // Somebody else's session in the same browser takes nothing over.
        at.claim(&json!({"sub": "eve"}));
        assert_eq!(ada.sign_in(app, &at, &weak).await.status, 303);
        assert_eq!(ada.get(app.address(), "/organizations/umbrella").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_command_line_has_what_was_proven_of_the_session_that_lets_it_in() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        let mut ada = Browser::default();
        assert_eq!(ada.sign_in(app, &at, &provider).await.status, 303);
        let tokens = Cli::of(app).log_in(&mut ada.visitor(app.address())).await;
        let asked = async || {
            let anyone = app.anyone(Some(tokens["access_token"].as_str().expect("a token")));
            anyone.get("/api/v1/organizations/acme/workspaces").await.status
        };
        assert_eq!(asked().await, 200);
        app.execute("DELETE FROM session_proofs").await;
        assert_eq!(asked().await, 403);
        assert_eq!(ada.get(app.address(), "/organizations/acme").await.status, 403);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_new_is_fetched_at_once_and_one_that_is_gone_is_not_believed() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 303);
        let asked = |path: &str| at.set().asked.iter().filter(|asked| *asked == path).count();
        let before = asked("/keys");
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 303);
        assert_eq!(asked("/keys"), before, "they are remembered");
        assert_eq!(asked("/.well-known/openid-configuration"), 1);
        at.rotate("second");
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 303);
        assert_eq!(asked("/keys"), before + 1);
        // The key of before is not published any more.
        at.set().forger = Some(crate::support::provider::Key::new("first"));
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 401);
        assert_eq!(asked("/keys"), before + 2);
        // Who makes keys up has them asked for no more than so often.
        for n in 0..10 {
            at.set().forger = Some(crate::support::provider::Key::new(&format!("made-up-{n}")));
            assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 401);
        }
        assert!(asked("/keys") <= before + 5, "{}", asked("/keys"));
    })
    .await;
}

#[tokio::test]
async fn what_a_provider_tells_elsewhere_of_a_person_counts_where_it_is_that_person() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        at.set().userinfo =
            Some(json!({"sub": "ada", "email": "ada@acme.com", "email_verified": true, "name": "Ada"}));
        at.claim(&json!({"email": null, "email_verified": null, "name": null}));
        let provider = set(&admin, "sso", &at.form()).await;
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 303);
        for other in [json!({"sub": "eve"}), json!({}), json!([]), Value::Null] {
            at.set().userinfo = Some(other.clone());
            let reply = Browser::default().sign_in(app, &at, &provider).await;
            assert!([401, 503].contains(&reply.status), "{other}: {}", reply.text);
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_of_the_server_opens_what_a_provider_has_brought_in() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        assert_eq!(Browser::default().sign_in(app, &at, &provider).await.status, 303);
        let ada = crate::sign_in::signed_in(app, "acme", "Ada Lovelace").await;
        assert_eq!(ada.get("/organizations/acme").await.status, 200);
        let gone = app.count("SELECT count(*) FROM sign_in_attempts").await;
        assert_eq!(gone, 0, "an attempt is used up");
    })
    .await;
}
