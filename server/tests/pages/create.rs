//! The form that makes workspaces.

use serde_json::{Value, json};

use super::{acme, key_of, make};
use crate::support::{App, Requests as _};

const NEW: &str = "/organizations/acme/new";
const WORKSPACES: &str = "/organizations/acme/workspaces";

#[tokio::test]
async fn a_link_fills_the_form_in_and_makes_nothing() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let page = ada.get(&format!("{NEW}?repo=https://git.example/team/a.git&ref=main")).await;
        assert_eq!(page.status, 200);
        for part in [
            "value=\"https://git.example/team/a.git\"",
            "value=\"main\"",
            "A link has filled this in",
            "cluster",
        ] {
            assert!(page.text.contains(part), "{part}: {}", page.text);
        }
        assert!(!ada.get(NEW).await.text.contains("A link has filled"));
        // It stays said, whatever is pressed before something is made.
        for (suggested, name, status) in [("link", "", 200), ("link", "No Name", 422), ("", "", 200)] {
            let form = [
                ("repo", "ssh://git@git.example/team/a.git"),
                ("name", name),
                ("suggested", suggested),
                ("intent", "check"),
            ];
            let again = ada.submit(WORKSPACES, &form).await;
            assert_eq!(again.status, status, "{}", again.text);
            let field = "name=\"suggested\" value=\"link\"";
            for part in ["A link has filled this in", field] {
                assert_eq!(again.text.contains(part), suggested == "link", "{part}: {}", again.text);
            }
        }
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
        assert_eq!(ada.get(&format!("{NEW}?devfile=x")).await.status, 422, "no link brings a devfile");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_seen_is_told_at_its_field_and_nothing_that_was_typed_is_lost() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let key = key_of(&ada.get(NEW).await.text);
        let devfile = "schemaVersion: 2.2.0\r\nmetadata: {name: typed-for-an-hour}";
        let form = [
            ("key", key.as_str()),
            ("repo", "https://git.example/\u{202e}a.git"),
            ("name", "a\u{0}b"),
            ("devfile", devfile),
            ("intent", "create"),
        ];
        let page = ada.submit(WORKSPACES, &form).await;
        assert_eq!(page.status, 422);
        for part in ["typed-for-an-hour", "Repository: must not", "Name: must not", "https://git.example/"] {
            assert!(page.text.contains(part), "{part}: {}", page.text);
        }
        assert!(!page.text.contains('\u{202e}') && !page.text.contains('\u{0}'));
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_workspace() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let key = key_of(&ada.get(NEW).await.text);
        let form = [
            ("key", key.as_str()),
            ("repo", "https://git.example/a.git"),
            ("name", ""),
            ("intent", "create"),
        ];
        let first = ada.submit(WORKSPACES, &form).await;
        let second = ada.submit(WORKSPACES, &form).await;
        assert_eq!((first.status, second.status), (303, 303), "{} {}", first.text, second.text);
        assert_eq!(first.header("location"), second.header("location"));
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 1);
        // Changed since: it is not clear what is meant, and the form that comes back makes another one.
        let changed = [("key", key.as_str()), ("name", "other"), ("intent", "create")];
        let asked = ada.submit(WORKSPACES, &changed).await;
        assert_eq!(asked.status, 422);
        assert!(asked.text.contains("has made a workspace already"), "{}", asked.text);
        let fresh = key_of(&asked.text);
        assert_ne!(fresh, key);
        let form = [("key", fresh.as_str()), ("name", "other"), ("intent", "create")];
        assert_eq!(ada.submit(WORKSPACES, &form).await.status, 303);
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_told_at_its_field_and_what_was_written_stays() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let devfile = "schemaVersion: 2.2.2\r\ncomponents:\r\n  - name: A B\r\n    container: {image: a}\r\n";
        let form = [("name", "No Name"), ("repo", "ftp://a"), ("devfile", devfile), ("intent", "create")];
        let reply = ada.submit(WORKSPACES, &form).await;
        assert_eq!(reply.status, 422, "{}", reply.text);
        assert!(reply.text.contains("line 3, column 11"), "{}", reply.text);
        assert_eq!(reply.text.matches("aria-invalid=\"true\"").count(), 3, "{}", reply.text);
        for kept in
            ["value=\"No Name\"", "value=\"ftp://a\"", "- name: A B", "href=\"#devfile\"", "role=\"alert\""]
        {
            assert!(reply.text.contains(kept), "{kept}: {}", reply.text);
        }
        make(&mut ada, "reef").await;
        let taken = ada.submit(WORKSPACES, &[("name", "reef"), ("intent", "create")]).await;
        assert_eq!(taken.status, 409);
        assert!(
            taken.text.contains("href=\"#name\"") && taken.text.contains("Nothing was made"),
            "{}",
            taken.text
        );
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_file_can_be_checked_without_making_anything() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let right = "{\"image\": \"node:22\"}";
        let good = ada.submit(WORKSPACES, &[("devcontainer", right), ("intent", "check")]).await;
        assert_eq!(good.status, 200, "{}", good.text);
        assert!(good.text.contains("What is given here can be read"), "{}", good.text);
        // What nobody has looked at is not said to be right.
        let ssh = "ssh://git@git.example/team/a.git";
        for (form, words) in [
            ([("repo", ssh), ("image", "")], "team/a.git was not looked into: this server does not read it"),
            ([("repo", ssh), ("image", "debian:13")], "was not looked into, because the form says"),
            ([("repo", ""), ("image", "debian:13")], "Whether there is such an image was not looked up."),
            ([("repo", ""), ("image", "")], "No repository is named, and none was looked into."),
        ] {
            let fields = [form[0], form[1], ("intent", "check")];
            let looked = ada.submit(WORKSPACES, &fields).await;
            assert!(looked.status == 200 && looked.text.contains(words), "{form:?}: {}", looked.text);
            assert!(!looked.text.contains("can be read"), "{form:?}: {}", looked.text);
        }
        let wrong = ada
            .submit(WORKSPACES, &[("devcontainer", "{\n  \"privileged\": true\n}"), ("intent", "check")])
            .await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.text.contains("line 2"), "{}", wrong.text);
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_quota_is_told_on_the_form_and_the_denial_is_on_record() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let quota = json!({"quotas": {"agent": {"workspaces": 1}}});
        admin.put(&admin.path("/agents/cluster/configuration"), &quota).await.expect::<Value>(200);
        make(&mut ada, "one").await;
        let full = ada.submit(WORKSPACES, &[("name", "two"), ("image", "a"), ("intent", "create")]).await;
        assert_eq!(full.status, 403);
        assert!(
            full.text.contains("A quota has no room") && full.text.contains("value=\"two\""),
            "{}",
            full.text
        );
        assert!(full.header("content-type").starts_with("text/html"));
        let record = admin.get(&admin.path("/audit?limit=5")).await.text;
        assert!(record.contains("workspace.create") && record.contains("denied"), "{record}");
    })
    .await;
}

#[tokio::test]
async fn a_form_that_says_nothing_makes_nothing() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        for form in [&[][..], &[("name", "reef")], &[("name", "reef"), ("intent", "destroy")]] {
            let reply = ada.submit(WORKSPACES, form).await;
            assert_eq!(reply.status, 422, "{form:?}: {}", reply.text);
            assert!(reply.text.contains("intent: must be"), "{}", reply.text);
        }
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
    })
    .await;
}
