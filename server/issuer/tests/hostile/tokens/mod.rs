//! Tokens that nobody may accept: every one is of a true token but for one respect, and most are signed by the true key, so that
//! it is that respect which has to be noticed.
//!
//! They know nothing of how tokens are verified: this is tried on the crate, and on every place of the server that verifies.

mod framing;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use serde_json::{Value, json};

/// A true token, and who verifies it when.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    /// The key that signs it, in PKCS #8.
    pub(crate) der: Vec<u8>,
    /// The name of that key.
    pub(crate) kid: String,
    /// The `typ` of its kind.
    pub(crate) typ: String,
    /// Those of all other kinds.
    pub(crate) other_typs: Vec<String>,
    /// `iss`, `sub`, `aud`, `iat`, `nbf`, `exp` and `jti`, and perhaps `sid`. It is valid `now`, for some seconds more.
    pub(crate) claims: Value,
    /// Seconds since 1970.
    pub(crate) now: i64,
    /// How far clocks may be apart, in seconds.
    pub(crate) leeway: i64,
    /// The longest life of a token of its kind, in seconds.
    pub(crate) longest: i64,
    /// The longest token that anybody looks at.
    pub(crate) most_bytes: usize,
}

/// A key that nobody trusts.
const FOREIGN_KID: &str = "bm90IG9uZSBvZiBvdXJzLCBub3QgYXQgYWxsISEhISE";

fn part(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn pair(der: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()).expect("a key")
}

fn signed(der: &[u8], header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let message = format!("{}.{}", part(header), part(payload));
    let signature = pair(der).sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
    format!("{message}.{}", part(signature))
}

fn a_key() -> Vec<u8> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    made.expect("a key").as_ref().to_vec()
}

/// The public half, as JSON that a token brings along.
fn jwk(der: &[u8]) -> Value {
    let pair = pair(der);
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": FOREIGN_KID, "x": part(x), "y": part(y)})
}

impl Truth {
    /// The true token.
    pub(crate) fn token(&self) -> String {
        self.with(&self.header(), &self.claims)
    }

    /// The true token with another claim, signed by the true key.
    pub(crate) fn with_claim(&self, name: &str, value: Value) -> String {
        let mut payload = self.claims.clone();
        payload[name] = value;
        self.with(&self.header(), &payload)
    }

    /// Some 500 that are true but for one respect.
    pub(crate) fn hostile(&self) -> Vec<String> {
        [algorithms(self), keys(self), kinds(self), contents(self), framing::tokens(self)].concat()
    }

    fn header(&self) -> Value {
        json!({"typ": self.typ, "alg": "ES256", "kid": self.kid})
    }

    /// Signed by the true key.
    fn with(&self, header: &Value, payload: &Value) -> String {
        signed(&self.der, header.to_string(), payload.to_string())
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.with(&header, &self.claims)
    }
}

fn without(object: &Value, name: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().and_then(|members| members.remove(name));
    object
}

/// Another algorithm than ours, some with signatures that a careless verifier takes.
fn algorithms(truth: &Truth) -> Vec<String> {
    let names = [
        "none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
        "PS384", "PS512", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "es256", "ES256 ", "", "ECDH-ES",
        "dir",
    ];
    let mut tokens = Vec::new();
    let point = pair(&truth.der).public_key().as_ref().to_vec();
    for name in names {
        let mut header = truth.header();
        header["alg"] = json!(name);
        let token = truth.with(&header, &truth.claims);
        let (message, _) = token.rsplit_once('.').expect("a signature");
        tokens.push(format!("{message}."));
        tokens.push(message.to_owned());
        // The public key as if it were a shared secret.
        for secret in [point.as_slice(), truth.kid.as_bytes(), b"", b"secret"] {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            tokens.push(format!("{message}.{}", part(hmac::sign(&key, message.as_bytes()))));
        }
        tokens.push(token);
    }
    for odd in [json!(null), json!(256), json!(["ES256"]), json!({"ES256": 1}), json!(true)] {
        tokens.push(truth.with_header("alg", odd));
    }
    tokens.push(truth.with(&without(&truth.header(), "alg"), &truth.claims));
    tokens
}

