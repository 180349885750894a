//! A person in a real browser: signed in by the link of the first start, and out again.

use anyhow::{Context as _, ensure};
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::{Actor, Browser};
use reqwest::{RequestBuilder, Url};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::PATIENCE;

#[tokio::test]
async fn the_first_link_signs_somebody_in_who_sees_their_organisation_and_signs_out_everywhere()
-> anyhow::Result<()> {
    berth_harness::install_crypto();
    let postgres = Postgres::start(None).await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&postgres.create_database().await?, dir.path())).await?;
    let admin = Actor::new(server.url(), server.first_token()?).await?;
    admin.create_agent("cluster").await?;
    let created = admin.post("workspaces", &json!({"name": "api", "image": "debian:13"})).await?;
    ensure!(created.status == 201, "{created:?}");
    let link = server.first_link()?;
    let origin = link.split("/sign-in").next().unwrap_or_default().to_owned();

    let laptop = Browser::start("http://nowhere.invalid").await?;
    laptop.open(&format!("{origin}/")).await?;
    ensure!(laptop.text().await?.contains("Open the link"), "{}", laptop.text().await?);
    laptop.open(&link).await?;
    laptop.click("main button").await?;
    laptop.wait_until("return location.pathname === '/organizations/default/workspaces'").await?;
    // What the browser holds is out of reach of any script, and of any other host.
    let cookies = laptop.cookies().await?;
    let kept = cookies.as_array().context("a list")?;
    let mut names: Vec<_> = kept.iter().filter_map(|cookie| cookie["name"].as_str()).collect();
    names.sort_unstable();
    ensure!(names == ["__Host-berth-device", "__Host-berth-session"], "{cookies}");
    for cookie in kept {
        let is_bound = cookie["httpOnly"] == true && cookie["secure"] == true && cookie["sameSite"] == "Lax";
        ensure!(is_bound, "{cookie}");
    }
    ensure!(laptop.run("return document.cookie").await? == "", "a script sees it");
    laptop.click("a[href='/organizations/default']").await?;
    laptop.wait_until("return document.body.innerText.includes('Requested')").await?;
    ensure!(laptop.text().await?.contains("api"));
    for width in [1280, 320] {
        laptop.resize(width).await?;
        let wide = laptop.run("return document.documentElement.scrollWidth <= window.innerWidth").await?;
        ensure!(wide == true, "the page is wider than {width} pixels");
    }
    laptop.screenshot("organization-320.png").await?;

    // The link opens once, whoever has it.
    let thief = Browser::start("http://nowhere.invalid").await?;
    thief.open(&link).await?;
    thief.click("main button").await?;
    thief.wait_until("return document.body.innerText.includes('used already')").await?;
    ensure!(thief.cookies().await? == json!([]), "the second one is signed in");
    thief.quit().await?;

    lets_a_command_line_in(&laptop, &origin).await?;

    laptop.open(&format!("{origin}/sessions")).await?;
    ensure!(laptop.text().await?.contains("ada's laptop"), "{}", laptop.text().await?);
    ensure!(laptop.text().await?.contains("this one"));
    laptop.click("nav.account button").await?;
    laptop.wait_until("return location.pathname === '/sign-in'").await?;
    laptop.open(&format!("{origin}/organizations/default")).await?;
    laptop.wait_until("return location.pathname === '/sign-in'").await?;
    let left = laptop.cookies().await?.to_string();
    ensure!(!left.contains("__Host-berth-session"), "the cookie stayed: {left}");
    laptop.quit().await
}

/// Through the page that asks, to the port that the command line listens at: which the page's own policy has to let the form's
/// answer lead to. And by the code of a device, typed as a person types it.
async fn lets_a_command_line_in(laptop: &Browser, origin: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let redirect = format!("http://{}/callback", listener.local_addr()?);
    let query = [
        ("response_type", "code"),
        ("client_id", "berth-cli"),
        ("redirect_uri", redirect.as_str()),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("state", "a-state"),
        ("device_name", "ada's laptop"),
    ];
    let url = Url::parse_with_params(&format!("{origin}/oauth/authorize"), query)?;
    laptop.open(url.as_str()).await?;
    ensure!(laptop.text().await?.contains("ada's laptop"), "{}", laptop.text().await?);
    laptop.screenshot("authorize-320.png").await?;
    let answered = async {
        let (mut stream, _) = listener.accept().await?;
        let mut head = vec![0; 2_048];
        let length = stream.read(&mut head).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await?;
        anyhow::Ok(String::from_utf8_lossy(&head[..length]).into_owned())
    };
    let (clicked, head) =
        tokio::join!(laptop.click("button[value=allow]"), tokio::time::timeout(PATIENCE, answered));
    clicked?;
    let head = head??;
    ensure!(
        head.starts_with("GET /callback?code=berth_cod_") && head.contains("&state=a-state&iss="),
        "{head}"
    );

    let http = reqwest::Client::builder().tls_certs_only([]).build()?;
    let form = [("client_id", "berth-cli"), ("device_name", "ada's laptop")];
    let asked = http.post(format!("{origin}/oauth/device_authorization"));
    let asked = with_form(asked, &form)?;
    let asked: serde_json::Value = asked.send().await?.json().await?;
    laptop.open(&format!("{origin}/device")).await?;
    let typed = asked["user_code"].as_str().unwrap_or_default().to_lowercase();
    laptop.run(&format!("document.querySelector('input').value = '{typed}'")).await?;
    laptop.screenshot("device-320.png").await?;
    laptop.click("main button").await?;
    laptop.wait_until("return document.body.innerText.includes('Allow it only if')").await?;
    laptop.screenshot("device-confirm-320.png").await?;
    laptop.click("button[value=allow]").await?;
    laptop.wait_until("return document.body.innerText.includes('is logged in within')").await?;
    let grant = [
        ("client_id", "berth-cli"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", asked["device_code"].as_str().unwrap_or_default()),
    ];
    let taken = with_form(http.post(format!("{origin}/oauth/token")), &grant)?;
    let taken = taken.send().await?;
    ensure!(taken.status() == 200, "{}", taken.text().await?);
    Ok(())
}

fn with_form(request: RequestBuilder, fields: &[(&str, &str)]) -> anyhow::Result<RequestBuilder> {
    let form = Url::parse_with_params("http://form.invalid", fields)?;
    let form = form.query().unwrap_or_default().to_owned();
    Ok(request.header("content-type", "application/x-www-form-urlencoded").body(form))
}
