//! A real Chromium, driven by the W3C's WebDriver protocol through Debian's chromedriver.
//!
//! Of the clients that exist, thirtyfour switches on serde_json's `preserve_order` for the whole workspace, so that tests would
//! not see the bytes that the released programs write, and fantoccini brings a second TLS library. The handful of requests
//! that a test needs is a page of code.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use berth_harness::command::command;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a page may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that are no characters, as WebDriver writes them.
pub mod keys {
    pub const TAB: &str = "\u{E004}";
    pub const ENTER: &str = "\u{E007}";
    pub const ESCAPE: &str = "\u{E00C}";
    pub const F1: &str = "\u{E031}";
}

/// A browser with a profile of its own; it ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    session: String,
    _driver: tokio::process::Child,
    profile: TempDir,
}

impl Browser {
    /// Starts one. `origin` is treated as if it were HTTPS, as it is behind the proxy.
    pub async fn start(origin: &str) -> anyhow::Result<Self> {
        Self::start_with(&format!("--unsafely-treat-insecure-origin-as-secure={origin}")).await
    }

    /// Starts one that trusts a certificate by its public key (SHA-256 in base64), and nothing else that it would not trust.
    pub async fn trusting(key_hash: &str) -> anyhow::Result<Self> {
        Self::start_with(&format!("--ignore-certificate-errors-spki-list={key_hash}")).await
    }