/// Keys that the token brings along, points at, or names in odd ways.
fn keys(truth: &Truth) -> Vec<String> {
    let attacker = a_key();
    let mut tokens = Vec::new();
    for kid in [
        json!(null),
        json!(1),
        json!([truth.kid]),
        json!({"kid": truth.kid}),
        json!(""),
        json!("../../../../dev/null"),
        json!("/proc/sys/kernel/randomize_va_space"),
        json!("' OR 1=1 --"),
        json!("' UNION SELECT 'secret"),
        json!("|id"),
        json!("https://attacker.example.com/key"),
        json!(format!("{}\u{0}", truth.kid)),
        json!(format!(" {}", truth.kid)),
        json!(format!("{}\n", truth.kid)),
        json!(truth.kid.to_lowercase() + "A"),
        json!("k".repeat(1_000)),
        json!(FOREIGN_KID),
    ] {
        let mut header = truth.header();
        header["kid"] = kid;
        tokens.push(truth.with(&header, &truth.claims));
        tokens.push(signed(&attacker, header.to_string(), truth.claims.to_string()));
    }
    tokens.push(truth.with(&without(&truth.header(), "kid"), &truth.claims));
    // The attacker's signature under the true key's name.
    tokens.push(signed(&attacker, truth.header().to_string(), truth.claims.to_string()));
    for (name, value) in [
        ("jwk", jwk(&attacker)),
        ("jku", json!("https://attacker.example.com/jwks.json")),
        ("x5u", json!("https://attacker.example.com/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!("b64")),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("url", json!("https://berth.example.com")),
        ("nonce", json!("1")),
        ("iss", truth.claims["iss"].clone()),
        ("x", json!(1)),
    ] {
        let mut header = truth.header();
        header[name] = value;
        tokens.push(truth.with(&header, &truth.claims));
        header["kid"] = json!(FOREIGN_KID);
        tokens.push(signed(&attacker, header.to_string(), truth.claims.to_string()));
    }
    tokens
}

/// Another `typ`, the other kinds' among them.
fn kinds(truth: &Truth) -> Vec<String> {
    let typ = &truth.typ;
    let swapped = typ
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    let odd = [
        json!(swapped.collect::<String>()),
        json!(format!("application/{typ}")),
        json!(format!("{typ} ")),
        json!(""),
        json!(null),
        json!(1),
        json!([typ]),
        json!("secevent+jwt"),
        json!("dpop+jwt"),
        json!("logout+jwt"),
    ];
    let others = truth.other_typs.iter().map(|typ| json!(typ));
    let mut tokens: Vec<_> = others.chain(odd).map(|typ| truth.with_header("typ", typ)).collect();
    tokens.push(truth.with(&without(&truth.header(), "typ"), &truth.claims));
    tokens
}

/// Claims that are missing, of another type, of another value.
fn contents(truth: &Truth) -> Vec<String> {
    let mut tokens = Vec::new();
    for name in ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"] {
        tokens.push(truth.with(&truth.header(), &without(&truth.claims, name)));
        for odd in [json!(null), json!(true), json!([]), json!({}), json!(""), json!([truth.claims[name]])] {
            tokens.push(truth.with_claim(name, odd));
        }
    }
    for name in ["iss", "sub", "aud", "jti", "sid"] {
        tokens.push(truth.with_claim(name, json!(1)));
    }
    for name in ["iat", "nbf", "exp"] {
        for odd in
            [json!(truth.claims[name].to_string()), json!(1.5), json!(1e300), json!(u64::MAX), json!("9")]
        {
            tokens.push(truth.with_claim(name, odd));
        }
    }
    let (now, leeway) = (truth.now, truth.leeway);
    for extreme in [i64::MIN, i64::MAX, 0, -1, now - leeway, now + truth.longest + 100] {
        tokens.push(truth.with_claim("exp", json!(extreme)));
    }
    for extreme in [i64::MIN, i64::MAX, 0, now + leeway + 1, now + 400] {
        tokens.push(truth.with_claim("iat", json!(extreme)));
    }
    for extreme in [i64::MAX, now + leeway + 1, now + 400] {
        tokens.push(truth.with_claim("nbf", json!(extreme)));
    }
    for name in ["iss", "aud"] {
        let text = truth.claims[name].as_str().expect("text");
        let (iss, parent) =
            (truth.claims["iss"].as_str().expect("text"), text.rsplit_once('/').map(|(parent, _)| parent));
        for other in [
            format!("{text}/"),
            format!("{text}x/y"),
            parent.unwrap_or_default().to_owned(),
            text.to_uppercase(),
            format!("{text},https://other.example.com"),
            format!("{text}\u{0}"),
            format!(" {text}"),
            text.replacen(iss, &format!("{iss}.attacker.example.com"), 1)
                + if text.contains(iss) { "" } else { "x" },
            text.replacen(iss, "https://attacker.example.com", 1) + if text.contains(iss) { "" } else { "y" },
            "*".to_owned(),
        ] {
            tokens.push(truth.with_claim(name, json!(other)));
        }
        for list in [json!([text]), json!([text, "https://other.example.com"]), json!({"0": text})] {
            tokens.push(truth.with_claim(name, list));
        }
    }
    for (name, value) in [
        ("admin", json!(true)),
        ("scope", json!("*")),
        ("act", json!({"sub": "user/1"})),
        ("cnf", json!({})),
        ("email", json!("somebody@example.com")),
        ("Exp", json!(1)),
        ("", json!("")),
    ] {
        tokens.push(truth.with_claim(name, value));
    }
    tokens
}
