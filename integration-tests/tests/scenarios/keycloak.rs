//! The same as with `openid.rs`'s provider, at a real Keycloak: `make keycloak`.

use anyhow::ensure;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::keycloak::{CLIENT_SECRET, PASSWORD, code};
use berth_integration_tests::{Actor, Browser, Keycloak};
use berth_schema::identity_providers::IdentityProvider;
use serde_json::json;

const WORKSPACES: &str = "/organizations/default/workspaces";

struct People {
    origin: String,
    provider: IdentityProvider,
}

impl People {
    /// From the first page through Keycloak's, as far as its forms go.
    async fn comes(&self, name: &str, has_code: bool) -> anyhow::Result<Browser> {
        let browser = Browser::start("http://nowhere.invalid").await?;
        browser.open(&format!("{}/sign-in", self.origin)).await?;
        browser.click(&format!("a[href='/sign-in/with/{}']", self.provider.id)).await?;
        browser.fill("#username", name).await?;
        browser.fill("#password", PASSWORD).await?;
        browser.click("#kc-login").await?;
        if has_code {
            browser.fill("#otp", &code().await?).await?;
            browser.click("#kc-login").await?;
        }
        Ok(browser)
    }

    /// Whether who comes to a page is asked to sign in.
    async fn is_out(&self, browser: &Browser) -> anyhow::Result<()> {
        browser.open(&format!("{}{WORKSPACES}", self.origin)).await?;
        browser.wait_at("/sign-in").await
    }
}

#[tokio::test]
#[ignore = "Keycloak is 180 MB, and takes a minute to start: make keycloak"]
async fn keycloak_signs_people_in_with_a_second_factor_and_out_everywhere() -> anyhow::Result<()> {
    berth_harness::install_crypto();
    let postgres = Postgres::start(None).await?;
    let (dir, database) = (tempfile::tempdir()?, postgres.create_database().await?);
    let mut options = ServerOptions::new(&database, dir.path());
    options.environment.push(("BERTH_OPENID_ALLOW_NETWORK".to_owned(), "127.0.0.0/8".to_owned()));
    let server = Server::start(options).await?;
    let owner = Actor::new(server.url(), server.first_token()?).await?;
    let keycloak = Keycloak::start().await?;
    let form = json!({
        "issuer": keycloak.issuer(), "client_id": "berth", "client_secret": CLIENT_SECRET,
        "admission": {"email_domains": ["acme.example"]}, "evidence": {"amr": ["otp"]},
    });
    let provider: IdentityProvider = owner.put("identity-providers/keycloak", &form).await?.expect()?;
    keycloak.register(&provider).await?;
    let people = People { origin: format!("http://localhost:{}", server.address().port()), provider };

    let bob = people.comes("bob", false).await?;
    bob.wait_for_text("sign in with a second factor").await?;
    ensure!(!bob.cookies().await?.to_string().contains("berth-session"), "signed in without it");
    bob.quit().await?;

    let laptop = people.comes("ada", true).await?;
    laptop.wait_at(WORKSPACES).await?;
    laptop.wait_for_text("ada lovelace").await?;

    // Berth's button, and then the provider's, which leads back and knows nobody any more.
    laptop.open(&format!("{}/sessions", people.origin)).await?;
    laptop.click("nav.account button").await?;
    laptop.wait_at("/signed-out").await?;
    laptop.click("main a.button").await?;
    laptop.click("#kc-logout").await?;
    laptop.wait_at("/signed-out").await?;
    laptop.open(&format!("{}/sign-in/with/{}", people.origin, people.provider.id)).await?;
    laptop.find("#username").await?;
    laptop.quit().await?;

    // On the provider's word alone, in every browser.
    let (one, other) = (people.comes("ada", true).await?, people.comes("ada", true).await?);
    for browser in [&one, &other] {
        browser
            .wait_until("return location.port !== '' && document.querySelector('nav.account') !== null")
            .await?;
    }
    keycloak.ends_sessions_of("ada").await?;
    for browser in [one, other] {
        people.is_out(&browser).await?;
        browser.quit().await?;
    }
    Ok(())
}
