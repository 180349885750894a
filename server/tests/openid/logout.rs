//! Out again: here, at the provider, and on its word.

use berth_schema::api::Paged;
use berth_schema::audit::{Entry, Record, Who};
use serde_json::{Value, json};

use super::{Browser, run, set};
use crate::login::Cli;
use crate::support::provider::Provider;
use crate::support::{Admin, App, Reply, Requests as _};

/// The newest hundred of an organisation, the oldest first.
pub(crate) async fn records(admin: &Admin) -> Vec<Record> {
    let page: Paged<Entry<Value>> = admin.get(&admin.path("/audit?limit=100&from=1")).await.expect(200);
    let read = |entry: Entry<Value>| serde_json::from_value(entry.record).expect("a record");
    page.items.into_iter().map(read).collect()
}

async fn tell(app: &App, path: &str, token: &str) -> Reply {
    let form =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    let request = app.anyone(None).request(reqwest::Method::POST, path);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    Reply::of(request.send().await.expect("an answer")).await
}

#[tokio::test]
async fn whoever_signs_out_is_shown_the_way_out_of_the_provider_too() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "Acme SSO", &at.form()).await;
        let mut ada = Browser::default();
        assert_eq!(ada.sign_in(app, &at, &provider).await.status, 303);
        let kept = ada.visitor(app.address());
        let reply = ada.submit(app.address(), "/sign-out").await;
        let page = format!("/signed-out?provider={}", provider.id);
        assert_eq!((reply.status, reply.header("location")), (303, page.as_str()));
        assert!(!kept.is_signed_in().await && ada.cookie("__Host-berth-session").is_none());
        let page = ada.get(app.address(), &page).await;
        assert!(page.text.contains("Sign out at Acme SSO too"), "{}", page.text);
        let link = format!("{}/sign-out?client_id=berth-at-home&amp;post_logout_redirect_uri=", at.issuer);
        assert!(page.text.replace("&#38;", "&amp;").contains(&link), "{}", page.text);
        assert!(ada.get(app.address(), "/signed-out?state=x").await.text.contains("You are signed out here"));
    })
    .await;
}

#[tokio::test]
async fn on_a_providers_word_sessions_end_on_every_server_with_their_command_lines() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        at.claim(&json!({"sid": "s1"}));
        let provider = set(&admin, "sso", &at.form()).await;
        let mut laptop = Browser::default();
        assert_eq!(laptop.sign_in(app, &at, &provider).await.status, 303);
        let tokens = Cli::of(app).log_in(&mut laptop.visitor(app.address())).await;
        at.claim(&json!({"sid": "s2"}));
        let mut phone = Browser::default();
        assert_eq!(phone.sign_in(app, &at, &provider).await.status, 303);
        at.claim(&json!({"sub": "eve"}));
        let mut eve = Browser::default();
        assert_eq!(eve.sign_in(app, &at, &provider).await.status, 303);
        let other = app.replica().await;
        assert!(laptop.is_signed_in(other.address()).await);
        let path = provider.backchannel_logout_uri_path();
        let workspaces = "/api/v1/organizations/acme/workspaces";
        assert_eq!(
            app.anyone(Some(tokens["access_token"].as_str().expect("a token"))).get(workspaces).await.status,
            200
        );

        // What is no logout token ends nothing.
        for wrong in [
            json!({"aud": "other"}),
            json!({"iss": "https://evil.example"}),
            json!({"events": null}),
            json!({"nonce": "n"}),
            json!({"iat": 1_000_000_000, "exp": 1_000_000_100}),
            json!({"sub": null}),
            json!({"jti": null}),
        ] {
            tell(app, &path, &at.logout_token(&wrong)).await.problem(400, "malformed-request");
        }
        assert_eq!(tell(app, &path, "garbage").await.status, 400);
        let stranger = Provider::start().await;
        assert_eq!(tell(app, &path, &stranger.logout_token(&json!({"iss": at.issuer}))).await.status, 400);
        assert!(laptop.is_signed_in(app.address()).await && phone.is_signed_in(app.address()).await);

        // One session of the provider's.
        let before = records(&admin).await.len();
        let token = at.logout_token(&json!({"sub": null, "sid": "s1"}));
        assert_eq!(tell(app, &path, &token).await.status, 200);
        assert!(!laptop.is_signed_in(app.address()).await && !laptop.is_signed_in(other.address()).await);
        assert_eq!(
            app.anyone(Some(tokens["access_token"].as_str().expect("a token"))).get(workspaces).await.status,
            401
        );
        assert!(phone.is_signed_in(app.address()).await && eve.is_signed_in(app.address()).await);
        let told = records(&admin).await.split_off(before);
        assert_eq!(told.len(), 2, "{told:?}");
        for record in told {
            assert_eq!(record.action.as_str(), "account.end-session");
            assert_eq!(record.who, Who::Provider { provider: provider.id });
        }
        // All of a person, and of nobody else.
        assert_eq!(tell(app, &path, &at.logout_token(&json!({}))).await.status, 200);
        assert!(!phone.is_signed_in(other.address()).await && eve.is_signed_in(other.address()).await);
        // Somebody whom nobody knows.
        assert_eq!(tell(app, &path, &at.logout_token(&json!({"sub": "nobody"}))).await.status, 200);
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_logout_token_that_is_sent_again_ends_nothing_that_began_later() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        let earlier = jiff::Timestamp::now().as_second() - 120;
        let token = at.logout_token(&json!({"iat": earlier, "exp": earlier + 600}));
        let mut ada = Browser::default();
        assert_eq!(ada.sign_in(app, &at, &provider).await.status, 303);
        let path = provider.backchannel_logout_uri_path();
        assert_eq!(tell(app, &path, &token).await.status, 200);
        assert!(ada.is_signed_in(app.address()).await);
    })
    .await;
}

trait PathOf {
    fn backchannel_logout_uri_path(&self) -> String;
}

impl PathOf for berth_schema::identity_providers::IdentityProvider {
    fn backchannel_logout_uri_path(&self) -> String {
        self.backchannel_logout_uri.parse::<url::Url>().expect("a URL").path().to_owned()
    }
}
