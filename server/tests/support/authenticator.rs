//! An authenticator of a test and the browser in front of it: right, unless it is told otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::{Reply, Visitor};

pub(crate) struct Authenticator {
    pair: EcdsaKeyPair,
    credential: [u8; 16],
    pub(crate) counter: u32,
    /// There, and verified.
    pub(crate) flags: u8,
    pub(crate) party: String,
    /// Where the browser says that it was asked.
    pub(crate) origin: Option<String>,
    account: String,
}

/// The value of an attribute of the page.
pub(crate) fn attribute(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {page}"));
    rest.split('"').next().expect("a value").to_owned()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// As a form has them.
pub(crate) type Fields = Vec<(&'static str, String)>;

pub(crate) async fn submit(browser: &mut Visitor, path: &str, fields: &Fields) -> Reply {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.submit(path, &fields).await
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let format = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(format, &random).expect("a key");
        let mut credential = [0; 16];
        random.fill(&mut credential).expect("random");
        Self {
            pair: EcdsaKeyPair::from_pkcs8(format, der.as_ref(), &random).expect("a key"),
            credential,
            counter: 1,
            flags: 0b101,
            party: "localhost".to_owned(),
            origin: None,
            account: String::new(),
        }
    }

    fn client_data(&self, kind: &str, challenge: &str, browser: &Visitor) -> String {
        let origin = self.origin.as_deref().unwrap_or(browser.origin());
        json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false}).to_string()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let party = digest(&SHA256, self.party.as_bytes());
        [party.as_ref(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// What the page for a new passkey gets.
    pub(crate) fn make(&mut self, page: &str, name: &str, browser: &Visitor) -> Fields {
        self.account = attribute(page, "data-account");
        let challenge = attribute(page, "data-challenge");
        let point = self.pair.public_key().as_ref();
        let mut data = self.data(self.flags | 1 << 6);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(self.credential);
        data.extend([0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..]);
        vec![
            ("client_data", encoded(self.client_data("webauthn.create", &challenge, browser))),
            ("challenge", challenge),
            ("name", name.to_owned()),
            ("authenticator_data", encoded(data)),
        ]
    }

    /// What a page that asks for a passkey gets.
    pub(crate) fn show(&mut self, page: &str, browser: &Visitor) -> Fields {
        let challenge = attribute(page, "data-challenge");
        self.counter += 1;
        let (client, data) = (self.client_data("webauthn.get", &challenge, browser), self.data(self.flags));
        let message = [data.as_slice(), digest(&SHA256, client.as_bytes()).as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &message).expect("signed");
        vec![
            ("challenge", challenge),
            ("credential", encoded(self.credential)),
            ("account", self.account.clone()),
            ("authenticator_data", encoded(data)),
            ("client_data", encoded(client)),
            ("signature", encoded(signature)),
        ]
    }

    /// Registers it for whoever is signed in.
    pub(crate) async fn register(&mut self, browser: &mut Visitor, name: &str) -> Reply {
        let page = browser.get("/passkeys/new").await;
        if page.status != 200 {
            return page;
        }
        let fields = self.make(&page.text, name, browser);
        submit(browser, "/passkeys", &fields).await
    }

    /// Signs in.
    pub(crate) async fn sign_in(&mut self, browser: &mut Visitor) -> Reply {
        let page = browser.get("/sign-in/passkey").await;
        let fields = self.show(&page.text, browser);
        submit(browser, "/sign-in/passkey", &fields).await
    }

    /// Makes sure who is there.
    pub(crate) async fn confirm(&mut self, browser: &mut Visitor) -> Reply {
        let page = browser.get("/confirm?to=/workspaces").await;
        let fields = self.show(&page.text, browser);
        submit(browser, "/confirm?to=/workspaces", &fields).await
    }
}
