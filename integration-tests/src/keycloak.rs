//! A real Keycloak as a process, from Maven at a pinned version: what companies run.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use berth_harness::command::{command, is_installed, output};
use berth_harness::lock::Lock;
use berth_harness::{answers, free_address, paths};
use berth_schema::identity_providers::IdentityProvider;
use reqwest::{Client, Method, RequestBuilder};
use ring::hmac;
use serde_json::{Value, json};
use tokio::process::Child;

const VERSION: &str = "26.7.3";
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";
const REALM: &str = "acme";
/// What everybody at it knows.
pub const PASSWORD: &str = "correct horse";
/// Of every client there.
pub const CLIENT_SECRET: &str = "a-secret-that-is-long-enough-for-it";
/// What the one-time codes of those are made of who have a second factor.
const SEED: &str = "twenty-characters-12";
const ADMINISTRATOR: &str = "administrator";
/// It has built itself anew for these options, and asks to be started again.
const AGAIN: i32 = 10;
/// Java starts slowly, and the first start builds what the next ones find.
const PATIENCE: Duration = Duration::from_secs(180);

/// It ends when this is dropped, and with it all that it knows.
#[derive(Debug)]
pub struct Keycloak {
    base: String,
    http: Client,
    token: String,
    _process: Child,
}

impl Keycloak {
    /// Starts it on a free port of 127.0.0.1, with a realm in which `ada` has a second factor and `bob` has none.
    pub async fn start() -> anyhow::Result<Self> {
        let home = installed().await?;
        let port = free_address(Ipv4Addr::LOCALHOST.into())?.port();
        let mut process = launch(&home, port, false)?;
        let base = format!("http://127.0.0.1:{port}");
        let begin = Instant::now();
        while !answers(&format!("{base}/realms/master")).await {
            ensure!(begin.elapsed() < PATIENCE, "Keycloak does not answer");
            if let Some(ended) = process.try_wait()? {
                ensure!(ended.code() == Some(AGAIN), "Keycloak has ended: {ended}");
                process = launch(&home, port, true)?;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let http = Client::builder().tls_certs_only([]).build()?;
        let form = format!(
            "grant_type=password&client_id=admin-cli&username={ADMINISTRATOR}&password={}",
            PASSWORD.replace(' ', "+")
        );
        let granted = http
            .post(format!("{base}/realms/master/protocol/openid-connect/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let granted: Value = granted.send().await?.error_for_status()?.json().await?;
        let token = granted["access_token"].as_str().context("no token")?.to_owned();
        let keycloak = Self { base, http, token, _process: process };
        keycloak.furnish().await?;
        Ok(keycloak)
    }

    pub fn issuer(&self) -> String {
        format!("{}/realms/{REALM}", self.base)
    }

    /// Makes a client known.
    pub async fn register(&self, client: &IdentityProvider) -> anyhow::Result<()> {
        let wanted = json!({
            "clientId": client.client_id, "secret": CLIENT_SECRET, "protocol": "openid-connect",
            "redirectUris": [client.redirect_uri],
            "attributes": {
                "post.logout.redirect.uris": client.post_logout_redirect_uri,
                "backchannel.logout.url": client.backchannel_logout_uri,
                "backchannel.logout.session.required": "true",
            },
            "protocolMappers": [{
                "name": "amr", "protocol": "openid-connect", "protocolMapper": "oidc-amr-mapper",
                "config": { "id.token.claim": "true", "access.token.claim": "false" },
            }],
        });
        self.done(self.asked(Method::POST, "/clients").json(&wanted)).await
    }

    /// What an administrator there does with somebody who has left: all of their sessions end.
    pub async fn ends_sessions_of(&self, name: &str) -> anyhow::Result<()> {
        let found = self.asked(Method::GET, &format!("/users?exact=true&username={name}"));
        let found: Value = found.send().await?.error_for_status()?.json().await?;
        let id = found[0]["id"].as_str().context("nobody is called so")?;
        self.done(self.asked(Method::POST, &format!("/users/{id}/logout"))).await
    }

    /// A realm whose tokens say by what somebody has shown who they are.
    async fn furnish(&self) -> anyhow::Result<()> {
        let person = |name: &str, family: &str, second: Option<Value>| {
            let password = json!({ "type": "password", "value": PASSWORD, "temporary": false });
            let credentials: Vec<_> = std::iter::once(password).chain(second).collect();
            json!({
                "username": name, "firstName": name, "lastName": family, "enabled": true,
                "email": format!("{name}@acme.example"), "emailVerified": true,
                "credentials": credentials,
            })
        };
        let totp = json!({
            "type": "otp",
            "secretData": json!({ "value": SEED }).to_string(),
            "credentialData": json!({
                "subType": "totp", "digits": 6, "period": 30, "counter": 0, "algorithm": "HmacSHA1",
            })
            .to_string(),
        });
        let realm = json!({
            "realm": REALM, "enabled": true,
            "users": [person("ada", "lovelace", Some(totp)), person("bob", "builder", None)],
        });
        let made =
            self.http.post(format!("{}/admin/realms", self.base)).bearer_auth(&self.token).json(&realm);
        self.done(made).await?;
        let executions = self.asked(Method::GET, "/authentication/flows/browser/executions");
        let executions: Value = executions.send().await?.error_for_status()?.json().await?;
        for (form, method) in [("auth-username-password-form", "pwd"), ("auth-otp-form", "otp")] {
            let all = executions.as_array().into_iter().flatten();
            let id = all.filter(|one| one["providerId"] == form).find_map(|one| one["id"].as_str());
            let path = format!("/authentication/executions/{}/config", id.context("no such form")?);
            let config = json!({
                "alias": method,
                "config": { "default.reference.value": method, "default.reference.maxAge": "3600" },
            });
            self.done(self.asked(Method::POST, &path).json(&config)).await?;
        }
        Ok(())
    }

    fn asked(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/admin/realms/{REALM}{path}", self.base))
            .bearer_auth(&self.token)
    }

    async fn done(&self, request: RequestBuilder) -> anyhow::Result<()> {
        let answer = request.send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{status}: {}", answer.text().await?);
        Ok(())
    }
}

/// As its own script does, whose child would outlive it.
fn launch(home: &Path, port: u16, is_built: bool) -> anyhow::Result<Child> {
    let mut java = command("java");
    java.current_dir(home).args(is_built.then_some("-Dkc.config.built=true")).args([
        "-Xmx512m",
        "-Dkc.home.dir=.",
        "-Djboss.server.config.dir=conf",
        "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
        "-cp",
        "lib/quarkus-run.jar",
        "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
        "start-dev",
        "--db=dev-mem",
        "--http-host=127.0.0.1",
    ]);
    java.arg(format!("--http-port={port}"));
    java.envs([("KC_BOOTSTRAP_ADMIN_USERNAME", ADMINISTRATOR), ("KC_BOOTSTRAP_ADMIN_PASSWORD", PASSWORD)]);
    java.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("java cannot be started")
}

/// A one-time code that was not used before (RFC 6238): each is good once, and there is one in 30 s.
pub async fn code() -> anyhow::Result<String> {
    static USED: AtomicU64 = AtomicU64::new(0);
    let step = loop {
        let step = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 30;
        if USED.swap(step, Ordering::Relaxed) < step {
            break step;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SEED.as_bytes());
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes.last().context("no tag")? & 0xf);
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).context("a short tag")?;
    Ok(format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000))
}

/// Where it is, unpacked.
async fn installed() -> anyhow::Result<PathBuf> {
    let all = paths::cache()?.join("keycloak");
    let directory = all.join(VERSION);
    let _lock = Lock::wait(&all.join("lock"))?;
    if directory.is_dir() {
        return Ok(directory);
    }
    ensure!(
        is_installed("mvn") && is_installed("java"),
        "Keycloak comes from Maven and runs on Java (Debian: maven and default-jre-headless, 17 or later)"
    );
    let scratch = tempfile::tempdir_in(&all).context("no room for Keycloak")?;
    let mut unpack = command("mvn");
    unpack.args(["--batch-mode", "--quiet", &format!("{PLUGIN}:unpack")]);
    unpack.arg(format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"));
    unpack.arg(format!("-DoutputDirectory={}", scratch.path().display()));
    output(unpack.current_dir(scratch.path())).await?;
    std::fs::rename(scratch.path().join(format!("keycloak-{VERSION}")), &directory)
        .context("what was unpacked cannot be kept")?;
    Ok(directory)
}
