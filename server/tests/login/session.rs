//! The session that comes of it: refreshed, ended, and signed by keys that are replaced.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_server::services::signing_keys;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Cli, refused, text};
use crate::sign_in::signed_in;
use crate::support::{App, Visitor};

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let first = cli.log_in(&mut ada).await;
        let second: Value = cli.refresh(&first).await.expect(200);
        assert_ne!(first["refresh_token"], second["refresh_token"]);
        // Its answer was lost, or two commands ran at once: the same successor.
        let same: Value = cli.refresh(&first).await.expect(200);
        let third: Value = cli.refresh(&same).await.expect(200);
        assert_eq!(cli.get(&third, "/api/v1/account").await.status, 200);
        // An access token is none, nor the other way round.
        let mixed = [("grant_type", "refresh_token"), ("refresh_token", text(&third, "access_token"))];
        assert_eq!(refused(&cli.token(&mixed).await), "400 invalid_grant");
        let reply = cli.get_as(text(&third, "refresh_token"), "/api/v1/account", None).await;
        assert_eq!(reply.status, 401);
        // Two before: somebody has kept it.
        assert_eq!(refused(&cli.refresh(&first).await), "400 invalid_grant");
        assert_eq!(refused(&cli.refresh(&third).await), "400 invalid_grant");
        assert_eq!(cli.get(&third, "/api/v1/account").await.status, 401);

        // The one before, when the overlap is over.
        let first = cli.log_in(&mut ada).await;
        let second: Value = cli.refresh(&first).await.expect(200);
        app.execute("UPDATE sessions SET refreshed_at = now() - interval '31 seconds'").await;
        assert_eq!(refused(&cli.refresh(&first).await), "400 invalid_grant");
        assert_eq!(refused(&cli.refresh(&second).await), "400 invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn a_login_ends_on_every_server_at_once() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let other = app.replica().await;
        let there = Cli::of(&other);
        let path = "/api/v1/organizations/acme/workspaces";
        let logged_out = cli.log_in(&mut ada).await;
        assert_eq!(there.get(&logged_out, path).await.status, 200);
        assert_eq!(cli.log_out(&logged_out).await.status, 200);
        assert_eq!(there.get(&logged_out, path).await.status, 401);
        assert_eq!(refused(&there.refresh(&logged_out).await), "400 invalid_grant");
        // What is no token is as revoked as it can be.
        assert_eq!(cli.post("/oauth/revoke", &[("token", "x")]).await.status, 200);

        let ended = cli.log_in(&mut ada).await;
        assert_eq!(ada.submit("/sessions/end-others", &[]).await.status, 303);
        assert_eq!(there.get(&ended, path).await.status, 401);
        let suspended = cli.log_in(&mut ada).await;
        app.execute("UPDATE subjects SET suspended_at = now()").await;
        assert_eq!(there.get(&suspended, path).await.status, 404);
        assert_eq!(there.get(&suspended, "/api/v1/account").await.status, 200);
        app.execute("UPDATE accounts SET suspended_at = now()").await;
        assert_eq!(there.get(&suspended, "/api/v1/account").await.status, 401);
        assert_eq!(refused(&there.refresh(&suspended).await), "400 invalid_grant");
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_key_is_replaced_without_a_restart_and_what_a_revoked_one_signed_is_worth_nothing() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let cli = Cli::of(app);
        let tokens = cli.log_in(&mut ada).await;
        let published = || async {
            let jwks: Value = ada.get("/.well-known/jwks.json").await.expect(200);
            let keys = jwks["keys"].as_array().expect("keys").iter();
            keys.map(|key| text(key, "kid").to_owned()).collect::<Vec<_>>()
        };
        let before = published().await;
        assert_eq!(before.len(), 1);
        let now = Timestamp::now();
        app.on_signing_keys(now, async |keys| keys.rotate().await).await.expect("rotated");
        // Another one waits already.
        app.on_signing_keys(now, async |keys| keys.rotate().await).await.expect("rotated");
        signing_keys::of(&app.context, now).await.expect("taken up");
        let both = published().await;
        assert!(both.len() == 2 && both[0] == before[0], "the one of before signs still: {both:?}");
        let later = now + SignedDuration::from_hours(25);
        signing_keys::of(&app.context, later).await.expect("taken up");
        assert_eq!(published().await[0], both[1], "its day is over");
        assert_eq!(cli.get(&tokens, "/api/v1/account").await.status, 200, "what was signed goes on");
        app.on_signing_keys(later, async |keys| keys.revoke(&before[0]).await).await.expect("revoked");
        signing_keys::of(&app.context, later).await.expect("taken up");
        assert_eq!(published().await, [both[1].clone()]);
        assert_eq!(cli.get(&tokens, "/api/v1/account").await.status, 401);
        assert_eq!(refused(&cli.refresh(&tokens).await), "400 invalid_grant");
        assert!(app.on_signing_keys(later, async |keys| keys.revoke("nothing").await).await.is_err());
        // The last one that is good: another is made in its place.
        app.on_signing_keys(later, async |keys| keys.revoke(&both[1]).await).await.expect("revoked");
        signing_keys::of(&app.context, later).await.expect("taken up");
        assert!(published().await.len() == 1 && !both.contains(&published().await[0]));
        // After a quarter of a year the next one is made by itself.
        let much_later = later + SignedDuration::from_hours(91 * 24);
        signing_keys::of(&app.context, much_later).await.expect("taken up");
        assert_eq!(published().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_back_to_what_they_wanted() {
    App::run(async |app| {
        app.organization("acme").await;
        let link = crate::sign_in::link(app, "acme", "Ada").await;
        let mut ada = Visitor::new(app.address());
        let asked = ada.get("/device?user_code=BCDF-GHJK").await;
        assert_eq!((asked.status, asked.header("location")), (303, "/sign-in"));
        let kept = asked.header("set-cookie").split(';').next().expect("a pair").to_owned();
        assert!(kept.starts_with("__Host-berth-return="));
        ada.cookie = Some(kept);
        assert_eq!(ada.sign_in(&link).await.header("location"), "/device?user_code=BCDF-GHJK");
        // What somebody else has put there leads nowhere.
        for evil in ["https://evil.example/", "//evil.example", "/api/v1/whoami", "/\r\nx: y"] {
            let link = crate::sign_in::link(app, "acme", "Ada").await;
            let cookie = format!("__Host-berth-return={}", URL_SAFE_NO_PAD.encode(evil));
            let mut visitor = Visitor::with(app.address(), Some(cookie));
            assert_eq!(visitor.sign_in(&link).await.header("location"), "/workspaces", "{evil}");
        }
    })
    .await;
}
