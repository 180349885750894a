//! Access tokens through the REST API.

use berth_schema::AccessToken;
use berth_schema::access::{Role, Token, TokenCreated, TokenKind, TokenScope};
use berth_schema::api::{Paged, WhoAmI};
use berth_server::clock;
use berth_server::services::access::MAX_TOKENS_OF_ONE;
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::login::Cli;
use crate::sign_in::signed_in;
use crate::support::{Admin, App, Requests};

pub(crate) async fn made(app: &App, admin: &Admin, body: &Value) -> (Token, Admin) {
    let created: TokenCreated = admin.post(&admin.path("/tokens"), body).await.expect(201);
    let token: AccessToken = created.token.parse().expect("a token");
    (created.details, Admin::new(app.address(), token))
}

pub(crate) async fn rotated(app: &App, admin: &Admin, name: &str, body: &Value) -> Admin {
    let reply = admin.post(&admin.path(&format!("/tokens/{name}/rotate")), body).await;
    let created: TokenCreated = reply.expect(200);
    Admin::new(app.address(), created.token.parse().expect("a token"))
}

pub(crate) async fn opens(who: &Admin) -> bool {
    match who.get("/api/v1/whoami").await.status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

/// Ada is signed in by a browser and by a command line, and an owner takes both out of the organisation.
#[tokio::test]
async fn a_session_is_listed_and_revoked_until_its_person_has_proven_anew_who_they_are() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let login = cli.log_in(&mut ada).await;
        let (page, path) = ("/organizations/acme/workspaces", "/api/v1/organizations/acme/workspaces");
        assert_eq!(ada.get(page).await.status, 200);
        assert_eq!(cli.get(&login, path).await.status, 200);
        let sessions = || async {
            let list: Paged<Token> = owner.get(&owner.path("/tokens?kind=session")).await.expect(200);
            list.items
        };
        let listed = sessions().await;
        assert_eq!(listed.len(), 2, "{listed:?}");
        for session in &listed {
            assert_eq!((session.kind, session.subject_name.as_deref()), (TokenKind::Session, Some("Ada")));
            let of = |what: &str| owner.path(&format!("/tokens/{}/{what}", session.id));
            let rotated = owner.post(&of("rotate"), &json!({})).await;
            assert_eq!(rotated.wrong_fields(), ["token"], "nobody gets a secret of one");
            let revoked: Token = owner.post(&of("revoke"), &json!({})).await.expect(200);
            assert!(revoked.revoked_at.is_some() && revoked.kind == TokenKind::Session);
        }
        let tokens: Paged<Token> = owner.get(&owner.path("/tokens")).await.expect(200);
        assert!(tokens.items.iter().all(|token| token.kind == TokenKind::AccessToken), "{tokens:?}");

        let led = ada.get(page).await;
        assert_eq!(led.status, 303, "{}", led.text);
        assert!(led.header("location").starts_with("/confirm"), "{}", led.header("location"));
        let problem = cli.get(&login, path).await.problem(403, "forbidden");
        assert!(problem.detail.contains("taken out of the organization"), "{problem:?}");
        assert!(problem.step_up && problem.detail.contains("berth login"), "{problem:?}");
        let of_browser =
            "UPDATE sessions SET verified_at = now() + interval '1 second' WHERE client = 'browser'";
        app.execute(of_browser).await;
        assert_eq!(ada.get(page).await.status, 200, "it was proven anew");
        assert_eq!(cli.get(&login, path).await.status, 403, "and the other one was not");
        let opens: Vec<_> = sessions().await.iter().map(|session| session.revoked_at.is_none()).collect();
        assert_eq!(opens.iter().filter(|opens| **opens).count(), 1, "{opens:?}");
        let wrong = owner.get(&owner.path("/tokens?kind=other")).await;
        assert_eq!(wrong.status, 422, "{}", wrong.text);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_made_listed_and_revoked() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let in_an_hour = clock::now().checked_add(SignedDuration::from_hours(1)).expect("a time");
        let body = json!({"name": "ci (main)", "expires_at": in_an_hour.to_string()});
        let reply = admin.post(&admin.path("/tokens"), &body).await;
        let created: TokenCreated = reply.expect(201);
        assert_eq!(created.role, Some(Role::Owner), "what an owner makes is an owner's, and is said to be");
        let ci = Admin::new(app.address(), created.token.parse().expect("a token"));
        let whoami: WhoAmI = ci.get("/api/v1/whoami").await.expect(200);
        assert_eq!((whoami.token_name.as_str(), whoami.scope), ("ci (main)", TokenScope::Full));
        assert_eq!(whoami.token_id, Some(created.details.id));

        let got = admin.get(reply.header("location")).await;
        assert!(!got.text.contains(&created.token), "{}", got.text);
        let got: Token = got.expect(200);
        assert_eq!(got.created_by_name.as_deref(), Some("first administrator"));
        assert!(got.last_used_at.is_some() && got.expires_at.is_some());
        let list: Paged<Token> = admin.get(&admin.path("/tokens")).await.expect(200);
        let names: Vec<_> = list.items.iter().map(|token| token.name.as_str()).collect();
        assert_eq!(names, ["ci (main)", "first administrator"], "the newest first");

        let revoked = admin.post(&admin.path("/tokens/ci%20(main)/revoke"), &json!({})).await;
        assert!(revoked.expect::<Token>(200).revoked_at.is_some());
        assert!(!opens(&ci).await);
        admin.post(&admin.path("/tokens/ci%20(main)/rotate"), &json!({})).await.problem(409, "token-ended");
        // The name is free again, and means the new one.
        let (again, _) = made(app, &admin, &json!({"name": "ci (main)"})).await;
        let got: Token = admin.get(&admin.path("/tokens/ci%20(main)")).await.expect(200);
        assert_eq!(got.id, again.id);
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_for_is_checked() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let past = "2020-01-01T00:00:00Z";
        for (body, field) in [
            (json!({}), "name"),
            (json!({"name": "a\u{202e}b"}), "name"),
            (json!({"name": "a\u{0}"}), "name"),
            (json!({"name": "a", "scope": "root"}), "scope"),
            (json!({"name": "a", "expires_at": past}), "expires_at"),
            (
                json!({"name": "a", "expires_at": clock::now() + SignedDuration::from_hours(366 * 24 + 1)}),
                "expires_at",
            ),
            (json!({"name": "a", "x": 1}), "x"),
        ] {
            let reply = admin.post(&admin.path("/tokens"), &body).await;
            assert_eq!(reply.wrong_fields(), [field], "{body}");
        }
        let taken = json!({"name": "first administrator"});
        admin.post(&admin.path("/tokens"), &taken).await.problem(409, "name-taken");
        let reply = admin
            .post(&admin.path("/tokens/first%20administrator/rotate"), &json!({"overlap_seconds": 604_801}))
            .await;
        assert_eq!(reply.wrong_fields(), ["overlap_seconds"]);
        admin.get(&admin.path("/tokens/nobody")).await.problem(404, "not-found");
        // Another organisation's token looks like none.
        let other = app.organization("other").await;
        let id = other.token.token_id();
        admin.get(&admin.path(&format!("/tokens/{id}"))).await.problem(404, "not-found");
        admin.post(&admin.path(&format!("/tokens/{id}/revoke")), &json!({})).await.problem(404, "not-found");
        assert!(opens(&other).await);
    })
    .await;
}

