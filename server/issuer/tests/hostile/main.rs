//! Tokens that nobody may accept: every one is of a true token but for one respect, and most are signed by the true key, so that
//! it is that respect which has to be noticed.

mod framing;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use berth_issuer::{
    Claims, Expected, Kind, LEEWAY_SECONDS, MAX_TOKEN_BYTES, Rejected, SigningKey, SigningKeys, VerifyingKeys,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use ring::{hmac, signature};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://berth.example.com";
const AUDIENCE: &str = "https://berth.example.com/api";

/// Two installations' keys: the true one's, and an attacker's.
struct World {
    der: Vec<u8>,
    keys: SigningKeys,
    verifying: VerifyingKeys,
    kid: String,
    attacker_der: Vec<u8>,
    attacker: SigningKeys,
}

fn world() -> World {
    let random = SystemRandom::new();
    let (key, der) = SigningKey::generate(&random).expect("a key");
    let (attacker, attacker_der) = SigningKey::generate(&random).expect("a key");
    let kid = key.kid().to_owned();
    let keys = SigningKeys::new(vec![key]);
    let verifying = keys.verifying();
    World {
        der: der.to_vec(),
        keys,
        verifying,
        kid,
        attacker_der: attacker_der.to_vec(),
        attacker: SigningKeys::new(vec![attacker]),
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user/0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b1d", "aud": AUDIENCE,
        "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 290, "jti": "0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b1e",
        "sid": "0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b1f",
    })
}

const fn expected() -> Expected<'static> {
    Expected { kind: Kind::Access, issuer: ISSUER, audience: AUDIENCE, now: NOW }
}

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

impl World {
    fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "ES256", "kid": self.kid})
    }

    /// Signed by the true key.
    fn with(&self, header: &Value, payload: &Value) -> String {
        signed(&self.der, header.to_string(), payload.to_string())
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.with(&header, &claims())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut payload = claims();
        payload[name] = value;
        self.with(&self.header(), &payload)
    }
}

fn without(object: Value, name: &str) -> Value {
    let Value::Object(mut members) = object else { unreachable!("an object") };
    members.remove(name);
    Value::Object(members)
}

/// Another algorithm than ours, some with signatures that a careless verifier takes.
fn algorithms(world: &World) -> Vec<String> {
    let names = [
        "none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
        "PS384", "PS512", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "es256", "ES256 ", "", "ECDH-ES",
        "dir",
    ];
    let mut tokens = Vec::new();
    let point = pair(&world.der);
    let point = signature::KeyPair::public_key(&point).as_ref().to_vec();
    for name in names {
        let mut header = world.header();
        header["alg"] = json!(name);
        let token = world.with(&header, &claims());
        let (message, _) = token.rsplit_once('.').expect("a signature");
        tokens.push(format!("{message}."));
        tokens.push(message.to_owned());
        // The public key as if it were a shared secret.
        for secret in [point.as_slice(), world.kid.as_bytes(), b"", b"secret"] {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            tokens.push(format!("{message}.{}", part(hmac::sign(&key, message.as_bytes()))));
        }
        tokens.push(token);
    }
    for odd in [json!(null), json!(256), json!(["ES256"]), json!({"ES256": 1}), json!(true)] {
        tokens.push(world.with_header("alg", odd));
    }
    tokens.push(world.with(&without(world.header(), "alg"), &claims()));
    tokens
}

