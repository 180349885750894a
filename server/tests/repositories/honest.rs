//! Hosts that mean well, whatever they can do.

use berth_schema::GitReference;
use berth_schema::api::Workspace;
use berth_schema::git::GitCredential;
use berth_schema::projects::Project;
use reqwest::Method;
use serde_json::json;

use super::{DEVFILE, acme, found, of, wrong};
use crate::support::git_host::{Filters, GitHost};
use crate::support::{App, Requests as _, send};

#[tokio::test]
async fn a_link_is_enough_and_it_is_told_which_file_of_which_commit_a_workspace_is_made_of() {
    let host = GitHost::start().await;
    let commit =
        host.repository("shop.git", &[("devfile.yaml", DEVFILE), ("src/main.rs", b"fn main() {}")]).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        for reference in [None, Some("main"), Some("v1"), Some(commit.as_str())] {
            let made: Workspace =
                of(&admin, json!({"url": host.url("shop.git"), "ref": reference})).await.expect(201);
            assert_eq!(found(&made), (Some("devfile.yaml"), commit.as_str()), "{reference:?}");
            assert_eq!(made.image, "registry.example/shop:1");
            let cloned = made.project.as_ref().expect("it is cloned");
            assert_eq!(cloned.url.to_string(), host.url("shop.git"));
            assert_eq!(cloned.reference.as_ref().map(GitReference::as_str), reference);
            let again = admin.workspace(made.name.as_str()).await;
            assert_eq!(found(&again), found(&made), "it is kept with the workspace");
        }
        let nowhere = of(&admin, json!({"url": host.url("shop.git"), "ref": "nowhere"})).await;
        assert!(wrong(&nowhere, "project.ref").contains("no such branch, tag or commit"));
        let unknown = of(&admin, json!({"url": host.url("shop.git"), "ref": "0123456789".repeat(4)})).await;
        wrong(&unknown, "project.ref");
        let given = json!({"image": "debian:13", "project": {"url": host.url("nothing.git")}});
        let given: Workspace = admin.create(&given).await.expect(201);
        assert!(given.found.is_none(), "who gives an image has nothing looked for");
    })
    .await;
}

#[tokio::test]
async fn a_repository_without_a_devfile_is_of_the_default_one_and_that_is_told() {
    let host = GitHost::start().await;
    let commit = host.repository("bare.git", &[("README", b"x")]).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        let made: Workspace = of(&admin, json!({"url": host.url("bare.git")})).await.expect(201);
        assert_eq!(found(&made), (None, commit.as_str()));
        let default: Workspace = admin.create(&json!({"name": "default-one"})).await.expect(201);
        assert_eq!((made.image, default.found), (default.image, None));
        let asked =
            of(&admin, json!({"url": host.url("bare.git"), "devfile_path": "apps/devfile.yaml"})).await;
        assert!(
            wrong(&asked, "project.devfile_path").contains("'apps/devfile.yaml' is not in the repository")
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_in_a_file_and_what_is_passed_over_is_told_with_its_file_line_and_column() {
    let host = GitHost::start().await;
    let broken = b"schemaVersion: 2.2.2\ncomponents:\n  - name: A B\n    container: {image: a}\n";
    host.repository("broken.git", &[(".devfile.yaml", broken)]).await;
    let devcontainer =
        b"{\"image\": \"debian:13\", \"customizations\": {\"other\": {}}, \"remoteUser\": \"vscode\"}";
    host.repository("box.git", &[(".devcontainer/devcontainer.json", devcontainer)]).await;
    host.repository("bytes.git", &[("devfile.yaml", b"\xff\xfe")]).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        let reply = of(&admin, json!({"url": host.url("broken.git")})).await;
        let told = wrong(&reply, "devfile.components[0].name");
        assert!(told.contains("line 3, column 11") && told.contains(".devfile.yaml of commit"), "{told}");
        let made: Workspace = of(&admin, json!({"url": host.url("box.git")})).await.expect(201);
        assert_eq!(found(&made).0, Some(".devcontainer/devcontainer.json"));
        assert!(made.image == "debian:13" && !made.warnings.is_empty(), "{made:?}");
        let bytes = of(&admin, json!({"url": host.url("bytes.git")})).await;
        assert!(wrong(&bytes, "project.devfile_path").contains("not UTF-8"));
    })
    .await;
}

