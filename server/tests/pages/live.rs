//! What goes on by itself, and what browsers keep.

use reqwest::Method;

use super::{acme, make};
use crate::support::{App, Visitor};

#[tokio::test]
async fn a_stream_of_a_page_is_opened_by_its_cookie_alone() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        make(&mut ada, "reef").await;
        for path in ["/organizations/acme/events", "/organizations/acme/workspaces/reef/events"] {
            let opened = ada.request(Method::GET, path).send().await.expect("an answer");
            assert_eq!(opened.status(), 200, "{path}");
            assert_eq!(opened.headers()["content-type"], "text/event-stream");
            assert_eq!(opened.headers()["cache-control"], "no-store");
            let nobody = Visitor::new(app.address());
            let refused = nobody.get(path).await;
            refused.problem(401, "unauthenticated");
            assert!(!refused.headers.contains_key("set-cookie"), "nobody is led to a stream");
            let token = nobody.request(Method::GET, path).bearer_auth(admin.token.expose());
            assert_eq!(token.send().await.expect("an answer").status(), 401, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_whose_session_has_ended_asks_for_itself_anew_and_not_for_a_part_of_it() {
    App::run(async |app| {
        acme(app).await;
        let nobody = Visitor::new(app.address());
        let part = nobody.request(Method::GET, "/organizations/acme/workspaces").header("hx-request", "true");
        let part = part.send().await.expect("an answer");
        assert_eq!(part.status(), 401);
        assert_eq!(part.headers()["hx-refresh"], "true");
        assert!(!part.headers().contains_key("set-cookie"));
        let whole = nobody.get("/organizations/acme/workspaces?state=failed").await;
        assert_eq!((whole.status, whole.header("location")), (303, "/sign-in"));
        assert!(whole.header("set-cookie").starts_with("__Host-berth-return="));
    })
    .await;
}

#[tokio::test]
async fn scripts_are_our_own_files_on_live_pages_and_nowhere_else() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let page = make(&mut ada, "reef").await;
        for (path, is_live) in [
            (page.as_str(), true),
            ("/organizations/acme/workspaces", true),
            ("/organizations/acme/new", false),
            ("/organizations/acme", false),
            ("/sessions", false),
        ] {
            let page = ada.get(path).await;
            let policy = page.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
                "{path}: {policy}"
            );
            assert_eq!(policy.contains("script-src 'self'"), is_live, "{path}: {policy}");
            assert_eq!(page.text.contains("<script"), is_live, "{path}");
            for inline in [" style=", " onclick=", "<style", "javascript:"] {
                assert!(!page.text.contains(inline), "{path}: {inline}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_pages_load_is_kept_for_good_and_is_small() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let page = make(&mut ada, "reef").await;
        let page = ada.get(&page).await.text;
        // A client that counts what comes over the wire.
        let client = reqwest::Client::builder().tls_certs_only([]).gzip(false).build().expect("a client");
        let cookie = ada.cookie.clone().expect("a cookie");
        let compressed = async |path: &str| {
            let request = client.get(format!("{}{path}", ada.origin())).header("accept-encoding", "gzip");
            request.header("cookie", &cookie).send().await.expect("an answer")
        };
        let mut total = 0;
        let names: Vec<_> =
            page.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        for name in names {
            let path = format!("/assets/{name}");
            let reply = compressed(&path).await;
            assert_eq!(reply.status(), 200, "{path}");
            assert_eq!(reply.headers()["cache-control"], "public, max-age=31536000, immutable");
            assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
            total += reply.bytes().await.expect("a body").len();
        }
        let html =
            ada.request(Method::GET, "/organizations/acme/workspaces").header("accept-encoding", "gzip");
        total += html.send().await.expect("an answer").bytes().await.expect("a body").len();
        assert!(total < 60_000, "the first page takes {total} bytes");
        println!("the first page takes {total} bytes, with everything that it loads");
        let gone = ada.get("/assets/berth.css").await;
        assert_eq!((gone.status, gone.header("cache-control")), (404, "no-store"));
    })
    .await;
}
