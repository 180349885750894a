//! The page of a workspace's ports.

use serde_json::json;

use super::World;
use crate::support::App;

const HERE: &str = "/organizations/acme/workspaces/hers/ports";

#[tokio::test]
async fn ports_are_shared_and_taken_back_by_forms_which_say_what_is_wrong() {
    App::run(async |app| {
        let mut world = World::new(app).await;
        let bob = world.bob.id.to_string();
        let of_workspace = world.ada.browser.get("/organizations/acme/workspaces/hers").await.text;
        assert!(of_workspace.contains(HERE), "{of_workspace}");
        let empty = world.ada.browser.get(HERE).await.text;
        assert!(empty.contains("Shared with nobody") && empty.contains("port 9000"), "{empty}");
        assert!(!empty.contains("Make it public"), "the rules permit it nobody");
        let share = format!("{HERE}/share");
        let form = |whom: &str, hours: &str| {
            [("port", "8080"), ("kind", "user"), ("whom", whom), ("hours", hours)]
                .map(|(name, value)| (name, value.to_owned()))
        };
        let mut submit = async |path: &str, fields: &[(&str, String)]| {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            world.ada.browser.submit(path, &fields).await
        };
        for (whom, hours, words) in [
            ("Bob", "8", "must be an id"),
            (bob.as_str(), "0", "hours: must be a number from 1 to 720"),
            ("<script>", "721", "hours: must be a number"),
        ] {
            let again = submit(&share, &form(whom, hours)).await;
            assert_eq!(again.status, 422, "{}", again.text);
            assert!(again.text.contains(words), "{words}: {}", again.text);
            assert!(!again.text.contains("<script>"), "{}", again.text);
        }
        let done = submit(&share, &form(&bob, "8")).await;
        assert_eq!((done.status, done.header("location")), (303, HERE));
        assert_eq!(world.opens(app, &world.bob).await["decision"], "allowed");
        let shown = world.ada.browser.get(HERE).await.text;
        assert!(shown.contains("<strong>Bob</strong>") && shown.contains("Take it back"), "{shown}");
        let unshare = [("port", "8080"), ("kind", "user"), ("whom", bob.as_str())];
        let done = world.ada.browser.submit(&format!("{HERE}/unshare"), &unshare).await;
        assert_eq!((done.status, done.header("location")), (303, HERE));
        assert_eq!(world.opens(app, &world.bob).await, super::no("workspace"));
        assert_eq!(world.bob.browser.get(HERE).await.status, 404);

        world.lets_publish().await;
        assert!(world.ada.browser.get(HERE).await.text.contains("Make it public"));
        let publish = [("port", "8080"), ("hours", "1")];
        assert_eq!(world.ada.browser.submit(&format!("{HERE}/publish"), &publish).await.status, 303);
        assert!(world.ada.browser.get(HERE).await.text.contains("Whoever has its address"));
        let until = world.decides(app, None, 8080).await["until"].clone();
        assert_ne!(until, json!(null));
    })
    .await;
}

#[tokio::test]
async fn a_port_is_opened_and_closed_by_forms_while_the_workspace_runs() {
    App::run(async |app| {
        let mut world = World::new(app).await;
        let open = format!("{HERE}/open");
        let form = |port: &'static str, name: &'static str, hours: &'static str| {
            [("port", port), ("name", name), ("hours", hours)]
        };
        assert!(world.ada.browser.get(HERE).await.text.contains("Open a port"));
        for (fields, words) in [
            (form("x", "", "8"), "port: must be a number"),
            (form("60001", "", "8"), "port: is the editor"),
            (form("3000", "<script>", "8"), "name: must be lower-case"),
            (form("3000", "", "0"), "hours: must be a number from 1 to 720"),
        ] {
            let again = world.ada.browser.submit(&open, &fields).await;
            assert_eq!(again.status, 422, "{}", again.text);
            assert!(
                again.text.contains(words) && !again.text.contains("<script>"),
                "{words}: {}",
                again.text
            );
        }
        let done = world.ada.browser.submit(&open, &form("3000", "preview", "8")).await;
        assert_eq!((done.status, done.header("location")), (303, HERE));
        let shown = world.ada.browser.get(HERE).await.text;
        assert!(shown.contains("preview") && shown.contains("Opened until"), "{shown}");
        assert!(shown.contains("<option value=\"3000\">3000 (preview)"), "it can be shared: {shown}");
        let closed = world.ada.browser.submit(&format!("{HERE}/close"), &[("port", "3000")]).await;
        assert_eq!((closed.status, closed.header("location")), (303, HERE));
        assert!(!world.ada.browser.get(HERE).await.text.contains("preview"));
        assert_eq!(world.bob.browser.submit(&open, &form("3000", "", "8")).await.status, 404);
        let stopped = world.ada.post(app, "/workspaces/hers/stop", json!({})).await;
        assert_eq!(stopped.status, 200, "{}", stopped.text);
        assert!(!world.ada.browser.get(HERE).await.text.contains("Open a port"), "it does not run");
    })
    .await;
}
