//! Providers as the REST API sets, lists and deletes them.

use berth_schema::api::Paged;
use berth_schema::audit::Details;
use berth_schema::identity_providers::IdentityProvider;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, run, set};
use crate::openid::logout::records;
use crate::support::provider::{Provider, SECRET};
use crate::support::{Requests as _, send};

#[tokio::test]
async fn a_provider_is_what_was_set_last_and_its_secret_is_never_shown() {
    run(async |app| {
        let (admin, stranger) = (app.organization("acme").await, app.organization("stranger").await);
        let at = Provider::start().await;
        let first = set(&admin, "sso", &at.form()).await;
        assert!(first.has_secret && first.listed);
        assert_eq!(first.redirect_uri, format!("http://{}/sign-in/callback/{}", app.address(), first.id));
        let before = records(&admin).await.len();
        // The same again changes nothing; without a secret the stored one stays.
        let mut form = at.form();
        form.as_object_mut().expect("an object").remove("client_secret");
        assert_eq!(set(&admin, "sso", &form).await, first);
        assert_eq!(records(&admin).await.len(), before);
        form["listed"] = json!(false);
        let second = set(&admin, "sso", &form).await;
        assert_eq!((second.id, second.has_secret, second.listed), (first.id, true, false));
        let [record] = &records(&admin).await[before..] else { panic!("one record") };
        let expected = Details::IdentityProviderSet {
            provider: first.id,
            is_new: false,
            is_another: false,
            new_secret: false,
        };
        assert_eq!(record.details, expected);
        assert_eq!(
            Browser::default().sign_in(app, &at, &second).await.status,
            303,
            "the secret is still right"
        );
        assert!(
            !Browser::default().get(app.address(), "/sign-in").await.text.contains("sso"),
            "it is not listed"
        );
        // Another issuer is never shown the secret of this one.
        let other = Provider::start().await;
        form["issuer"] = json!(other.issuer);
        assert!(!set(&admin, "sso", &form).await.has_secret);
        form["issuer"] = json!(at.issuer);
        assert!(!set(&admin, "sso", &form).await.has_secret, "it is gone");

        let listed: Paged<IdentityProvider> = admin.get(&admin.path("/identity-providers")).await.expect(200);
        assert_eq!(listed.items.len(), 1);
        let theirs: Paged<IdentityProvider> =
            stranger.get(&stranger.path("/identity-providers")).await.expect(200);
        assert_eq!(theirs.items, []);
        let all = format!("{:?} {:?}", listed, records(&admin).await);
        assert!(!all.contains(SECRET), "{all}");
        let query = format!(
            "SELECT count(*) FROM identity_providers WHERE encode(ciphertext, 'escape') LIKE '%{SECRET}%'"
        );
        assert_eq!(app.count(&query).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_of_it_is_asked() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let put = async |name: &str, patch: Value| {
            let mut form = at.form();
            for (name, value) in patch.as_object().expect("an object") {
                form[name] = value.clone();
            }
            admin.put(&admin.path(&format!("/identity-providers/{name}")), &form).await
        };
        for (patch, field) in [
            (json!({"issuer": "http://id.example.com"}), "issuer"),
            (json!({"issuer": "https://10.0.0.1"}), "issuer"),
            (json!({"issuer": "https://169.254.169.254"}), "issuer"),
            (json!({"issuer": "https://id.example.com/?a=b"}), "issuer"),
            (json!({"issuer": format!("https://{}.example.com", "x".repeat(300))}), "issuer"),
            (json!({"client_id": ""}), "client_id"),
            (json!({"admission": {"email_domains": ["*"]}}), "admission.email_domains"),
            (
                json!({"admission": {"roles": [{"claim": "a", "value": "b", "role": "emperor"}]}}),
                "admission.roles[0].role",
            ),
            (json!({"evidence": {"max_age_seconds": 0}}), "evidence.max_age_seconds"),
            (json!({"colour": 1}), "colour"),
        ] {
            assert_eq!(put("sso", patch.clone()).await.wrong_fields(), [field], "{patch}");
        }
        assert_eq!(put("a%2Fb", json!({})).await.wrong_fields(), ["provider"]);
        assert_eq!(at.set().asked, [""; 0]);
        let secret = put("sso", json!({"client_secret": "hunter 2"})).await;
        assert!(secret.status == 422 && !secret.text.contains("hunter"), "{}", secret.text);
        for n in 0..20 {
            set(&admin, &format!("p{n}"), &at.form()).await;
        }
        assert_eq!(put("one-more", json!({})).await.wrong_fields(), ["provider"]);
    })
    .await;
}

#[tokio::test]
async fn with_a_provider_end_the_sessions_that_it_has_proven() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        let mut ada = Browser::default();
        assert_eq!(ada.sign_in(app, &at, &provider).await.status, 303);
        assert_eq!(ada.get(app.address(), "/organizations/acme").await.status, 200);
        let path = admin.path("/identity-providers/sso");
        send(admin.request(Method::DELETE, &path)).await.expect::<Value>(200);
        let ended = ada.get(app.address(), "/organizations/acme").await;
        assert_eq!(ended.status, 403, "a member still, whom no provider has proven: {}", ended.text);
        assert_eq!(ada.get(app.address(), &format!("/sign-in/with/{}", provider.id)).await.status, 404);
        send(admin.request(Method::DELETE, &path)).await.problem(404, "not-found");
        // Another one of the same issuer finds the same person.
        let again = set(&admin, "again", &at.form()).await;
        assert_eq!(ada.sign_in(app, &at, &again).await.status, 303);
        assert_eq!(ada.get(app.address(), "/organizations/acme").await.status, 200);
        assert_eq!(app.count("SELECT count(*) FROM identities").await, 1);
    })
    .await;
}
