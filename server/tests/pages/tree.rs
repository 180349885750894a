//! Groups and projects: made, looked at, roles given, and workspaces made for a project.

use serde_json::{Value, json};

use super::{acme, colleague, key_of};
use crate::support::{App, Requests as _};

const GROUPS: &str = "/organizations/acme/groups";
const PROJECTS: &str = "/organizations/acme/projects";

#[tokio::test]
async fn groups_and_projects_are_made_and_deleted_by_forms() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        assert!(ada.get(GROUPS).await.text.contains("There is no group that you may see"));
        let made = ada.submit(GROUPS, &[("name", "platform")]).await;
        assert_eq!(made.status, 303, "{}", made.text);
        let group = made.header("location").to_owned();
        let inner = ada.submit(&format!("{group}/groups"), &[("name", "payments")]).await;
        let inner = inner.header("location").to_owned();
        let wrong = [("name", "api"), ("repository", ""), ("ref", "main"), ("agent", "")];
        let refused = ada.submit(&format!("{inner}/projects"), &wrong).await;
        assert_eq!(refused.status, 422);
        for part in [
            "<h1>platform/payments</h1>",
            "repository: is needed",
            "name=\"name\" value=\"api\"",
            "value=\"main\"",
        ] {
            assert!(refused.text.contains(part), "{part}: {}", refused.text);
        }
        let api =
            [("name", "api"), ("repository", "https://git.a/api.git"), ("ref", "main"), ("agent", "cluster")];
        let project = ada.submit(&format!("{inner}/projects"), &api).await;
        assert_eq!(project.status, 303, "{}", project.text);
        let project = project.header("location").to_owned();
        let page = ada.get(&project).await.text;
        for part in
            ["<h1>platform/payments/api</h1>", "https://git.a/api.git", "<dd>main</dd>", "<dd>cluster</dd>"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        let list = ada.get(PROJECTS).await.text;
        assert!(list.contains("platform/payments/api") && list.contains("A new project"), "{list}");
        assert!(ada.get(GROUPS).await.text.contains("<strong>platform/payments</strong>"));
        assert_eq!(ada.submit(&format!("{inner}/delete"), &[]).await.status, 409, "something is in it");
        let deleted = ada.submit(&format!("{project}/delete"), &[]).await;
        assert_eq!((deleted.status, deleted.header("location")), (303, PROJECTS));
        assert_eq!(ada.submit(&format!("{inner}/delete"), &[]).await.status, 303);
        assert_eq!(ada.get(&inner).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_role_is_given_at_a_group_and_opens_what_is_in_it() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let mut zoe = colleague(app, "Zoe", "viewer").await;
        let made: Value = admin.post(&admin.path("/groups"), &json!({"name": "platform"})).await.expect(201);
        let group = format!("{GROUPS}/{}", made["id"].as_str().expect("an id"));
        let settings =
            json!({"repository": {"url": "https://git.a/api.git", "ref": "main"}, "agent": "cluster"});
        let api = json!({"name": "api", "settings": settings});
        let made: Value = admin.post(&admin.path("/groups/platform/projects"), &api).await.expect(201);
        let project = format!("{PROJECTS}/{}", made["id"].as_str().expect("an id"));
        let workspaces = format!("{project}/workspaces");

        let page = zoe.get(&project).await.text;
        assert!(!page.contains("New workspace") && !page.contains("Give the role"), "{page}");
        assert_eq!(zoe.submit(&workspaces, &[("intent", "create")]).await.status, 403);
        let given =
            ada.submit(&format!("{group}/members"), &[("member", "Zoe"), ("role", "developer")]).await;
        assert_eq!((given.status, given.header("location")), (303, group.as_str()), "{}", given.text);
        let page = ada.get(&group).await.text;
        assert!(page.contains("<strong>Zoe</strong>") && page.contains(">developer<"), "{page}");

        assert!(zoe.get(&project).await.text.contains("New workspace"));
        let form = zoe.get(&format!("{project}/new")).await.text;
        for part in
            ["New workspace for platform/api", "https://git.a/api.git, as the project says", &workspaces]
        {
            assert!(form.contains(part), "{part}: {form}");
        }
        let key = key_of(&form);
        let checked = [("key", key.as_str()), ("ref", "next"), ("intent", "check")];
        assert!(
            zoe.submit(&workspaces, &checked).await.text.contains("It is made of the default environment")
        );
        let fields = [("key", key.as_str()), ("name", "reef"), ("ref", "next"), ("intent", "create")];
        let made = zoe.submit(&workspaces, &fields).await;
        assert_eq!(made.status, 303, "{}", made.text);
        let page = zoe.get(made.header("location")).await.text;
        for part in [">platform/api</a>", "https://git.a/api.git at <code>next</code>"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let member = ada.get(&group).await.text;
        let id = member.split("name=\"member\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let taken = ada.submit(&format!("{group}/members/remove"), &[("member", id.expect("an id"))]).await;
        assert_eq!(taken.status, 303, "{}", taken.text);
        assert_eq!(zoe.submit(&workspaces, &[("intent", "create")]).await.status, 403);
    })
    .await;
}

#[tokio::test]
async fn what_workspaces_are_given_is_shown_by_its_names_to_whom_may_see_it() {
    App::run(async |app| {
        let (admin, ada) = acme(app).await;
        let made: Value = admin.post(&admin.path("/groups"), &json!({"name": "platform"})).await.expect(201);
        let group = format!("{GROUPS}/{}", made["id"].as_str().expect("an id"));
        assert_eq!(ada.get(&group).await.text.matches("<p class=\"note\">None.</p>").count(), 2);
        for at in ["/groups/platform", "/me"] {
            let variable = json!({"name": "REGISTRY", "value": "recognisable", "final": true});
            admin.put(&admin.path(&format!("{at}/variables")), &variable).await.expect::<Value>(200);
            let host = json!({"host": "git.example.com", "username": "oauth2", "token": "recognisable"});
            admin.put(&admin.path(&format!("{at}/git-credentials")), &host).await.expect::<Value>(200);
        }
        let page = ada.get(&group).await.text;
        for part in [
            "<code>REGISTRY</code>",
            "environment, final",
            "<code>git.example.com</code>",
            "oauth2, by a stored",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("recognisable"));
        // The token's own are not hers.
        let mine = ada.get("/organizations/acme/me").await;
        assert!(mine.status == 200 && !mine.text.contains("REGISTRY"), "{}", mine.text);
        let rule =
            "@id(\"not-those\") forbid (principal, action == Action::\"group.list-variables\", resource);";
        let rules = json!({"rules": format!("{}\n{rule}", berth_policy::BUILT_IN)});
        admin.put(&admin.path("/policy"), &rules).await.expect::<Value>(200);
        let page = ada.get(&group).await.text;
        assert!(!page.contains("REGISTRY") && page.contains("git.example.com"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn a_rule_of_idleness_is_set_by_a_form_and_told_to_whoever_may_not_set_it() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let mut zoe = colleague(app, "Zoe", "viewer").await;
        admin.put(&admin.path("/idle"), &json!({"max_minutes": 600})).await.expect::<Value>(200);
        let made: Value = admin.post(&admin.path("/projects"), &json!({"name": "api"})).await.expect(201);
        let project = format!("{PROJECTS}/{}", made["id"].as_str().expect("an id"));
        let page = ada.get(&project).await.text;
        assert!(page.contains("stopped after: 600 minutes, by the organization."), "{page}");
        let there = format!("{project}/idle");
        let refused = ada.submit(&there, &[("minutes", "never"), ("max_minutes", "")]).await;
        assert_eq!(refused.status, 422);
        for part in ["minutes: must be at most 600 minutes", "name=\"minutes\" value=\"never\""] {
            assert!(refused.text.contains(part), "{part}: {}", refused.text);
        }
        for wrong in ["soon", "-1", "1.5", "99999999999"] {
            assert_eq!(
                ada.submit(&there, &[("minutes", wrong), ("max_minutes", "")]).await.status,
                422,
                "{wrong}"
            );
        }
        let set = ada.submit(&there, &[("minutes", "45"), ("max_minutes", "90")]).await;
        assert_eq!((set.status, set.header("location")), (303, project.as_str()), "{}", set.text);
        let page = zoe.get(&project).await.text;
        assert!(page.contains("45 minutes, by project &#39;api&#39;"), "{page}");
        assert!(!page.contains("Set the rule"), "{page}");
        assert_eq!(zoe.submit(&there, &[("minutes", ""), ("max_minutes", "")]).await.status, 403);
        assert_eq!(ada.submit(&there, &[("minutes", ""), ("max_minutes", "")]).await.status, 303);
        assert!(ada.get(&project).await.text.contains("600 minutes, by the organization"));
    })
    .await;
}
