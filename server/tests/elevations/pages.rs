//! The same by pages.

use berth_schema::access::Role;
use reqwest::Method;

use super::Person;
use crate::support::App;

const HERE: &str = "/organizations/acme/elevations";

#[tokio::test]
async fn a_role_is_asked_for_given_seen_and_ended_by_pages_alone() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let mut boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let mut ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let form = [("role", "maintainer"), ("reason", "a <deploy>"), ("minutes", "30")];
        let wrong = [("role", "maintainer"), ("reason", ""), ("minutes", "481")];
        let page = ada.browser.submit(HERE, &wrong).await;
        assert_eq!(page.status, 422);
        assert!(
            page.text.contains("Nothing was changed") && page.text.contains("minutes: must be a number"),
            "{}",
            page.text
        );
        assert_eq!(ada.browser.submit(HERE, &form).await.status, 303);
        let hers = ada.browser.get(HERE).await.text;
        assert!(hers.contains("Yours") && hers.contains("pending") && !hers.contains("Approve"), "{hers}");
        assert!(hers.contains("a &#60;deploy&#62;") || hers.contains("a &lt;deploy&gt;"), "{hers}");

        let page = boss.browser.get(HERE).await.text;
        let (_, rest) = page.split_once("elevations/").expect("a form");
        let (_, rest) = rest.split_once("action=\"/organizations/acme/elevations/").expect("a form");
        let id = rest.split('/').next().expect("an id").to_owned();
        assert!(page.contains("For you to decide"), "{page}");
        // A session that is older is led to where it is confirmed, and back to the page with the button.
        app.execute("UPDATE sessions SET authenticated_at = now() - interval '1 hour'").await;
        let approve = format!("{HERE}/{id}/approve");
        let pressed = boss
            .browser
            .request(Method::POST, &approve)
            .header("origin", boss.browser.origin())
            .header("referer", format!("{}{HERE}", boss.browser.origin()))
            .send()
            .await
            .expect("an answer");
        assert_eq!(pressed.status(), 303);
        assert_eq!(pressed.headers()["location"], "/confirm?to=%2Forganizations%2Facme%2Felevations");
        assert!(
            boss.browser.get(HERE).await.text.contains("For you to decide"),
            "it is offered all the same"
        );
        app.execute("UPDATE sessions SET verified_at = now()").await;
        assert_eq!(boss.browser.submit(&approve, &[]).await.status, 303);

        // In the head of each page, and where members are listed.
        for page in ["", "/workspaces", "/groups", "/elevations"] {
            let text = ada.browser.get(&format!("/organizations/acme{page}")).await.text;
            assert!(text.contains("<span class=\"state\">maintainer</span>"), "{page}: {text}");
            assert!(text.contains(&format!("elevations/{id}/end")), "{page}: {text}");
        }
        assert!(!boss.browser.get("/organizations/acme").await.text.contains("class=\"state\">maintainer"));
        let members = boss.browser.get("/organizations/acme/members").await.text;
        assert!(members.contains("and maintainer until"), "{members}");
        assert_eq!(ada.sets_variable(app).await, 200);
        assert_eq!(ada.browser.submit(&format!("{HERE}/{id}/end"), &[]).await.status, 303);
        assert_eq!(ada.sets_variable(app).await, 403);
        assert!(!ada.browser.get("/organizations/acme").await.text.contains("class=\"state\">maintainer"));
        assert!(ada.browser.get(HERE).await.text.contains("ended"));
    })
    .await;
}
