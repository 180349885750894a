//! People in real browsers, signed in by a certified OpenID provider: with the second factor that their organisation demands, in
//! two organisations side by side, and out again from either side.

use anyhow::ensure;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::openid_provider::{CLIENT_SECRET, CODE, PASSWORD};
use berth_integration_tests::{Actor, Browser, OpenIdProvider};
use berth_schema::identity_providers::IdentityProvider;
use berth_schema::members::Invited;
use serde_json::{Value, json};

use crate::replicas::other_organisation;

const WORKSPACES: &str = "/organizations/default/workspaces";

#[tokio::test]
async fn a_certified_provider_signs_people_in_with_a_second_factor_and_out_everywhere() -> anyhow::Result<()>
{
    berth_harness::install_crypto();
    let postgres = Postgres::start(None).await?;
    let (dir, database) = (tempfile::tempdir()?, postgres.create_database().await?);
    let mut options = ServerOptions::new(&database, dir.path());
    options.environment.push(("BERTH_OPENID_ALLOW_NETWORK".to_owned(), "127.0.0.0/8".to_owned()));
    let server = Server::start(options).await?;
    let origin = format!("http://localhost:{}", server.address().port());
    let owner = Actor::new(server.url(), server.first_token()?).await?;
    let other = other_organisation(&server, &database).await?;
    let at = OpenIdProvider::start().await?;
    let demanding = json!({"admission": {"email_domains": ["acme.example"]}, "evidence": {"amr": ["mfa"]}});
    let demanding = set(&owner, &at, ("sso", "RS256"), demanding).await?;
    // Its rules let in nobody who is not there yet.
    let closed = set(&other, &at, ("house", "ES256"), json!({})).await?;
    let people = People { origin, at, demanding, closed };

    let laptop = people.browser().await?;
    people.comes(&laptop, "ada", None).await?;
    laptop.wait_for_text("sign in with a second factor").await?;
    ensure!(!laptop.cookies().await?.to_string().contains("berth-session"), "signed in without it");
    people.leaves_the_provider(&laptop).await?;
    people.comes(&laptop, "ada", Some(CODE)).await?;
    laptop.wait_at(WORKSPACES).await?;
    laptop.wait_for_text("Ada Lovelace").await?;

    // An address that nobody has checked is none.
    let stranger = people.browser().await?;
    people.comes(&stranger, "mallory", Some(CODE)).await?;
    stranger.wait_for_text("ask one of its owners").await?;
    stranger.quit().await?;

    people.joins_another_organisation(&laptop, &other).await?;
    let phone = people.browser().await?;
    people.comes(&phone, "ada", Some(CODE)).await?;
    phone.wait_at("/").await?;
    people.ends_all_other_sessions(&phone, &laptop).await?;
    people.signs_out_at_both(&laptop).await?;

    // On the provider's word alone: the browser says nothing here. Another browser's session at the provider was another one.
    phone.open(&format!("{}{WORKSPACES}", people.origin)).await?;
    phone.wait_at(WORKSPACES).await?;
    people.leaves_the_provider(&phone).await?;
    phone.open(&format!("{}{WORKSPACES}", people.origin)).await?;
    phone.wait_at("/sign-in").await?;
    phone.quit().await?;
    let record: Value = owner.get("audit?action=account.end-session&limit=100").await?.expect()?;
    let ends = record["items"].as_array().into_iter().flatten();
    let by_provider =
        ends.filter(|end| end["record"]["who"]["provider"] == json!(people.demanding.id)).count();
    ensure!(by_provider == 1, "{record}");
    laptop.quit().await
}

async fn set(
    owner: &Actor,
    at: &OpenIdProvider,
    (name, algorithm): (&str, &str),
    rules: Value,
) -> anyhow::Result<IdentityProvider> {
    let mut form = rules;
    form["issuer"] = json!(at.issuer());
    form["client_id"] = json!(format!("berth-{name}"));
    form["client_secret"] = json!(CLIENT_SECRET);
    let client: IdentityProvider = owner.put(&format!("identity-providers/{name}"), &form).await?.expect()?;
    at.register(&client, algorithm).await?;
    Ok(client)
}

