//! Passkeys in a real Chromium, whose authenticator is a virtual one (WebDriver's own): made, shown, and of no use elsewhere.

use anyhow::{Context as _, ensure};
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::Browser;
use serde_json::json;

const WORKSPACES: &str = "/organizations/default/workspaces";

#[tokio::test]
async fn a_passkey_signs_somebody_in_without_a_link_and_opens_nothing_once_it_is_removed()
-> anyhow::Result<()> {
    berth_harness::install_crypto();
    let postgres = Postgres::start(None).await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&postgres.create_database().await?, dir.path())).await?;
    let link = server.first_link()?;
    let origin = link.split("/sign-in").next().unwrap_or_default().to_owned();
    let laptop = Browser::start("http://nowhere.invalid").await?;
    let authenticator = laptop.add_authenticator().await?;
    laptop.open(&link).await?;
    laptop.click("main button").await?;
    laptop.wait_at(WORKSPACES).await?;
    laptop.open(&format!("{origin}/passkeys/new")).await?;
    laptop.screenshot("passkey-new.png").await?;
    laptop.click("main button").await?;
    laptop.wait_at("/passkeys").await?;
    laptop.wait_for_text("My passkey").await?;
    laptop.screenshot("passkeys.png").await?;

    let at = At { origin, browser: &laptop };
    at.sign_out().await?;
    at.ask().await?;
    laptop.wait_at(WORKSPACES).await?;
    laptop.open(&format!("{}/sessions", at.origin)).await?;
    laptop.wait_for_text("by a passkey").await?;
    laptop.open(&format!("{}/confirm?to=/sessions", at.origin)).await?;
    laptop.click("main button").await?;
    laptop.wait_at("/sessions").await?;

    // The script runs, and nothing else may.
    let complaints = laptop.complaints().await?.join("\n");
    ensure!(!complaints.contains("Content Security Policy"), "{complaints}");

    // Nobody has looked who it is: the browser itself says no.
    at.sign_out().await?;
    laptop.verify_users(&authenticator, false).await?;
    at.ask().await?;
    laptop.wait_for_text("The browser did not").await?;
    laptop.verify_users(&authenticator, true).await?;

    // A copy of before.
    let mut credential = laptop.credentials(&authenticator).await?;
    let mut credential = credential.pop().context("the authenticator has none")?;
    let count = credential["signCount"].as_u64().context("no counter")?;
    ensure!(count > 1, "{count}");
    credential["signCount"] = json!(0);
    laptop.replace_credential(&authenticator, &credential).await?;
    at.ask().await?;
    laptop.wait_for_text("opens nothing here").await?;
    ensure!(!laptop.cookies().await?.to_string().contains("berth-session"), "a copy signs in");
    credential["signCount"] = json!(count + 10);
    laptop.replace_credential(&authenticator, &credential).await?;

    // For this host alone, and for whoever has it.
    laptop.open(&format!("{}/sign-in/passkey", server.url())).await?;
    laptop.click("main button").await?;
    laptop.wait_for_text("The browser did not").await?;
    let elsewhere =
        "return navigator.credentials.get({publicKey: {challenge: new Uint8Array(32), rpId: 'localhost'}})
        .then(() => 'given', (error) => error.name)";
    ensure!(laptop.run(elsewhere).await? == "SecurityError", "a page of another host is given one");
    let stranger = Browser::start("http://nowhere.invalid").await?;
    stranger.add_authenticator().await?;
    At { origin: at.origin.clone(), browser: &stranger }.ask().await?;
    stranger.wait_for_text("The browser did not").await?;
    stranger.quit().await?;

    at.ask().await?;
    laptop.wait_at(WORKSPACES).await?;
    laptop.open(&format!("{}/passkeys", at.origin)).await?;
    // The last one takes a second step.
    laptop.click("main details summary").await?;
    laptop.wait_for_text("It is your last one").await?;
    laptop.click("form[action$='/remove'] button").await?;
    laptop.wait_for_text("You have none").await?;
    at.sign_out().await?;
    at.ask().await?;
    laptop.wait_for_text("opens nothing here").await?;
    laptop.quit().await
}

struct At<'a> {
    origin: String,
    browser: &'a Browser,
}

impl At<'_> {
    async fn sign_out(&self) -> anyhow::Result<()> {
        self.browser.open(&format!("{}/passkeys", self.origin)).await?;
        self.browser.click("nav.account button").await?;
        self.browser.wait_at("/sign-in").await
    }

    /// From the page that signs people in to the browser's question.
    async fn ask(&self) -> anyhow::Result<()> {
        self.browser.open(&format!("{}/sign-in", self.origin)).await?;
        self.browser.click("a[href='/sign-in/passkey']").await?;
        self.browser.wait_at("/sign-in/passkey").await?;
        self.browser.click("main button").await
    }
}
