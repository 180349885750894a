//! A certified OpenID provider as a process: npm's `oidc-provider`, at the versions that `integration-tests/openid-provider` pins.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_harness::command::{command, is_installed, output};
use berth_harness::lock::Lock;
use berth_harness::{answers, free_address, paths};
use berth_schema::identity_providers::IdentityProvider;
use ring::digest::{Context as Digest, SHA256};
use serde_json::{Value, json};

/// What everybody at it knows, and what some show as well.
pub const PASSWORD: &str = "correct horse";
pub const CODE: &str = "314159";
/// Of every client there.
pub const CLIENT_SECRET: &str = "a-secret-that-is-long-enough-for-it";

const REGISTRATION: &str = "whoever-has-this-registers-clients";
const FILES: [&str; 3] = ["package.json", "package-lock.json", "provider.mjs"];
/// It is there in a second or two; a busy machine takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// It ends when this is dropped.
#[derive(Debug)]
pub struct OpenIdProvider {
    issuer: String,
    _process: tokio::process::Child,
}

impl OpenIdProvider {
    /// Starts it on a free port of 127.0.0.1, installed into the cache where it was not.
    pub async fn start() -> anyhow::Result<Self> {
        let port = free_address(std::net::Ipv4Addr::LOCALHOST.into())?.port();
        let process = command("node")
            .arg(installed().await?.join("provider.mjs"))
            .arg(port.to_string())
            .env("BERTH_REGISTRATION_TOKEN", REGISTRATION)
            .stdout(Stdio::null())
            .spawn()
            .context("node cannot be started")?;
        let issuer = format!("http://127.0.0.1:{port}");
        let begin = Instant::now();
        while !answers(&format!("{issuer}/.well-known/openid-configuration")).await {
            ensure!(begin.elapsed() < PATIENCE, "the provider does not answer");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(Self { issuer, _process: process })
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Makes a client known whose ID tokens are signed by `algorithm`, as the other side says how it is to be registered.
    pub async fn register(&self, client: &IdentityProvider, algorithm: &str) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().tls_certs_only([]).build()?;
        let registered = http
            .post(format!("{}/reg", self.issuer))
            .bearer_auth(REGISTRATION)
            .header("client-id", &client.client_id)
            .header("client-secret", CLIENT_SECRET)
            .json(&json!({
                "redirect_uris": [client.redirect_uri],
                "post_logout_redirect_uris": [client.post_logout_redirect_uri],
                "backchannel_logout_uri": client.backchannel_logout_uri,
                "backchannel_logout_session_required": true,
                "id_token_signed_response_alg": algorithm,
            }))
            .send()
            .await?;
        let status = registered.status();
        let said: Value = registered.json().await?;
        ensure!(status == 201, "{status}: {said}");
        Ok(())
    }
}

/// Where it is with everything that it needs, at versions and by hashes that the lock file has.
async fn installed() -> anyhow::Result<PathBuf> {
    let source = paths::repository().join("integration-tests/openid-provider");
    let all = paths::cache()?.join("openid-provider");
    let directory = all.join(key(&source)?);
    let _lock = Lock::wait(&all.join("lock"))?;
    if directory.is_dir() {
        return Ok(directory);
    }
    ensure!(
        is_installed("npm") && is_installed("node"),
        "Node.js is not installed: a provider runs on it (Debian: nodejs and npm, 20 or later)"
    );
    let scratch = tempfile::tempdir_in(&all).context("no room for packages")?;
    for file in FILES {
        std::fs::copy(source.join(file), scratch.path().join(file))
            .with_context(|| format!("{file} cannot be copied"))?;
    }
    let mut install = command("npm");
    install.current_dir(scratch.path()).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    output(&mut install).await?;
    std::fs::rename(scratch.keep(), &directory).context("what was installed cannot be kept")?;
    Ok(directory)
}

/// Changes with every file.
fn key(source: &Path) -> anyhow::Result<String> {
    let mut digest = Digest::new(&SHA256);
    for file in FILES {
        digest.update(&std::fs::read(source.join(file)).with_context(|| format!("{file} cannot be read"))?);
    }
    Ok(URL_SAFE_NO_PAD.encode(&digest.finish().as_ref()[..12]))
}