#[tokio::test]
async fn no_token_gets_at_more_than_it_has() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let (_, reader) = made(app, &admin, &json!({"name": "reader", "scope": "read-only"})).await;
        for (path, body) in [
            ("/tokens", json!({"name": "x"})),
            ("/tokens/first%20administrator/rotate", json!({})),
            ("/tokens/reader/rotate", json!({})),
            ("/tokens/first%20administrator/revoke", json!({"force": true})),
        ] {
            reader.post(&reader.path(path), &body).await.problem(403, "forbidden");
        }
        let end = clock::now().checked_add(SignedDuration::from_hours(1)).expect("a time");
        let later = end.checked_add(SignedDuration::from_secs(1)).expect("a time").to_string();
        let (_, short) = made(app, &admin, &json!({"name": "short", "expires_at": end.to_string()})).await;
        let reply = short.post(&short.path("/tokens"), &json!({"name": "x", "expires_at": later})).await;
        assert_eq!(reply.wrong_fields(), ["expires_at"]);
        let reply = short.post(&short.path("/tokens/short/rotate"), &json!({"expires_at": later})).await;
        assert_eq!(reply.wrong_fields(), ["expires_at"]);
        let everlasting = short.path("/tokens/first%20administrator/rotate");
        short.post(&everlasting, &json!({})).await.problem(403, "forbidden");
        // Without a word it ends with the one that made it.
        let (child, _) = made(app, &short, &json!({"name": "child"})).await;
        assert_eq!(child.expires_at.map(jiff::Timestamp::as_second), Some(end.as_second()));
    })
    .await;
}

#[tokio::test]
async fn the_last_token_that_may_change_anything_is_not_lost_by_mistake() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        made(app, &admin, &json!({"name": "reader", "scope": "read-only"})).await;
        let path = admin.path("/tokens/first%20administrator/revoke");
        let problem = admin.post(&path, &json!({})).await.problem(409, "last-full-token");
        assert!(problem.detail.contains("berth-server token create"), "{}", problem.detail);
        assert!(opens(&admin).await);
        // One that ends soon is not another one.
        let end = jiff::Timestamp::now() + SignedDuration::from_hours(3);
        let (_, brief) = made(app, &admin, &json!({"name": "brief", "expires_at": end})).await;
        brief.post(&path, &json!({})).await.problem(409, "last-full-token");
        // Two that take each other away at the same time leave one.
        let (other, second) = made(app, &admin, &json!({"name": "second"})).await;
        let (one, two) = (second.path("/tokens/second/revoke"), path.clone());
        let (by_first, by_second) = (json!({}), json!({}));
        let both = tokio::join!(admin.post(&one, &by_first), second.post(&two, &by_second));
        let mut statuses = [both.0.status, both.1.status];
        statuses.sort_unstable();
        assert!(matches!(statuses, [200, 401 | 409]), "{statuses:?}");
        assert_eq!(u8::from(opens(&admin).await) + u8::from(opens(&second).await), 1, "{other:?}");
        let left = if opens(&admin).await { &admin } else { &second };
        let own = left.path(&format!("/tokens/{}/revoke", left.token.token_id()));
        left.post(&own, &json!({"force": true})).await.expect::<Token>(200);
        assert!(!opens(left).await);
    })
    .await;
}

