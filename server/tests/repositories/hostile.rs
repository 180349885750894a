//! Hosts, repositories and requests that mean no good.

use std::time::{Duration, Instant};

use berth_schema::api::Workspace;
use berth_schema::git::GitCredential;
use berth_server::repository::Rules;
use reqwest::Method;
use serde_json::json;

use super::{DEVFILE, acme, found, of, wrong};
use crate::support::git_host::{Behaviour, Filters, GitHost};
use crate::support::{App, Requests as _, send};

#[tokio::test]
async fn a_server_is_led_to_no_inner_address_by_name_or_number() {
    let host = GitHost::start().await;
    host.repository("shop.git", &[("devfile.yaml", DEVFILE)]).await;
    let rules = Rules { authorities: host.rules().authorities, ..Rules::default() };
    App::run_looking(rules, async |app| {
        let admin = acme(app).await;
        let port = host.port();
        for url in [
            host.url("shop.git"),
            format!("https://127.0.0.1:{port}/shop.git"),
            format!("https://127.1:{port}/shop.git"),
            format!("https://[::ffff:127.0.0.1]:{port}/shop.git"),
            format!("https://localhost.:{port}/shop.git"),
            "https://169.254.169.254/latest/meta-data".to_owned(),
            "https://no-such-host.invalid/a".to_owned(),
        ] {
            let told = wrong(&of(&admin, json!({"url": url})).await, "project.url");
            assert!(told.contains("--repository-allow-network"), "{url}: {told}");
        }
        assert!(host.set().asked.is_empty(), "{:?}", host.set().asked);
    })
    .await;
}

#[tokio::test]
async fn no_redirect_is_followed_but_to_the_whole_name_of_the_same_repository() {
    let (host, other) = (GitHost::start().await, GitHost::without_tls().await);
    host.repository("shop.git", &[("devfile.yaml", DEVFILE)]).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        host.set().behaviour = Behaviour::Redirect(format!("{}/info/refs", other.url("shop.git")));
        for repository in ["shop.git", "shop"] {
            let told = wrong(&of(&admin, json!({"url": host.url(repository)})).await, "project.url");
            assert!(told.contains("redirects are not followed"), "{told}");
        }
        assert!(other.set().asked.is_empty());
        let asked = host.set().asked.clone();
        assert_eq!(asked.len(), 3, "the second is tried by its whole name: {asked:?}");
    })
    .await;
}

#[tokio::test]
async fn a_slow_host_is_given_up_and_nothing_of_the_look_goes_on() {
    let host = GitHost::start().await;
    host.repository("shop.git", &[("devfile.yaml", DEVFILE)]).await;
    host.set().behaviour = Behaviour::Slow;
    let rules = Rules { time: Duration::from_secs(2), ..host.rules() };
    App::run_looking(rules, async |app| {
        let admin = acme(app).await;
        let path = admin.path(&format!("/git-credentials/{}", host.name()));
        send(admin.request(Method::PUT, &path).json(&json!({"token": "recognisable"})))
            .await
            .expect::<GitCredential>(200);
        let began = Instant::now();
        let (reply, seen) = tokio::join!(of(&admin, json!({"url": host.url("shop.git")})), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            programs(&host.name())
        });
        assert!(wrong(&reply, "project.url").contains("did not answer in time"), "{}", reply.text);
        assert!(began.elapsed() < Duration::from_secs(20));
        assert!(!seen.is_empty(), "it was looking");
        assert!(seen.iter().all(|line| !line.contains("recognisable")), "{seen:?}");
        for _ in 0..50 {
            if programs(&host.name()).is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("still running: {:?}", programs(&host.name()));
    })
    .await;
}

/// The command lines of this machine that name a host.
fn programs(host: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(host) && line.contains("git")).collect()
}

