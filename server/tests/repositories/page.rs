//! A link on a repository's page leads to the form, and the form says what is in the repository.

use super::DEVFILE;
use crate::pages::{acme, key_of};
use crate::support::App;
use crate::support::git_host::GitHost;

#[tokio::test]
async fn a_link_looks_into_nothing_and_a_button_shows_what_would_be_made() {
    let host = GitHost::start().await;
    let commit = host.repository("shop.git", &[("apps/shop/devfile.yaml", DEVFILE)]).await;
    App::run_looking(host.rules(), async |app| {
        let (_, mut ada) = acme(app).await;
        let url = host.url("shop.git");
        let link = format!("/organizations/acme/new?repo={url}&ref=main&path=apps/shop/devfile.yaml");
        let page = ada.get(&link).await;
        assert!(
            page.text.contains("no repository is looked into") && host.set().asked.is_empty(),
            "{}",
            page.text
        );
        let key = key_of(&page.text);
        let form = |path, intent| {
            [
                ("key", key.as_str()),
                ("repo", url.as_str()),
                ("ref", "main"),
                ("path", path),
                ("intent", intent),
            ]
        };
        let looked =
            ada.submit("/organizations/acme/workspaces", &form("apps/shop/devfile.yaml", "check")).await;
        assert_eq!(looked.status, 200, "{}", looked.text);
        for part in ["apps/shop/devfile.yaml", &commit[..12], "registry.example/shop:1", "web 3000", "npm ci"]
        {
            assert!(looked.text.contains(part), "{part}: {}", looked.text);
        }
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
        let wrong = ada.submit("/organizations/acme/workspaces", &form("devfile.yaml", "create")).await;
        assert_eq!(wrong.status, 422);
        assert!(
            wrong.text.contains("href=\"#path\"") && wrong.text.contains("is not in the repository"),
            "{}",
            wrong.text
        );
        let made =
            ada.submit("/organizations/acme/workspaces", &form("apps/shop/devfile.yaml", "create")).await;
        assert_eq!(made.status, 303, "{}", made.text);
        let page = ada.get(made.header("location")).await;
        let told = format!("apps/shop/devfile.yaml of commit {}", &commit[..12]);
        assert!(page.text.contains(&told), "{}", page.text);
    })
    .await;
}