/// Keys that the token brings along, points at, or names in odd ways.
fn keys(world: &World) -> Vec<String> {
    let foreign = serde_json::to_value(world.attacker.published()).expect("JSON")["keys"][0].clone();
    let foreign_kid = foreign["kid"].clone();
    let mut tokens = Vec::new();
    for kid in [
        json!(null),
        json!(1),
        json!([world.kid]),
        json!({"kid": world.kid}),
        json!(""),
        json!("../../../../dev/null"),
        json!("/proc/sys/kernel/randomize_va_space"),
        json!("' OR 1=1 --"),
        json!("' UNION SELECT 'secret"),
        json!("|id"),
        json!("https://attacker.example.com/key"),
        json!(format!("{}\u{0}", world.kid)),
        json!(format!(" {}", world.kid)),
        json!(format!("{}\n", world.kid)),
        json!(world.kid.to_lowercase() + "A"),
        json!("k".repeat(1_000)),
        foreign_kid.clone(),
    ] {
        let mut header = world.header();
        header["kid"] = kid;
        tokens.push(world.with(&header, &claims()));
        tokens.push(signed(&world.attacker_der, header.to_string(), claims().to_string()));
    }
    tokens.push(world.with(&without(world.header(), "kid"), &claims()));
    // The attacker's signature under the true key's name.
    tokens.push(signed(&world.attacker_der, world.header().to_string(), claims().to_string()));
    for (name, value) in [
        ("jwk", foreign.clone()),
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
        ("iss", json!(ISSUER)),
        ("x", json!(1)),
    ] {
        let mut header = world.header();
        header[name] = value;
        tokens.push(world.with(&header, &claims()));
        header["kid"] = foreign_kid.clone();
        tokens.push(signed(&world.attacker_der, header.to_string(), claims().to_string()));
    }
    tokens
}

/// Another `typ`, the other kinds' among them.
fn kinds(world: &World) -> Vec<String> {
    let others = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Access).map(|kind| json!(kind.typ()));
    let odd = [
        json!("AT+JWT"),
        json!("application/at+jwt"),
        json!("at+jwt "),
        json!(""),
        json!(null),
        json!(1),
        json!(["at+jwt"]),
        json!("secevent+jwt"),
        json!("dpop+jwt"),
        json!("logout+jwt"),
    ];
    let mut tokens: Vec<_> = others.chain(odd).map(|typ| world.with_header("typ", typ)).collect();
    tokens.push(world.with(&without(world.header(), "typ"), &claims()));
    tokens
}

/// Claims that are missing, of another type, of another value.
fn contents(world: &World) -> Vec<String> {
    let mut tokens = Vec::new();
    for name in ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"] {
        tokens.push(world.with(&world.header(), &without(claims(), name)));
        for odd in [json!(null), json!(true), json!([]), json!({}), json!(""), json!([claims()[name]])] {
            tokens.push(world.with_claim(name, odd));
        }
    }
    for name in ["iss", "sub", "aud", "jti", "sid"] {
        tokens.push(world.with_claim(name, json!(1)));
    }
    for name in ["iat", "nbf", "exp"] {
        for odd in [json!(claims()[name].to_string()), json!(1.5), json!(1e300), json!(u64::MAX), json!("9")]
        {
            tokens.push(world.with_claim(name, odd));
        }
    }
    for extreme in [i64::MIN, i64::MAX, 0, -1, NOW - LEEWAY_SECONDS, NOW + 3_600] {
        tokens.push(world.with_claim("exp", json!(extreme)));
    }
    for extreme in [i64::MIN, i64::MAX, 0, NOW + LEEWAY_SECONDS + 1, NOW + 291] {
        tokens.push(world.with_claim("iat", json!(extreme)));
    }
    for extreme in [i64::MAX, NOW + LEEWAY_SECONDS + 1, NOW + 291] {
        tokens.push(world.with_claim("nbf", json!(extreme)));
    }
    for other in [
        "https://berth.example.com/api/",
        "https://berth.example.com",
        "HTTPS://BERTH.EXAMPLE.COM/api",
        "https://berth.example.com/api,https://other.example.com",
        "https://berth.example.com/api\u{0}",
        " https://berth.example.com/api",
        "https://berth.example.com.attacker.example.com/api",
        "*",
    ] {
        tokens.push(world.with_claim("aud", json!(other)));
        tokens.push(world.with_claim("iss", json!(format!("{other}x"))));
    }
    for list in [json!([AUDIENCE]), json!([AUDIENCE, "https://other.example.com"]), json!({"0": AUDIENCE})] {
        tokens.push(world.with_claim("aud", list));
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
        tokens.push(world.with_claim(name, value));
    }
    tokens
}