#[tokio::test]
async fn a_project_says_which_file_it_is_and_a_request_says_otherwise() {
    let host = GitHost::start().await;
    let other = String::from_utf8_lossy(DEVFILE).replace("shop:1", "blog:1");
    let files = [("devfile.yaml", DEVFILE), ("apps/blog/devfile.yaml", other.as_bytes())];
    host.repository("mono.git", &files).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        let settings =
            json!({"repository": {"url": host.url("mono.git")}, "devfile_path": "apps/blog/devfile.yaml"});
        let created =
            admin.post(&admin.path("/projects"), &json!({"name": "blog", "settings": settings})).await;
        let project: Project = created.expect(201);
        let made_for = async |body| {
            admin.post(&admin.path(&format!("/projects/{}/workspaces", project.id)), &body).await
        };
        let made: Workspace = made_for(json!({})).await.expect(201);
        assert_eq!(
            (found(&made).0, made.image.as_str()),
            (Some("apps/blog/devfile.yaml"), "registry.example/blog:1")
        );
        assert_eq!(made.belongs_to.as_ref().map(|project| project.path.as_str()), Some("blog"));
        let made: Workspace =
            made_for(json!({"project": {"devfile_path": "devfile.yaml"}})).await.expect(201);
        assert_eq!(made.image, "registry.example/shop:1");
        // Of another repository the project's path says nothing.
        host.repository("other.git", &[("devfile.yaml", DEVFILE)]).await;
        let made: Workspace = made_for(json!({"project": {"url": host.url("other.git")}})).await.expect(201);
        assert_eq!(found(&made).0, Some("devfile.yaml"));
        for (settings, field) in [
            (json!({"devfile_path": "devfile.yaml"}), "settings.devfile_path"),
            (
                json!({"repository": {"url": host.url("mono.git")}, "devfile_path": "../x.yaml"}),
                "settings.devfile_path",
            ),
        ] {
            let path = admin.path(&format!("/projects/{}", project.id));
            let change = send(admin.request(Method::PATCH, &path).json(&json!({"settings": settings}))).await;
            assert_eq!(change.wrong_fields(), [field], "{}", change.text);
        }
    })
    .await;
}

#[tokio::test]
async fn a_private_repository_is_read_with_the_nearest_credential_and_nobody_reads_what_another_one_found() {
    let host = GitHost::start().await;
    let commit = host.repository("private.git", &[("devfile.yaml", DEVFILE)]).await;
    host.set().password = Some("of-the-project".to_owned());
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        let set = async |place: &str, form| {
            let form = send(
                admin.request(Method::PUT, &admin.path(&format!("{place}/git-credentials"))).json(&form),
            )
            .await;
            form.expect::<GitCredential>(200)
        };
        let url = json!({"url": host.url("private.git"), "ref": commit});
        assert!(wrong(&of(&admin, url.clone()).await, "project.url").contains("berth git-credentials set"));
        let (name, organization) = (host.name(), admin.path(&format!("/git-credentials/{}", host.name())));
        let form = json!({"token": "of-everybody"});
        send(admin.request(Method::PUT, &organization).json(&form)).await.expect::<GitCredential>(200);
        let refused = of(&admin, url.clone()).await;
        assert!(!wrong(&refused, "project.url").contains("of-everybody"));

        let settings = json!({"repository": {"url": host.url("private.git")}});
        let project =
            admin.post(&admin.path("/projects"), &json!({"name": "shop", "settings": settings})).await;
        let project: Project = project.expect(201);
        let place = format!("/projects/{}", project.id);
        set(&place, json!({"host": name, "token": "of-the-project"})).await;
        let made_for = async || admin.post(&admin.path(&format!("{place}/workspaces")), &json!({})).await;
        let made: Workspace = made_for().await.expect(201);
        assert_eq!(found(&made), (Some("devfile.yaml"), commit.as_str()));
        // It is known by now, and not told to who may not read it.
        wrong(&of(&admin, url.clone()).await, "project.url");
        let stranger = app.organization("elsewhere").await;
        stranger.create_agent("cluster").await;
        wrong(&of(&stranger, url.clone()).await, "project.url");

        // A member's own stands before the project's.
        set("/me", json!({"host": name, "token": "of-ada"})).await;
        wrong(&made_for().await, "project.url");
        assert_eq!(host.set().logins.last().map(|login| login.1.clone()).as_deref(), Some("of-ada"));
        set("/me", json!({"host": name, "audience": "https://git.example"})).await;
        wrong(&made_for().await, "project.url");
        let token = host.set().logins.last().expect("a login").1.clone();
        assert_eq!(token.split('.').count(), 3, "a signed token: {token}");
    })
    .await;
}