#[tokio::test]
async fn a_rotated_secret_ends_at_once_or_after_an_overlap() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let (details, first) = made(app, &admin, &json!({"name": "ci"})).await;
        let second = rotated(app, &admin, "ci", &json!({})).await;
        assert_eq!(second.token.token_id(), details.id, "it is still the same token");
        assert!(!opens(&first).await && opens(&second).await);

        let third = rotated(app, &second, "ci", &json!({"overlap_seconds": 3600})).await;
        assert!(opens(&second).await && opens(&third).await);
        // Neither who rotates with another overlap nor the old secret itself takes the old one away early.
        let path = admin.path("/tokens/ci/rotate");
        admin.post(&path, &json!({"overlap_seconds": 60})).await.problem(409, "rotation-pending");
        second.post(&path, &json!({})).await.problem(409, "rotation-pending");
        app.execute("UPDATE access_tokens SET previous_valid_until = now() WHERE name = 'ci'").await;
        assert!(!opens(&second).await && opens(&third).await);
        let fourth = rotated(app, &third, "ci", &json!({})).await;
        assert!(!opens(&third).await && opens(&fourth).await);
    })
    .await;
}

#[tokio::test]
async fn of_thirty_who_rotate_the_token_they_use_one_is_granted_it() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        for body in [json!({}), json!({"overlap_seconds": 3600})] {
            let name = format!("ci {}", body.as_object().map_or(0, serde_json::Map::len));
            let (details, ci) = made(app, &admin, &json!({"name": name})).await;
            let path = ci.path(&format!("/tokens/{}/rotate", details.id));
            let replies = join_all((0..30).map(|_| ci.post(&path, &body))).await;
            let granted: Vec<TokenCreated> =
                replies.iter().filter(|reply| reply.status == 200).map(|reply| reply.expect(200)).collect();
            assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 401 | 409)));
            assert_eq!(granted.len(), 1);
            let token = granted[0].token.parse().expect("a token");
            assert!(opens(&Admin::new(app.address(), token)).await);
        }
    })
    .await;
}

#[tokio::test]
async fn of_thirty_tokens_of_one_name_one_is_made() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let (path, body) = (admin.path("/tokens"), json!({"name": "ci"}));
        let replies = join_all((0..30).map(|_| admin.post(&path, &body))).await;
        let made = replies.iter().filter(|reply| reply.status == 201).count();
        let taken = replies.iter().filter(|reply| reply.status == 409).count();
        assert_eq!((made, taken), (1, 29));
    })
    .await;
}

#[tokio::test]
async fn uses_are_written_down_when_the_server_stops() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let replica = app.replica().await;
        assert!(opens(&replica.admin(&admin)).await);
        replica.drain().await;
        let written = "SELECT count(*) FROM access_tokens WHERE last_used_at IS NOT NULL";
        assert_eq!(app.count(written).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_scope_of_a_later_version_opens_nothing() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let (_, other) = made(app, &admin, &json!({"name": "billing"})).await;
        app.execute(
            "ALTER TABLE access_tokens DROP CONSTRAINT access_tokens_scope_check;
             UPDATE access_tokens SET scope = 'billing' WHERE name = 'billing'",
        )
        .await;
        other.get("/api/v1/whoami").await.problem(403, "forbidden");
        let list: Paged<Token> = admin.get(&admin.path("/tokens")).await.expect(200);
        assert_eq!(list.items[0].scope, TokenScope::Unknown);
    })
    .await;
}

#[tokio::test]
async fn one_subject_has_so_many_tokens_and_others_have_theirs() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let rows = MAX_TOKENS_OF_ONE - 2;
        app.execute(&format!(
            "INSERT INTO access_tokens (organization_id, id, subject_id, name, scope, secret_hash, created_at)
             SELECT organization_id, gen_random_uuid(), subject_id, 'n' || n, 'full', decode(md5(n::text) || md5(n::text), 'hex'), now()
             FROM access_tokens, generate_series(1, {rows}) AS n WHERE name = 'first administrator'"
        ))
        .await;
        let own = |name: &str| json!({"name": name, "same_subject": true});
        made(app, &admin, &own("last")).await;
        let full = admin.post(&admin.path("/tokens"), &own("more")).await;
        assert_eq!(full.wrong_fields(), ["same_subject"]);
        assert!(full.text.contains("100 tokens"), "{}", full.text);
        made(app, &admin, &json!({"name": "of another"})).await;
        admin.post(&admin.path("/tokens/n1/revoke"), &json!({})).await.expect::<Token>(200);
        made(app, &admin, &own("more")).await;
    })
    .await;
}