#[test]
fn none_of_the_hostile_tokens_is_accepted() {
    let world = world();
    let tokens =
        [algorithms(&world), keys(&world), kinds(&world), contents(&world), framing::tokens(&world)].concat();
    assert!(tokens.len() >= 300, "{}", tokens.len());
    for token in &tokens {
        let verified = world.verifying.verify(token, expected());
        assert!(verified.is_err(), "{token}: {verified:?}");
    }
}

#[test]
fn the_true_token_is_accepted_in_its_time_alone() {
    let world = world();
    let token = world.keys.sign(Kind::Access, &claims()).expect("signed");
    let at = |now| world.verifying.verify(&token, Expected { now, ..expected() });
    let said: Claims = serde_json::from_value(claims()).expect("claims");
    assert_eq!(at(NOW), Ok(said.clone()));
    assert_eq!(at(NOW - 10 - LEEWAY_SECONDS), Ok(said.clone()));
    assert_eq!(at(NOW - 11 - LEEWAY_SECONDS), Err(Rejected::NotYet));
    assert_eq!(at(NOW + 289 + LEEWAY_SECONDS), Ok(said));
    assert_eq!(at(NOW + 290 + LEEWAY_SECONDS), Err(Rejected::Expired));
}

#[test]
fn a_token_of_one_kind_is_none_of_another() {
    let world = world();
    for signed in Kind::ALL {
        let mut claims = claims();
        claims["exp"] = json!(NOW - 10 + signed.max_lifetime_seconds().min(300));
        let token = world.keys.sign(signed, &claims).expect("signed");
        for asked in Kind::ALL {
            let verified = world.verifying.verify(&token, Expected { kind: asked, ..expected() });
            assert_eq!(verified.is_ok(), signed == asked, "{signed:?} as {asked:?}: {verified:?}");
        }
    }
}

#[test]
fn no_kind_lives_longer_than_it_may() {
    let world = world();
    for kind in Kind::ALL {
        let life = |seconds: i64| {
            let mut claims = claims();
            claims["exp"] = json!(NOW - 10 + seconds);
            let token = world.keys.sign(kind, &claims).expect("signed");
            world.verifying.verify(&token, Expected { kind, ..expected() }).map(|_| ())
        };
        assert_eq!(life(kind.max_lifetime_seconds()), Ok(()));
        assert_eq!(life(kind.max_lifetime_seconds() + 1), Err(Rejected::Lifetime));
    }
}

#[test]
fn the_first_key_signs_and_all_verify() {
    let random = SystemRandom::new();
    let (one, _) = SigningKey::generate(&random).expect("a key");
    let (other, der) = SigningKey::generate(&random).expect("a key");
    let old = SigningKeys::new(vec![SigningKey::from_pkcs8(&der, &random).expect("a key")]);
    let token = old.sign(Kind::Access, &claims()).expect("signed");
    let keys = SigningKeys::new(vec![one, other]);
    assert!(keys.verifying().verify(&token, expected()).is_ok());
    let newer = keys.sign(Kind::Access, &claims()).expect("signed");
    assert!(keys.verifying().verify(&newer, expected()).is_ok());
    assert_eq!(old.verifying().verify(&newer, expected()), Err(Rejected::Key));
    let set = serde_json::to_value(keys.published()).expect("JSON");
    assert_eq!(set["keys"].as_array().map(Vec::len), Some(2));
}

#[test]
fn without_a_key_nothing_is_signed_and_nothing_is_believed() {
    let none = SigningKeys::new(Vec::<SigningKey>::new());
    assert!(none.sign(Kind::Access, &claims()).is_err());
    let token = world().keys.sign(Kind::Access, &claims()).expect("signed");
    assert_eq!(none.verifying().verify(&token, expected()), Err(Rejected::Key));
}