struct People {
    origin: String,
    at: OpenIdProvider,
    /// Of the first organisation, which demands a second factor.
    demanding: IdentityProvider,
    /// Of the other one.
    closed: IdentityProvider,
}

impl People {
    async fn browser(&self) -> anyhow::Result<Browser> {
        Browser::start("http://nowhere.invalid").await
    }

    /// From the first page to the provider's, and through it.
    async fn comes(&self, browser: &Browser, name: &str, code: Option<&str>) -> anyhow::Result<()> {
        browser.open(&format!("{}/sign-in", self.origin)).await?;
        browser.click(&format!("a[href='/sign-in/with/{}']", self.demanding.id)).await?;
        browser.fill("input[name=login]", name).await?;
        browser.fill("input[name=password]", PASSWORD).await?;
        if let Some(code) = code {
            browser.fill("input[name=code]", code).await?;
        }
        browser.click("button").await
    }

    /// At the provider, which is told nothing by Berth.
    async fn leaves_the_provider(&self, browser: &Browser) -> anyhow::Result<()> {
        browser.open(&format!("{}/session/end", self.at.issuer())).await?;
        browser.click("button[value=yes]").await?;
        browser.wait_at("/session/end/success").await
    }

    /// By an invitation, as who she is already; and then by that organisation's own provider, which knows her still and asks nothing.
    async fn joins_another_organisation(&self, browser: &Browser, other: &Actor) -> anyhow::Result<()> {
        let invited = json!({"name": "somebody", "role": "viewer"});
        let invited: Invited = other.post("invitations", &invited).await?.expect()?;
        browser.open(&invited.link).await?;
        browser.wait_for_text("Join as Ada Lovelace").await?;
        browser.click("main button").await?;
        browser.wait_until("return location.pathname.startsWith('/organizations/')").await?;
        browser.wait_for_text("viewer").await?;
        browser.open(&format!("{}/sign-in/with/{}", self.origin, self.closed.id)).await?;
        browser.wait_at("/").await?;
        let home = browser.text().await?;
        ensure!(home.contains("default") && home.contains("other"), "{home}");
        for organization in ["default", "other"] {
            let path = format!("/organizations/{organization}");
            browser.open(&format!("{}{path}", self.origin)).await?;
            browser.wait_at(&path).await?;
            browser.wait_for_text("Ada Lovelace").await?;
        }
        Ok(())
    }

    async fn ends_all_other_sessions(&self, here: &Browser, there: &Browser) -> anyhow::Result<()> {
        here.open(&format!("{}/sessions", self.origin)).await?;
        here.wait_for_text("by an identity provider").await?;
        here.click("form[action='/sessions/end-others'] button").await?;
        here.wait_until("return document.querySelector(\"form[action='/sessions/end-others']\") === null")
            .await?;
        there.open(&format!("{}{WORKSPACES}", self.origin)).await?;
        there.wait_at("/sign-in").await
    }

    /// Berth's button, and then the provider's, which leads back.
    async fn signs_out_at_both(&self, browser: &Browser) -> anyhow::Result<()> {
        // The provider knows her still, and Berth where she wanted to go.
        browser.open(&format!("{}/sign-in/with/{}", self.origin, self.demanding.id)).await?;
        browser.wait_at(WORKSPACES).await?;
        // On a page that follows nothing: docs/decisions/0006-not-yet.md.
        browser.open(&format!("{}/sessions", self.origin)).await?;
        browser.click("nav.account button").await?;
        browser.wait_at("/signed-out").await?;
        browser.click("main a.button").await?;
        browser.click("button[value=yes]").await?;
        browser.wait_at("/signed-out").await?;
        browser.open(&format!("{}/sign-in/with/{}", self.origin, self.demanding.id)).await?;
        browser.find("input[name=login]").await.map(drop)
    }
}
