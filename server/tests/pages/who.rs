//! A page says no where the API does, and shows nobody's workspaces to who may not see them.

use berth_schema::Action;
use berth_schema::access::Role;
use berth_server::routes::{self, Audience, Renderer};

use super::{acme, colleague, make};
use crate::authorisation::{PASSES, Whose, expected_of};
use crate::support::App;

#[tokio::test]
async fn a_developer_sees_their_own_and_the_others_look_like_none() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        make(&mut ada, "adas").await;
        let mut dev = colleague(app, "Dev", "developer").await;
        make(&mut dev, "devs").await;
        let list = dev.get("/organizations/acme/workspaces").await.text;
        assert!(list.contains("workspaces/devs\"") && !list.contains("adas"), "{list}");
        assert!(!list.contains("Everybody&#39;s") && !list.contains("name=\"owner\""), "{list}");
        let without = |text: &str| text.split("Request ").next().expect("a part").replace("adas", "none");
        for below in ["", "/delete", "/variables"] {
            let hidden = dev.get(&format!("/organizations/acme/workspaces/adas{below}")).await;
            let missing = dev.get(&format!("/organizations/acme/workspaces/none{below}")).await;
            assert_eq!((hidden.status, missing.status), (404, 404), "{below}");
            assert_eq!(without(&hidden.text), without(&missing.text));
        }
        for wish in ["start", "stop", "restart", "delete"] {
            let path = format!("/organizations/acme/workspaces/adas/{wish}");
            assert_eq!(dev.submit(&path, &[]).await.status, 404, "{wish}");
        }
        let theirs = ada.get("/organizations/acme/workspaces").await.text;
        assert!(theirs.contains("adas") && theirs.contains("devs"), "an owner sees both");
    })
    .await;
}

#[tokio::test]
async fn who_only_looks_is_offered_no_button_and_is_refused_where_they_press_one_all_the_same() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let page = make(&mut ada, "reef").await;
        let mut viewer = colleague(app, "Vera", "viewer").await;
        for path in [page.as_str(), "/organizations/acme/workspaces", "/organizations/acme/new"] {
            let text = viewer.get(path).await.text;
            assert!(!text.contains("method=\"post\" action=\"/organizations"), "{path}: {text}");
            assert!(
                !text.contains("/reef/delete") && !text.contains("href=\"/organizations/acme/new\""),
                "{path}"
            );
        }
        assert!(viewer.get("/organizations/acme/new").await.text.contains("makes no workspaces"));
        for wish in ["start", "stop", "restart", "delete"] {
            assert_eq!(viewer.submit(&format!("{page}/{wish}"), &[]).await.status, 403, "{wish}");
        }
        let made =
            viewer.submit("/organizations/acme/workspaces", &[("name", "b"), ("intent", "create")]).await;
        assert_eq!(made.status, 403);
        assert_eq!(app.count("SELECT count(*) FROM workspaces WHERE desired_state = 'Running'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn every_page_and_every_button_is_open_to_whom_its_action_is() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        make(&mut ada, "reef").await;
        for kind in ["groups", "projects"] {
            let made = ada.submit(&format!("/organizations/acme/{kind}"), &[("name", "site")]).await;
            assert_eq!(made.status, 303, "{}", made.text);
        }
        let mut asked = 0;
        for role in [Role::Owner, Role::Maintainer, Role::Developer, Role::Viewer, Role::Auditor] {
            let mut visitor = colleague(app, &format!("a {role}"), role.as_str()).await;
            let pages = routes::all().filter(|route| route.renderer == Renderer::Page);
            for page in pages.filter(|page| page.audience() == Audience::Member) {
                let action = page.action().expect("an action");
                // What is deleted is not there for the next, and a role for a time asks for more than a role.
                if matches!(
                    action,
                    Action::DeleteGroup
                        | Action::DeleteProject
                        | Action::RequestElevation
                        | Action::RequestElevationInGroup
                        | Action::RequestElevationInProject
                ) {
                    continue;
                }
                let path = page.path.replace("{organization}", "acme").replace("{agent}", "cluster");
                let path = path.replace("{workspace}", "reef");
                let path = path.replace("{group}", "site").replace("{project}", "site");
                // Nothing of another kind is here to be pressed on.
                if path.contains('{') {
                    continue;
                }
                let status = match page.method {
                    "GET" => visitor.get(&path).await.status,
                    _ => visitor.submit(&path, &[]).await.status,
                };
                let expected = expected_of(role, action, Whose::Anothers);
                let passed = !matches!(status, 401 | 403 | 404 | 500..);
                let right = if expected == PASSES { passed } else { status == expected };
                assert!(right, "{} {path} for {role}: {status}, not {expected}", page.method);
                asked += 1;
            }
        }
        assert!(asked >= 50, "{asked}");
    })
    .await;
}
