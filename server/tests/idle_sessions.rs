//! How long a session may do nothing, by the rules of an organisation.

use std::time::Duration;

use serde_json::Value;

use crate::login::begin_device;
use crate::policy;
use crate::sign_in::{link, signed_in};
use crate::support::{App, Visitor};

const LIST: &str = "/organizations/acme/workspaces";
const IDLE: Duration = Duration::from_secs(4);

fn rules() -> String {
    format!(
        "{}\n@id(\"idle\")\nforbid (principal, action, resource)\n\
         when {{ context has session_idle_seconds && context.session_idle_seconds >= {} }};",
        berth_policy::BUILT_IN,
        IDLE.as_secs()
    )
}

#[tokio::test]
async fn who_was_away_is_let_in_nowhere_in_the_organisation_and_a_denial_is_no_use() {
    App::run(async |app| {
        let (admin, other) = (app.organization("acme").await, app.organization("other").await);
        policy::set(&admin, &rules()).await.expect::<Value>(200);
        let mut ada = signed_in(app, "acme", "Ada").await;
        assert_eq!(ada.get(LIST).await.status, 200, "whoever has just come");
        tokio::time::sleep(IDLE + Duration::from_millis(100)).await;
        for _ in 0..2 {
            let denied = ada.get(LIST).await;
            assert_ne!(denied.status, 200, "{}", denied.text);
        }
        assert!(ada.is_signed_in().await, "the session goes on elsewhere");
        // What nobody can be denied is no use either.
        for page in ["/organizations/acme", "/organizations/acme/new"] {
            ada.get(page).await;
            assert_ne!(ada.get(LIST).await.status, 200, "{page}");
        }
        // A command line that it lets in would not be idle.
        let code = begin_device(app).await;
        let allow = [("user_code", code.as_str()), ("decision", "allow")];
        let led = ada.submit("/device", &allow).await;
        assert!(led.status == 303 && led.header("location").starts_with("/confirm"), "{}", led.text);
        // A token is never idle, and other organisations say nothing of it.
        policy::set(&admin, berth_policy::BUILT_IN).await.expect::<Value>(200);
        assert_eq!(ada.get(LIST).await.status, 200);
        assert_eq!(ada.submit("/device", &allow).await.status, 200);
        policy::set(&admin, &rules()).await.expect::<Value>(200);
        let mut again = Visitor::in_browser(app.address(), ada.device.clone());
        again.sign_in(&link(app, "acme", "Ada").await).await;
        assert_eq!(again.get(LIST).await.status, 200, "who signs in anew");
        drop(other);
    })
    .await;
}
