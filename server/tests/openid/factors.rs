//! What a provider has proven of a second factor, and when: seen by an organisation's rules.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, run, set};
use crate::login::Cli;
use crate::policy;
use crate::support::provider::Provider;
use crate::support::{App, Requests as _};

const LIST: &str = "/organizations/acme/workspaces";

/// Whoever is signed in, sees workspaces with a second factor alone, shown within five minutes.
fn rules() -> String {
    format!(
        "{}\n@id(\"second-factor\")\nforbid (principal, action == Action::\"workspace.list\", resource)\n\
         when {{ context.by == \"session\" }}\n\
         unless {{ context.mfa && context has session_age_seconds && context.session_age_seconds < 300 }};",
        berth_policy::BUILT_IN
    )
}

fn ago(seconds: i64) -> i64 {
    jiff::Timestamp::now().as_second() - seconds
}

async fn lists(app: &App, token: &Value) -> u16 {
    let token = token["access_token"].as_str().expect("a token");
    app.anyone(Some(token))
        .request(Method::GET, &format!("/api/v1{LIST}"))
        .send()
        .await
        .expect("sent")
        .status()
        .as_u16()
}

#[tokio::test]
async fn rules_see_whether_a_provider_has_proven_a_second_factor_and_when() {
    run(async |app| {
        let admin = app.organization("acme").await;
        let at = Provider::start().await;
        let provider = set(&admin, "sso", &at.form()).await;
        policy::set(&admin, &rules()).await.expect::<Value>(200);
        let mut ada = Browser::default();
        for (claims, status) in [
            (json!({}), 403),
            (json!({"amr": ["pwd"]}), 403),
            (json!({"amr": ["pwd", "pin"], "acr": "gold"}), 403),
            (json!({"amr": ["pwd", "otp"], "auth_time": ago(400)}), 403),
            (json!({"amr": ["pwd", "otp"], "auth_time": ago(200)}), 200),
            (json!({"amr": ["mfa"]}), 200),
            (json!({"amr": null, "acr": "https://refeds.org/profile/mfa"}), 200),
            (json!({"amr": null, "acr": null}), 403),
        ] {
            at.claim(&json!({"amr": null, "acr": null, "auth_time": null}));
            at.claim(&claims);
            assert_eq!(ada.sign_in(app, &at, &provider).await.status, 303, "{claims}");
            let page = ada.get(app.address(), LIST).await;
            assert_eq!(page.status, status, "{claims}: {}", page.text);
            // A command line has what the session had that lets it in.
            let tokens = Cli::of(app).log_in(&mut ada.visitor(app.address())).await;
            assert_eq!(lists(app, &tokens).await, status, "{claims}");
        }
        // Whose token has no session is not asked for any.
        admin.get(&admin.path("/workspaces")).await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn what_another_organisations_provider_has_proven_since_makes_nothing_newer_or_stronger() {
    run(async |app| {
        let (acme, umbrella) = (app.organization("acme").await, app.organization("umbrella").await);
        let (at, elsewhere) = (Provider::start().await, Provider::start().await);
        let here = set(&acme, "sso", &at.form()).await;
        let same_people = set(&umbrella, "sso", &at.form()).await;
        let others = set(&umbrella, "other", &elsewhere.form()).await;
        policy::set(&acme, &rules()).await.expect::<Value>(200);
        let mut ada = Browser::default();
        at.claim(&json!({"amr": ["pwd", "otp"], "auth_time": ago(400)}));
        assert_eq!(ada.sign_in(app, &at, &here).await.status, 303);
        assert_eq!(ada.get(app.address(), LIST).await.status, 403, "too long ago");
        at.claim(&json!({"auth_time": ago(1)}));
        assert_eq!(ada.sign_in(app, &at, &same_people).await.status, 303);
        assert_eq!(ada.get(app.address(), LIST).await.status, 403, "newer elsewhere");
        // The same person at this organisation's own provider.
        assert_eq!(ada.sign_in(app, &at, &here).await.status, 303);
        assert_eq!(ada.get(app.address(), LIST).await.status, 200);
        // Somebody else's account takes nothing along.
        elsewhere.claim(&json!({"amr": ["mfa"]}));
        assert_eq!(ada.sign_in(app, &elsewhere, &others).await.status, 303);
        assert_eq!(ada.get(app.address(), LIST).await.status, 404);
    })
    .await;
}