    async fn start_with(argument: &str) -> anyhow::Result<Self> {
        let profile = tempfile::tempdir().context("no directory for a profile")?;
        let address = berth_harness::free_address(std::net::Ipv4Addr::LOCALHOST.into())?;
        // In a PID namespace of its own: what the driver starts does not outlive it, however it ends.
        let driver = command("unshare")
            .args(["--pid", "--mount-proc", "--fork", "--kill-child", "chromedriver"])
            .arg(format!("--port={}", address.port()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("chromedriver cannot be started; `make deps` installs it")?;
        let http = reqwest::Client::builder().tls_certs_only([]).timeout(PATIENCE).build()?;
        let mut browser = Self { http, session: format!("http://{address}"), _driver: driver, profile };
        let begin = Instant::now();
        while browser.call(Method::GET, "/status", None).await.is_err() {
            ensure!(begin.elapsed() < PATIENCE, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let options = json!({
            "binary": "/usr/bin/chromium",
            "args": [
                "--headless=new",
                // The sandbox needs what root in a container does not have.
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--window-size=1280,800",
                format!("--user-data-dir={}", browser.profile.path().display()),
                argument,
            ],
        });
        let capabilities = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let created = browser.call(Method::POST, "/session", Some(capabilities)).await?;
        let id = created["sessionId"].as_str().context("a session without an id")?;
        browser.session = format!("http://{address}/session/{id}");
        Ok(browser)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if let Some(body) = &body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let mut answer: Value = response.json().await?;
        ensure!(status.is_success(), "{path}: {}", answer["value"]["message"]);
        Ok(answer["value"].take())
    }

    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.call(Method::POST, "/url", Some(json!({"url": url}))).await.map(drop)
    }

    /// Waits for an element by its CSS selector and gives its id.
    pub async fn find(&self, selector: &str) -> anyhow::Result<String> {
        let query = json!({"using": "css selector", "value": selector});
        let begin = Instant::now();
        loop {
            match self.call(Method::POST, "/element", Some(query.clone())).await {
                Ok(found) => return Ok(found[ELEMENT].as_str().context("no element's id")?.to_owned()),
                Err(cause) if begin.elapsed() > PATIENCE => return Err(cause.context(selector.to_owned())),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.find(selector).await?;
        self.call(Method::POST, &format!("/element/{element}/click"), Some(json!({}))).await.map(drop)
    }

    /// Types into a field.
    pub async fn fill(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let element = self.find(selector).await?;
        self.call(Method::POST, &format!("/element/{element}/value"), Some(json!({"text": text})))
            .await
            .map(drop)
    }

    /// What a person reads of the page.
    pub async fn text(&self) -> anyhow::Result<String> {
        let body = self.find("body").await?;
        let text = self.call(Method::GET, &format!("/element/{body}/text"), None).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// How wide the window is, in pixels; its height stays.
    pub async fn resize(&self, width: u32) -> anyhow::Result<()> {
        let size = json!({"width": width, "height": 800});
        self.call(Method::POST, "/window/rect", Some(size)).await.map(drop)
    }

    /// Goes on in the window that was opened as the one of that number, from 0.
    pub async fn window(&self, number: usize) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let all = self.call(Method::GET, "/window/handles", None).await?;
            if let Some(handle) = all.get(number) {
                return self.call(Method::POST, "/window", Some(json!({"handle": handle}))).await.map(drop);
            }
            ensure!(begin.elapsed() < PATIENCE, "no window {number} was opened");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Goes on as if the person preferred that colour scheme: `light` or `dark`.
    pub async fn prefer(&self, scheme: &str) -> anyhow::Result<()> {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let body = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.call(Method::POST, "/goog/cdp/execute", Some(body)).await.map(drop)
    }

    /// What the browser has complained of since it was asked last: broken policies, failed requests, errors of scripts.
    pub async fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let entries = self.call(Method::POST, "/se/log", Some(json!({"type": "browser"}))).await?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        Ok(entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect())
    }

    /// Gives the browser a virtual authenticator that keeps passkeys and makes sure who is there (WebAuthn, 11). Its id.
    pub async fn add_authenticator(&self) -> anyhow::Result<String> {
        let wanted = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserConsenting": true,
            "isUserVerified": true,
        });
        let id = self.call(Method::POST, "/webauthn/authenticator", Some(wanted)).await?;
        Ok(id.as_str().context("no authenticator's id")?.to_owned())
    }

    /// Whether the authenticator finds that it is its person who is there.
    pub async fn verify_users(&self, authenticator: &str, is_them: bool) -> anyhow::Result<()> {
        let path = format!("/webauthn/authenticator/{authenticator}/uv");
        self.call(Method::POST, &path, Some(json!({"isUserVerified": is_them}))).await.map(drop)
    }

    /// What the authenticator keeps.
    pub async fn credentials(&self, authenticator: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/webauthn/authenticator/{authenticator}/credentials");
        Ok(self.call(Method::GET, &path, None).await?.as_array().cloned().unwrap_or_default())
    }

    /// The authenticator keeps that alone.
    pub async fn replace_credential(&self, authenticator: &str, credential: &Value) -> anyhow::Result<()> {
        let all = format!("/webauthn/authenticator/{authenticator}/credentials");
        self.call(Method::DELETE, &all, None).await?;
        let one = format!("/webauthn/authenticator/{authenticator}/credential");
        self.call(Method::POST, &one, Some(credential.clone())).await.map(drop)
    }

    /// The cookies that the page has, as WebDriver writes them.
    pub async fn cookies(&self) -> anyhow::Result<Value> {
        self.call(Method::GET, "/cookie", None).await
    }

    /// Types at where the focus is.
    pub async fn press(&self, text: &str) -> anyhow::Result<()> {
        let strokes = text.chars().flat_map(|key| {
            let key = key.to_string();
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
        });
        let actions = json!({"actions": [
            {"type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>()},
        ]});
        self.call(Method::POST, "/actions", Some(actions)).await.map(drop)
    }

    /// What a script, a function's body, returns.
    pub async fn run(&self, script: &str) -> anyhow::Result<Value> {
        self.call(Method::POST, "/execute/sync", Some(json!({"script": script, "args": []}))).await
    }

    /// Waits until the page that is shown is at that path.
    pub async fn wait_at(&self, path: &str) -> anyhow::Result<()> {
        self.wait_until(&format!("return location.pathname === '{path}'")).await
    }

    /// Waits until a person reads that.
    pub async fn wait_for_text(&self, text: &str) -> anyhow::Result<()> {
        self.wait_until(&format!("return document.body.innerText.includes('{text}')")).await
    }

    /// Waits until a script returns true.
    pub async fn wait_until(&self, script: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.run(script).await? != Value::Bool(true) {
            if begin.elapsed() > PATIENCE {
                let shown = self.text().await.unwrap_or_default();
                bail!("it never became true: {script}; the page shows: {shown}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Writes the page as PNG into the folder that `BERTH_SCREENSHOTS` names. Without it nothing is written anywhere.
    pub async fn screenshot(&self, name: &str) -> anyhow::Result<()> {
        let Some(folder) = std::env::var_os("BERTH_SCREENSHOTS") else { return Ok(()) };
        let file = Path::new(&folder).join(name);
        let encoded = self.call(Method::GET, "/screenshot", None).await?;
        let png =
            base64::engine::general_purpose::STANDARD.decode(encoded.as_str().context("no picture")?)?;
        std::fs::write(&file, png).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// Ends it in good order.
    pub async fn quit(self) -> anyhow::Result<()> {
        self.call(Method::DELETE, "", None).await.map(drop)
    }
}
