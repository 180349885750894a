//! A person in a real browser: signed in by the link of the first start, and out again.

use anyhow::ensure;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::{Actor, Browser};
use serde_json::json;

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
    laptop.find("a[href='/organizations/default']").await?;
    // What the browser holds is out of reach of any script, and of any other host.
    let cookies = laptop.cookies().await?;
    let cookie = &cookies[0];
    ensure!(cookie["name"] == "__Host-berth-session", "{cookies}");
    ensure!(
        cookie["httpOnly"] == true && cookie["secure"] == true && cookie["sameSite"] == "Lax",
        "{cookie}"
    );
    ensure!(laptop.run("return document.cookie").await? == "", "a script sees it");
    laptop.click("a[href='/organizations/default']").await?;
    laptop.wait_until("return document.body.innerText.includes('CreationRequested')").await?;
    ensure!(laptop.text().await?.contains("api"));
    for width in [1280, 320] {
        laptop.resize(width).await?;
        let wide = laptop.run("return document.documentElement.scrollWidth <= window.innerWidth").await?;
        ensure!(wide == true, "the page is wider than {width} pixels");
    }
    if let Some(folder) = std::env::var_os("BERTH_SCREENSHOTS") {
        laptop.screenshot(&std::path::Path::new(&folder).join("organization-320.png")).await?;
    }

    // The link opens once, whoever has it.
    let thief = Browser::start("http://nowhere.invalid").await?;
    thief.open(&link).await?;
    thief.click("main button").await?;
    thief.wait_until("return document.body.innerText.includes('used already')").await?;
    ensure!(thief.cookies().await? == json!([]), "the second one is signed in");
    thief.quit().await?;

    laptop.open(&format!("{origin}/sessions")).await?;
    ensure!(laptop.text().await?.contains("this one"));
    laptop.click("nav button").await?;
    laptop.wait_until("return location.pathname === '/sign-in'").await?;
    laptop.open(&format!("{origin}/organizations/default")).await?;
    laptop.wait_until("return location.pathname === '/sign-in'").await?;
    ensure!(laptop.cookies().await? == json!([]), "the cookie stayed");
    laptop.quit().await
}
