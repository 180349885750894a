//! A server that lets people in as the real one does (decision 0054), and as strictly: a refresh token that is used twice ends the
//! session. Every secret of it holds [`TOKEN`], so that none can be printed unnoticed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{Berth, ORGANIZATION, TOKEN, WORKSPACE_ID, ok, problem, workspace};

/// What a test may change, and what it may look at.
pub(crate) struct State {
    pub(crate) uri: String,
    pub(crate) issuer: String,
    /// What `/oauth/device_authorization` says beside the code.
    pub(crate) device: Value,
    /// What the polls of a device get, one after the other; then the tokens.
    pub(crate) polls: Vec<&'static str>,
    /// What `/oauth/authorize` was told, as the real one keeps it: the challenge and the address to go back to.
    pub(crate) asked: Option<(String, String)>,
    pub(crate) organizations: Value,
    /// The number of the tokens that are good now; none: the session has ended.
    pub(crate) good: Option<u32>,
    pub(crate) refreshes: u32,
    pub(crate) revoked: Vec<String>,
    /// No access token opens anything until there is another one.
    pub(crate) closed: bool,
    /// What state the workspace `reef` is in.
    pub(crate) actual: &'static str,
    /// The answer to a refresh is a second on its way.
    pub(crate) slow: bool,
    /// In place of every answer of `/oauth/…`.
    pub(crate) instead: Option<ResponseTemplate>,
}

#[derive(Clone)]
pub(crate) struct Fake(Arc<Mutex<State>>);

pub(crate) async fn server() -> (MockServer, Fake) {
    let server = MockServer::start().await;
    let fake = Fake(Arc::new(Mutex::new(State {
        uri: server.uri(),
        issuer: server.uri(),
        device: json!({
            "user_code": "WDJB-MJHT", "verification_uri": format!("{}/device", server.uri()),
            "expires_in": 600, "interval": 1,
        }),
        polls: Vec::new(),
        asked: None,
        organizations: json!([organization("main", "owner", false)]),
        good: Some(0),
        refreshes: 0,
        revoked: Vec::new(),
        closed: false,
        actual: "Stopped",
        slow: false,
        instead: None,
    })));
    Mock::given(any()).respond_with(fake.clone()).mount(&server).await;
    (server, fake)
}

pub(crate) fn organization(name: &str, role: &str, suspended: bool) -> Value {
    let id = uuid_of(name);
    json!({ "id": id, "name": name, "role": role, "suspended": suspended })
}

fn uuid_of(name: &str) -> String {
    let first = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{first:08x}-0000-4000-8000-00000000000f")
}

pub(crate) fn access(number: u32) -> String {
    format!("{TOKEN}_access_{number}")
}

pub(crate) fn refresh(number: u32) -> String {
    format!("{TOKEN}_refresh_{number}")
}

/// A context of that server with the tokens of that number.
pub(crate) fn store(berth: &Berth, server: &MockServer, number: u32, expires_at: &str) {
    let (directory, url) = (berth.home.path().join(".config/berth"), server.uri());
    let (access, refresh) = (access(number), refresh(number));
    let text = format!(
        "current: here\ncontexts:\n  here:\n    url: {url}\n    organization: main\n    login:\n      refresh_token: {refresh}\n      \
         access_token: {access}\n      expires_at: {expires_at}\n"
    );
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("config.yaml");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

pub(crate) const PAST: &str = "2026-01-01T00:00:00Z";
pub(crate) const FUTURE: &str = "2199-01-01T00:00:00Z";

impl Fake {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn refused(code: &str) -> ResponseTemplate {
    ResponseTemplate::new(400)
        .set_body_json(json!({ "error": code, "error_description": "because \u{1b}[2J of it" }))
}

impl State {
    fn tokens(&mut self) -> ResponseTemplate {
        let number = self.good.map_or(0, |number| number + 1);
        (self.good, self.closed) = (Some(number), false);
        let delay = Duration::from_secs(u64::from(self.slow));
        ok(json!({
            "access_token": access(number), "token_type": "Bearer", "expires_in": 600, "refresh_token": refresh(number),
        }))
        .set_delay(delay)
    }

    fn token(&mut self, form: &HashMap<String, String>) -> ResponseTemplate {
        match form["grant_type"].as_str() {
            "urn:ietf:params:oauth:grant-type:device_code" => {
                assert_eq!(form["device_code"], format!("{TOKEN}_device"));
                if self.polls.is_empty() { self.tokens() } else { refused(self.polls.remove(0)) }
            }
            "authorization_code" => {
                let digest = ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes());
                let shown = (URL_SAFE_NO_PAD.encode(digest), form["redirect_uri"].clone());
                assert_eq!(form["code"], format!("{TOKEN}_code"));
                if self.asked.take() == Some(shown) { self.tokens() } else { refused("invalid_grant") }
            }
            "refresh_token" => {
                self.refreshes += 1;
                if self.good.is_some_and(|number| form["refresh_token"] == refresh(number)) {
                    return self.tokens();
                }
                self.good = None;
                refused("invalid_grant")
            }
            _ => refused("unsupported_grant_type"),
        }
    }
}

impl Respond for Fake {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let state = &mut *self.state();
        let path = request.url.path();
        if let Some(instead) = state.instead.clone().filter(|_| path.starts_with("/oauth/")) {
            return instead;
        }
        let form = || {
            let form: HashMap<String, String> = serde_urlencoded::from_bytes(&request.body).unwrap();
            assert_eq!(form["client_id"], "berth-cli");
            form
        };
        match path {
            "/.well-known/oauth-authorization-server" => ok(json!({ "issuer": state.issuer })),
            "/oauth/device_authorization" => {
                assert!(!form()["device_name"].is_empty());
                let mut answer = state.device.clone();
                answer["device_code"] = json!(format!("{TOKEN}_device"));
                ok(answer)
            }
            "/oauth/token" => state.token(&form()),
            "/oauth/revoke" => {
                state.revoked.push(form()["token"].clone());
                state.good = None;
                ResponseTemplate::new(200)
            }
            _ => {
                let shown =
                    request.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
                let is_good = |number| shown.as_deref() == Some(&format!("Bearer {}", access(number)));
                if state.closed || !state.good.is_some_and(is_good) {
                    return problem(401, "the token is not known", &json!([]));
                }
                match path {
                    "/api/v1/account" => ok(json!({
                        "id": uuid_of("zoe"), "name": "Zoë \u{1b}[2J", "organizations": state.organizations,
                        "session": { "id": uuid_of("session"), "expires_at": "2026-12-31T00:00:00Z" },
                    })),
                    path if path == format!("{ORGANIZATION}/workspaces") => ok(json!({ "items": [] })),
                    path if path == format!("{ORGANIZATION}/workspaces/reef/start")
                        || path == format!("{ORGANIZATION}/workspaces/{WORKSPACE_ID}") =>
                    {
                        ok(workspace("Running", state.actual, 2, 2))
                    }
                    _ => problem(404, "no such path", &json!([])),
                }
            }
        }
    }
}
