//! What it takes to get into a workspace through a proxy, without an agent that keeps one and without a person at a browser.

use anyhow::Context as _;
use berth_harness::command::{command, output};
use berth_harness::{Postgres, paths};
use berth_schema::connection::ProxyToken;

/// By what an agent's proxy proves itself, as the agent asks for it.
///
/// # Errors
/// Where the server refuses the agent's token.
pub async fn proxy_token(server_url: &str, agent_token: &str) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().tls_certs_only([]).build()?;
    let asked = http.post(format!("{server_url}/api/v1/agent/proxy-token"));
    let answer = asked.bearer_auth(agent_token.trim()).send().await?.error_for_status()?;
    Ok(answer.json::<ProxyToken>().await?.token.expose().to_owned())
}

/// A link that signs somebody in at the server of that database, who is made an owner where they are not there yet.
///
/// # Errors
/// Where `berth-server sign-in-link` fails.
pub async fn sign_in_link(database_url: &str, public_url: &str, name: &str) -> anyhow::Result<String> {
    let mut server = command(paths::program("berth-server")?);
    server.args(["sign-in-link", "--organization", "default", "--name", name, "--public-url", public_url]);
    server.env("DATABASE_URL", Postgres::login_url(database_url));
    Ok(output(&mut server).await.context("no link")?.trim().to_owned())
}