#[tokio::test]
async fn whatever_a_host_answers_its_words_and_the_credential_are_passed_on_to_nobody() {
    let host = GitHost::start().await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        let path = admin.path(&format!("/git-credentials/{}", host.name()));
        send(admin.request(Method::PUT, &path).json(&json!({"token": "recognisable"})))
            .await
            .expect::<GitCredential>(200);
        for (behaviour, words) in [
            (Behaviour::Honest, "is not there, or may not be read"),
            (Behaviour::Status(403), "is not there, or may not be read"),
            (Behaviour::Status(404), "is not there, or may not be read"),
            (Behaviour::Status(502), "cannot be reached"),
            (Behaviour::Garbage, "is no Git repository"),
        ] {
            host.set().behaviour = behaviour.clone();
            let told = wrong(&of(&admin, json!({"url": host.url("nothing.git")})).await, "project.url");
            assert!(told.contains(words), "{behaviour:?}: {told}");
            assert!(!told.contains("hunter2") && !told.contains("recognisable"), "{behaviour:?}: {told}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_host_whose_certificate_is_not_trusted_is_told_nothing() {
    let (host, other) = (GitHost::start().await, GitHost::start().await);
    host.repository("shop.git", &[("devfile.yaml", DEVFILE)]).await;
    App::run_looking(other.rules(), async |app| {
        let admin = acme(app).await;
        let told = wrong(&of(&admin, json!({"url": host.url("shop.git")})).await, "project.url");
        assert!(told.contains("certificate is not trusted"), "{told}");
        assert!(host.set().asked.is_empty());
    })
    .await;
}

#[tokio::test]
async fn no_link_leads_out_of_a_repository() {
    let host = GitHost::start().await;
    host.repository("link.git", &[("devfile.yaml", b"->/etc/passwd")]).await;
    host.repository("folder.git", &[(".devcontainer", b"->/etc"), ("x", b"x")]).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        for name in ["link.git", "folder.git"] {
            let told = wrong(&of(&admin, json!({"url": host.url(name)})).await, "project.devfile_path");
            assert!(told.contains("symbolic link"), "{told}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_too_large_is_given_up_and_names_are_only_names() {
    let host = GitHost::start().await;
    let large = vec![b'#'; 10 * 1024 * 1024];
    host.repository("large.git", &[("devfile.yaml", &large)]).await;
    // What does not become smaller, of a host that leaves nothing out.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(80 * 1024 * 1024)
    .collect();
    host.repository("huge.git", &[("noise", &noise), ("devfile.yaml", DEVFILE)]).await;
    host.filters("huge.git", Filters::None).await;
    let odd =
        [("--upload-pack=touch x", &b"x"[..]), ("new\nline/devfile.yaml", b"x"), ("devfile.yaml", DEVFILE)];
    host.repository("odd.git", &odd).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        for name in ["large.git", "huge.git"] {
            let told = wrong(&of(&admin, json!({"url": host.url(name)})).await, "project.url");
            assert!(told.contains("is too large"), "{name}: {told}");
        }
        let made: Workspace = of(&admin, json!({"url": host.url("odd.git")})).await.expect(201);
        assert_eq!(found(&made).0, Some("devfile.yaml"));
        let asked = host.set().asked.len();
        for reference in ["--upload-pack=touch x", "-x", "a b", "main:x", "../x", "refs/heads/*"] {
            let reply = of(&admin, json!({"url": host.url("odd.git"), "ref": reference})).await;
            wrong(&reply, "project.ref");
        }
        for path in ["../devfile.yaml", "/etc/passwd.yaml", ".git/config.json", "a\nb.yaml", "Dockerfile"] {
            let reply = of(&admin, json!({"url": host.url("odd.git"), "devfile_path": path})).await;
            wrong(&reply, "project.devfile_path");
        }
        for url in ["ext::sh -c touch% x", "file:///etc", "--upload-pack=x", "https://u:p@localhost/x"] {
            wrong(&of(&admin, json!({"url": url})).await, "project.url");
        }
        assert_eq!(host.set().asked.len(), asked, "nobody was asked");
    })
    .await;
}

#[tokio::test]
async fn what_unpacks_to_more_than_git_may_use_is_given_up_before_it_is_unpacked() {
    let host = GitHost::start().await;
    host.repository("bomb.git", &[("devfile.yaml", DEVFILE)]).await;
    // Files are read piece by piece; a commit is whole in memory. Packed it is a thousandth of that.
    host.commit_again("bomb.git", &vec![b'x'; 450 * 1024 * 1024]).await;
    App::run_looking(host.rules(), async |app| {
        let admin = acme(app).await;
        let reply = of(&admin, json!({"url": host.url("bomb.git")})).await;
        // Whoever unpacks it finds the devfile, which is there.
        let told = wrong(&reply, "project.url");
        assert!(told.contains("is too large"), "{told}");
    })
    .await;
}