#[tokio::test]
async fn the_same_request_asks_nobody_again_and_a_known_commit_is_not_fetched_again() {
    let host = GitHost::start().await;
    host.repository("shop.git", &[("devfile.yaml", DEVFILE)]).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        let body = json!({"project": {"url": host.url("shop.git")}});
        let keyed = async || {
            let request = admin.request(Method::POST, &admin.path("/workspaces"));
            send(request.header("idempotency-key", "k").json(&body)).await
        };
        let first: Workspace = keyed().await.expect(201);
        let asked = std::mem::take(&mut host.set().asked).len();
        assert!(asked > 4, "references, a commit, a tree and a file: {asked}");
        let second: Workspace = keyed().await.expect(200);
        assert_eq!((second.id, host.set().asked.len()), (first.id, 0));
        let other: Workspace = admin.create(&body).await.expect(201);
        assert_eq!(found(&other), found(&first));
        let asked = host.set().asked.clone();
        assert_eq!(asked.len(), 2, "what the reference is, and nothing else: {asked:?}");
    })
    .await;
}

#[tokio::test]
async fn it_is_found_at_hosts_that_leave_everything_out_or_files_or_nothing() {
    let host = GitHost::start().await;
    let big = vec![7; 100_000];
    let files =
        [(".devcontainer/ruby/devcontainer.json", &b"{\"image\": \"ruby:3\"}"[..]), ("big/file", &big)];
    for (index, filters) in [Filters::All, Filters::FilesAlone, Filters::None].into_iter().enumerate() {
        let name = format!("box-{index}.git");
        host.repository(&name, &files).await;
        host.filters(&name, filters).await;
        App::run_looking(host.rules(), async |app| {
            let admin = acme(app).await;
            let made: Workspace = of(&admin, json!({"url": host.url(&name)})).await.expect(201);
            assert_eq!(found(&made).0, Some(".devcontainer/ruby/devcontainer.json"), "{filters:?}");
            assert_eq!(made.image, "ruby:3");
        })
        .await;
    }
}

#[tokio::test]
async fn plain_http_is_spoken_where_the_server_allows_it_and_a_credential_for_tls_is_not_sent_by_it() {
    let host = GitHost::without_tls().await;
    host.repository("shop.git", &[("devfile.yaml", DEVFILE)]).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        let path = admin.path(&format!("/git-credentials/{}", host.name()));
        send(admin.request(Method::PUT, &path).json(&json!({"token": "t"})))
            .await
            .expect::<GitCredential>(200);
        let made: Workspace = of(&admin, json!({"url": host.url("shop.git")})).await.expect(201);
        assert_eq!(found(&made).0, Some("devfile.yaml"));
        assert!(host.set().logins.is_empty());
    })
    .await;
}
