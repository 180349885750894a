//! What others' pages send, and text that would like to be more than text.

use berth_server::routes::{self, Renderer};
use reqwest::Method;

use super::{acme, make};
use crate::support::App;

#[tokio::test]
async fn no_form_of_another_site_does_anything() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        make(&mut ada, "reef").await;
        let rows = "SELECT count(*) FROM workspaces WHERE desired_state = 'Running'";
        let mut tried = 0;
        for route in routes::all().filter(|route| route.renderer == Renderer::Page && route.method != "GET") {
            if !route.path.contains("/workspaces") {
                continue;
            }
            let path = route.path.replace("{organization}", "acme").replace("{workspace}", "reef");
            let own = ada.origin().to_owned();
            let cases: [&[(&str, &str)]; 4] = [
                &[],
                &[("origin", "https://evil.example")],
                &[("origin", "null")],
                &[("origin", &own), ("sec-fetch-site", "cross-site")],
            ];
            for headers in cases {
                let mut request = ada.request(Method::POST, &path);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let body = request
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body("name=b&image=a");
                let status = body.send().await.expect("an answer").status().as_u16();
                assert_eq!(status, 401, "{path} {headers:?}");
                tried += 1;
            }
        }
        assert!(tried >= 20, "{tried}");
        assert_eq!(app.count(rows).await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_has_written_is_shown_as_text_wherever_it_is() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let page = make(&mut ada, "reef").await;
        let script = "\"><script>alert(1)</script>";
        let encoded = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
        for path in [
            format!("/organizations/acme/workspaces?name={encoded}"),
            format!("/organizations/acme/new?repo={encoded}&ref={encoded}&image={encoded}&name={encoded}&agent={encoded}"),
        ] {
            let text = ada.get(&path).await.text;
            assert!(!text.contains("<script>") && text.contains("alert(1)"), "{text}");
        }
        let devfile = "</textarea><script>alert(1)</script>";
        let form = [("name", script), ("repo", script), ("ref", script), ("devfile", devfile), ("intent", "create")];
        let told = ada.submit("/organizations/acme/workspaces", &form).await;
        assert_eq!(told.status, 422);
        assert!(!told.text.contains("<script>") && told.text.contains("alert(1)"), "{}", told.text);
        // What a cluster says of a workspace, past every check of ours.
        app.execute(
            r#"UPDATE workspaces SET actual_state = 'Failed', reason = '{"reason": "X", "message": "<script>alert(2)</script>"}'"#,
        )
        .await;
        for path in [page.as_str(), "/organizations/acme/workspaces", "/organizations/acme"] {
            let text = ada.get(path).await.text;
            assert!(!text.contains("<script>") && text.contains("alert(2)"), "{path}: {text}");
        }
    })
    .await;
}

#[tokio::test]
async fn invisible_characters_and_too_much_of_everything_are_refused() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let long = "a".repeat(10_000);
        for (field, value) in
            [("name", "a\u{202E}b"), ("repo", "https://a/\u{0}"), ("name", &long), ("ref", &long)]
        {
            let reply =
                ada.submit("/organizations/acme/workspaces", &[(field, value), ("intent", "create")]).await;
            assert_eq!(reply.status, 422, "{field}: {}", reply.text);
        }
        let huge = "a".repeat(5 * 1024 * 1024);
        let reply = ada.submit("/organizations/acme/workspaces", &[("devfile", &huge)]).await;
        assert_eq!(reply.status, 413);
        let asked = ada.get(&format!("/organizations/acme/workspaces?name={long}")).await;
        assert!(asked.status == 422 || asked.status == 431, "{}", asked.status);
        assert_eq!(app.count("SELECT count(*) FROM workspaces").await, 0);
    })
    .await;
}
