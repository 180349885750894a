//! An identity provider of a test: honest, unless it is told otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::{Url, form_urlencoded};

pub(crate) const CLIENT: &str = "berth-at-home";
pub(crate) const SECRET: &str = "s3cret+of/the:client";

pub(crate) struct Provider {
    pub(crate) issuer: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// What it says and does. `Value::Null` in a patch takes a field away.
pub(crate) struct State {
    key: Key,
    /// What is published beside the key that signs, or in place of it.
    pub(crate) published: Option<Value>,
    /// Signs in place of the published key.
    pub(crate) forger: Option<Key>,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) discovery: Value,
    pub(crate) userinfo: Option<Value>,
    pub(crate) token_answer: Option<(u16, Value)>,
    pub(crate) behaviour: Behaviour,
    codes: HashMap<String, Request>,
    made: usize,
    pub(crate) asked: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Honest,
    Slow,
    Huge,
    Redirect(String),
    Status(u16),
    Garbage,
}

/// Of a browser that was sent there.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) query: HashMap<String, String>,
}

pub(crate) struct Key {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Self {
        let random = SystemRandom::new();
        let format = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(format, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(format, der.as_ref(), &random).expect("a key");
        Self { kid: kid.to_owned(), pair }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256",
               "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signed = self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
        format!("{message}.{}", encoded(signed))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn patched(mut value: Value, patch: &Value) -> Value {
    for (name, other) in patch.as_object().into_iter().flatten() {
        let fields = value.as_object_mut().expect("an object");
        match other {
            Value::Null => fields.remove(name),
            other => fields.insert(name.clone(), other.clone()),
        };
    }
    value
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            key: Key::new("first"),
            published: None,
            forger: None,
            header: json!({}),
            claims: json!({"sub": "ada", "name": "Ada Lovelace", "email": "ada@acme.com", "email_verified": true}),
            discovery: json!({}),
            userinfo: None,
            token_answer: None,
            behaviour: Behaviour::Honest,
            codes: HashMap::new(),
            made: 0,
            asked: Vec::new(),
        }));
        let (shared, own) = (Arc::clone(&state), issuer.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(answer(stream, Arc::clone(&shared), own.clone()));
            }
        });
        Self { issuer, state, task }
    }

    pub(crate) fn set(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it began.
    pub(crate) fn honest_again(&self) {
        let mut state = self.set();
        let claims =
            json!({"sub": "ada", "name": "Ada Lovelace", "email": "ada@acme.com", "email_verified": true});
        (state.header, state.claims, state.discovery) = (json!({}), claims, json!({}));
        (state.forger, state.userinfo, state.token_answer, state.published) = (None, None, None, None);
        state.behaviour = Behaviour::Honest;
    }

    /// Says something else of whoever comes.
    pub(crate) fn claim(&self, patch: &Value) {
        let mut state = self.set();
        for (name, value) in patch.as_object().expect("an object") {
            state.claims[name] = value.clone();
        }
    }

    /// Another key signs and is published from now on.
    pub(crate) fn rotate(&self, kid: &str) {
        self.set().key = Key::new(kid);
    }

    /// A form that sets this provider.
    pub(crate) fn form(&self) -> Value {
        json!({"issuer": self.issuer, "client_id": CLIENT, "client_secret": SECRET,
               "admission": {"email_domains": ["acme.com"]}})
    }

    /// A person signs in: where the browser goes back to.
    pub(crate) fn authorize(&self, location: &str) -> String {
        let url: Url = location.parse().expect("a URL");
        assert!(location.starts_with(&format!("{}/authorize?", self.issuer)), "{location}");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        let mut state = self.set();
        state.made += 1;
        let code = format!("code-{}", state.made);
        let (redirect, its_state) = (query["redirect_uri"].clone(), query["state"].clone());
        state.codes.insert(code.clone(), Request { query });
        let back = Url::parse_with_params(
            &redirect,
            [("code", code), ("state", its_state), ("iss", self.issuer.clone())],
        );
        let back = back.expect("a URL");
        format!("{}?{}", back.path(), back.query().expect("a query"))
    }

    /// What it tells without a browser.
    pub(crate) fn logout_token(&self, patch: &Value) -> String {
        let claims = json!({"iss": self.issuer, "aud": CLIENT, "iat": now(), "exp": now() + 60, "jti": "j",
                            "sub": "ada", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
        let state = self.set();
        let header = json!({"alg": "ES256", "typ": "logout+jwt", "kid": state.key.kid});
        state.key.sign(&header, &patched(claims, patch))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>, issuer: String) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4_096];
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let behaviour = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.push(path.clone());
        state.behaviour.clone()
    };
    let (status, extra, body) = match behaviour {
        Behaviour::Honest => {
            let (status, body) = {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.answer(&path, &head, &body, &issuer)
            };
            (status, String::new(), body.to_string())
        }
        Behaviour::Slow => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{").await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
        Behaviour::Huge => (200, String::new(), format!("{{\"issuer\": \"{}\"}}", "x".repeat(1 << 20))),
        Behaviour::Redirect(to) => (302, format!("location: {to}\r\n"), String::new()),
        Behaviour::Status(status) => (status, String::new(), "{}".to_owned()),
        Behaviour::Garbage => (200, String::new(), "<html>".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{extra}content-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

impl State {
    fn answer(&mut self, path: &str, head: &str, body: &str, issuer: &str) -> (u16, Value) {
        match path {
            "/.well-known/openid-configuration" => {
                let mut document = json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/keys"),
                    "end_session_endpoint": format!("{issuer}/sign-out"),
                    "authorization_response_iss_parameter_supported": true,
                });
                if self.userinfo.is_some() {
                    document["userinfo_endpoint"] = json!(format!("{issuer}/userinfo"));
                }
                (200, patched(document, &self.discovery))
            }
            "/keys" => (200, self.published.clone().unwrap_or_else(|| json!({"keys": [self.key.jwk()]}))),
            "/userinfo" => (200, self.userinfo.clone().unwrap_or(Value::Null)),
            "/token" => self.token(head, body, issuer),
            _ => (404, json!({})),
        }
    }

    /// As strict as a provider has to be.
    fn token(&mut self, head: &str, body: &str, issuer: &str) -> (u16, Value) {
        if let Some(answer) = &self.token_answer {
            return answer.clone();
        }
        let refused = |error: &str| (400, json!({"error": error}));
        let form: HashMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let client = CLIENT;
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client), encoded(SECRET))));
        if header(head, "authorization") != Some(&basic) {
            return refused("invalid_client");
        }
        // A code is good once.
        let Some(request) = form.get("code").and_then(|code| self.codes.remove(code)) else {
            return refused("invalid_grant");
        };
        let verifier = form.get("code_verifier").map(String::as_str).unwrap_or_default();
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        if request.query.get("code_challenge") != Some(&challenge)
            || form.get("redirect_uri") != request.query.get("redirect_uri")
        {
            return refused("invalid_grant");
        }
        let claims = json!({"iss": issuer, "aud": client, "iat": now(), "exp": now() + 300, "nonce": request.query["nonce"]});
        let signer = self.forger.as_ref().unwrap_or(&self.key);
        let header = patched(json!({"alg": "ES256", "typ": "JWT", "kid": signer.kid}), &self.header);
        let token = signer.sign(&header, &patched(claims, &self.claims));
        (200, json!({"id_token": token, "access_token": "an-access-token", "token_type": "Bearer"}))
    }
}
