//! Tokens that are right but for one respect, most of them signed by the provider's own key: none is accepted, and for that
//! respect.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_oidc::{
    ExpectedIdToken, Keys, MAX_TOKEN_BYTES, NoKeys, Rejected, Relying, verify_id_token, verify_logout_token,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use ring::{hmac, signature};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example.com";

struct Provider {
    key: EcdsaKeyPair,
    jwk: Value,
    keys: Keys,
}

fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn provider() -> Provider {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let key =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).expect("a key");
    let point = key.public_key().as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "alg": "ES256",
                     "x": part(&point[1..33]), "y": part(&point[33..])});
    let keys = Keys::read(json!({"keys": [jwk]}).to_string().as_bytes()).expect("keys");
    Provider { key, jwk, keys }
}

fn header() -> Value {
    json!({"typ": "JWT", "alg": "ES256", "kid": "k1"})
}

fn id_token() -> Value {
    json!({"iss": ISSUER, "sub": "ada", "aud": "berth", "exp": NOW + 300, "iat": NOW - 1, "nonce": "n",
           "acr": "gold", "amr": ["pwd", "mfa"], "auth_time": NOW - 5, "sid": "s1", "email": "ada@acme.com"})
}

fn logout_token() -> Value {
    json!({"iss": ISSUER, "sub": "ada", "aud": "berth", "exp": NOW + 100, "iat": NOW - 1, "jti": "j", "sid": "s1",
           "events": {"http://schemas.openid.net/event/backchannel-logout": {}}})
}

fn with(mut value: Value, name: &str, other: Value) -> Value {
    value[name] = other;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().expect("an object").remove(name);
    value
}

impl Provider {
    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let signed = self.key.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
        format!("{message}.{}", part(signed))
    }

    fn relying(&self) -> Relying<'_> {
        Relying { issuer: ISSUER, client_id: "berth", keys: &self.keys, now: NOW }
    }

    fn id(&self, token: &str) -> Result<String, Rejected> {
        let expected = ExpectedIdToken { nonce: "n" };
        verify_id_token(token, self.relying(), expected).map(|token| token.subject)
    }

    fn claims(&self, claims: &Value) -> Result<String, Rejected> {
        self.id(&self.sign(&header(), claims))
    }

    fn header(&self, header: &Value) -> Result<String, Rejected> {
        self.id(&self.sign(header, &id_token()))
    }
}

#[test]
fn a_right_token_says_who_it_is_and_how_that_was_proven() {
    let provider = provider();
    let token = provider.sign(&header(), &id_token());
    let expected = ExpectedIdToken { nonce: "n" };
    let token = verify_id_token(&token, provider.relying(), expected).expect("right");
    assert_eq!((token.subject.as_str(), token.sid.as_deref()), ("ada", Some("s1")));
    assert_eq!((token.acr.as_deref(), token.amr.join(" ").as_str()), (Some("gold"), "pwd mfa"));
    assert_eq!(token.auth_time, Some(NOW - 5));
    assert_eq!(token.claims["email"], "ada@acme.com");
    for right in [
        with(id_token(), "aud", json!(["berth"])),
        with(id_token(), "azp", json!("berth")),
        without(without(without(id_token(), "acr"), "amr"), "auth_time"),
        with(with(id_token(), "exp", json!(NOW - 50)), "iat", json!(NOW - 90)),
        with(id_token(), "iat", json!(NOW + 50)),
        with(id_token(), "nbf", json!(NOW)),
    ] {
        assert_eq!(provider.claims(&right).as_deref(), Ok("ada"), "{right}");
    }
    for right in [without(header(), "typ"), without(header(), "kid"), with(header(), "typ", json!("jwt"))] {
        assert_eq!(provider.header(&right).as_deref(), Ok("ada"), "{right}");
    }
    let more = |value: Value| value.as_object().expect("an object").clone();
    let told = token.clone().with(more(json!({"sub": "ada", "email": "other@evil.com", "groups": ["a"]})));
    let told = told.expect("the same person");
    assert_eq!((&told.claims["email"], &told.claims["groups"]), (&json!("ada@acme.com"), &json!(["a"])));
    assert_eq!(token.clone().with(more(json!({"sub": "eve"}))), Err(Rejected::Subject));
    assert_eq!(token.with(more(json!({}))), Err(Rejected::Subject));
}

#[test]
fn a_claim_that_is_wrong_missing_or_of_another_type_is_not_believed() {
    let provider = provider();
    let long = "x".repeat(256);
    for (name, value, rejected) in [
        ("iss", json!("https://evil.example"), Rejected::Issuer),
        ("iss", json!("https://id.example.com/"), Rejected::Issuer),
        ("iss", json!("HTTPS://id.example.com"), Rejected::Issuer),
        ("iss", json!(["https://id.example.com"]), Rejected::Claims),
        ("aud", json!("other"), Rejected::Audience),
        ("aud", json!(["other"]), Rejected::Audience),
        ("aud", json!([]), Rejected::Audience),
        ("aud", json!("berth other"), Rejected::Audience),
        ("aud", json!(["berth", "other"]), Rejected::Audience),
        ("aud", json!(["other", "berth"]), Rejected::Audience),
        ("aud", json!({"berth": 1}), Rejected::Claims),
        ("aud", json!(7), Rejected::Claims),
        ("azp", json!("other"), Rejected::Audience),
        ("azp", json!(7), Rejected::Claims),
        ("nonce", json!("other"), Rejected::Nonce),
        ("nonce", json!(""), Rejected::Nonce),
        ("nonce", json!("N"), Rejected::Nonce),
        ("nonce", Value::Null, Rejected::Nonce),
        ("nonce", json!(["n"]), Rejected::Claims),
        ("exp", json!(NOW - 60), Rejected::Expired),
        ("exp", json!(NOW - 2), Rejected::Expired),
        ("exp", json!(0), Rejected::Expired),
        ("exp", json!(i64::MIN), Rejected::Expired),
        ("exp", json!("soon"), Rejected::Claims),
        ("exp", json!(1.5e300), Rejected::Claims),
        ("exp", Value::Null, Rejected::Claims),
        ("iat", json!(NOW + 61), Rejected::NotYet),
        ("iat", json!(NOW - 15 * 60 - 1), Rejected::Old),
        ("iat", json!(i64::MIN), Rejected::Old),
        ("iat", json!("now"), Rejected::Claims),
        ("nbf", json!(NOW + 61), Rejected::NotYet),
        ("sub", json!(""), Rejected::Subject),
        ("sub", json!(long), Rejected::Subject),
        ("sub", json!("ada\u{0}"), Rejected::Subject),
        ("sub", json!("adä"), Rejected::Subject),
        ("sub", Value::Null, Rejected::Subject),
        ("sub", json!(7), Rejected::Claims),
        ("auth_time", json!(NOW + 61), Rejected::NotYet),
        ("auth_time", json!(-1), Rejected::NotYet),
        ("auth_time", json!("now"), Rejected::Claims),
        ("amr", json!("mfa"), Rejected::Claims),
        ("acr", json!(["gold"]), Rejected::Claims),
        ("sid", json!(""), Rejected::Claims),
        ("events", json!({}), Rejected::Claims),
    ] {
        let claims = with(id_token(), name, value);
        assert_eq!(provider.claims(&claims), Err(rejected), "{name}: {claims}");
    }
    for (name, rejected) in [
        ("iss", Rejected::Claims),
        ("aud", Rejected::Claims),
        ("nonce", Rejected::Nonce),
        ("exp", Rejected::Claims),
        ("iat", Rejected::Claims),
        ("sub", Rejected::Subject),
    ] {
        assert_eq!(provider.claims(&without(id_token(), name)), Err(rejected), "without {name}");
    }
    let text = id_token().to_string();
    for twice in
        [r#"{"sub":"eve","#, r#"{"iss":"https://evil.example","#, r#"{"aud":"berth","#, r#"{"nonce":"n","#]
    {
        let claims = format!("{twice}{}", &text[1..]);
        assert_eq!(provider.id(&provider.sign_text(&header().to_string(), &claims)), Err(Rejected::Claims));
    }
}

#[test]
fn a_header_that_is_another_is_not_believed() {
    let provider = provider();
    let mut own = provider.jwk.clone();
    own["kid"] = json!("mine");
    for (name, value, rejected) in [
        ("alg", json!("none"), Rejected::Malformed),
        ("alg", json!("None"), Rejected::Malformed),
        ("alg", json!(""), Rejected::Malformed),
        ("alg", json!("ES256K"), Rejected::Malformed),
        ("alg", json!("HS256"), Rejected::Algorithm),
        ("alg", json!("HS512"), Rejected::Algorithm),
        ("alg", json!("RS256"), Rejected::Key),
        ("alg", json!("ES384"), Rejected::Key),
        ("alg", json!("EdDSA"), Rejected::Key),
        ("typ", json!("at+jwt"), Rejected::Type),
        ("typ", json!("logout+jwt"), Rejected::Type),
        ("typ", json!(""), Rejected::Type),
        ("kid", json!("k2"), Rejected::Key),
        ("kid", json!(""), Rejected::Key),
        ("kid", json!("../k1"), Rejected::Key),
        ("kid", json!(1), Rejected::Malformed),
        ("crit", json!(["exp"]), Rejected::Critical),
        ("crit", json!([]), Rejected::Critical),
        ("zip", json!("DEF"), Rejected::Critical),
    ] {
        assert_eq!(provider.header(&with(header(), name, value.clone())), Err(rejected), "{name} {value}");
    }
    // What a header brings along of keys is not looked at.
    let attacker = crate::provider();
    for (name, value) in [
        ("jwk", attacker.jwk.clone()),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example")),
    ] {
        let token = attacker.sign(&with(header(), name, value), &id_token());
        assert_eq!(provider.id(&token), Err(Rejected::Signature), "{name}");
    }
}

#[test]
fn a_signature_of_somebody_else_or_of_something_else_is_none() {
    let provider = provider();
    let token = provider.sign(&header(), &id_token());
    let (message, signed) = token.rsplit_once('.').expect("a signature");
    assert_eq!(provider.id(&crate::provider().sign(&header(), &id_token())), Err(Rejected::Signature));
    let (head, _) = message.split_once('.').expect("a payload");
    let changed = format!("{head}.{}.{signed}", part(with(id_token(), "sub", json!("eve")).to_string()));
    assert_eq!(provider.id(&changed), Err(Rejected::Signature));
    assert_eq!(provider.id(&format!("{message}.")), Err(Rejected::Signature));
    assert_eq!(provider.id(&format!("{message}.{}", part([0; 64]))), Err(Rejected::Signature));
    // The public key as if it were a shared secret.
    let hs = with(header(), "alg", json!("HS256"));
    let message = format!("{}.{}", part(hs.to_string()), part(id_token().to_string()));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, provider.key.public_key().as_ref());
    let forged = format!("{message}.{}", part(hmac::sign(&secret, message.as_bytes())));
    assert_eq!(provider.id(&forged), Err(Rejected::Algorithm));
    let none = format!("{}.{}.", part(json!({"alg": "none"}).to_string()), part(id_token().to_string()));
    for broken in [none.as_str(), message.as_str(), "", ".", "..", "a.b.c", "a.b.c.d", &token[1..], "é.é.é"]
    {
        assert_eq!(provider.id(broken), Err(Rejected::Malformed), "{broken}");
    }
    assert_eq!(provider.id(&format!("{token}{}", "A".repeat(MAX_TOKEN_BYTES))), Err(Rejected::TooLong));
}

#[test]
fn keys_that_are_not_for_signatures_or_are_not_whole_are_left_out() {
    let provider = provider();
    let jwk = &provider.jwk;
    let read = |keys: Value| Keys::read(json!({"keys": keys}).to_string().as_bytes());
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("kty", json!("oct")),
        ("kty", json!("RSA")),
        ("crv", json!("secp256k1")),
        ("crv", json!("P-384")),
        ("x", json!("AA")),
        ("x", json!("!")),
        ("y", Value::Null),
    ] {
        assert!(
            matches!(read(json!([with(jwk.clone(), name, value.clone())])), Err(NoKeys)),
            "{name} {value}"
        );
    }
    assert!(read(json!([])).is_err() && read(json!({})).is_err() && Keys::read(b"[]").is_err());
    assert!(read(Value::Array(vec![jwk.clone(); 101])).is_err(), "too many");
    // One that is broken takes none of the others along.
    assert!(read(json!([7, {"kty": 1}, jwk])).is_ok());
    let token = |header: &Value| provider.sign(header, &id_token());
    let verify = |keys: &Keys, token: &str| {
        let relying = Relying { keys, ..provider.relying() };
        verify_id_token(token, relying, ExpectedIdToken { nonce: "n" }).map(|token| token.subject)
    };
    // Two of one name, or two and no name: nobody knows which.
    let other = with(crate::provider().jwk, "kid", json!("k2"));
    let two = read(json!([jwk, other])).expect("keys");
    assert!(verify(&two, &token(&header())).is_ok());
    assert_eq!(verify(&two, &token(&without(header(), "kid"))), Err(Rejected::Key));
    assert_eq!(verify(&read(json!([jwk, jwk])).expect("keys"), &token(&header())), Err(Rejected::Key));
    // A key says which algorithm it is for.
    let for_another = read(json!([with(jwk.clone(), "alg", json!("ES512"))])).expect("keys");
    assert_eq!(verify(&for_another, &token(&header())), Err(Rejected::Key));
}

#[test]
fn a_token_signed_by_ed25519_is_believed() {
    let random = SystemRandom::new();
    let der = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let key = Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key");
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "e", "x": part(signature::KeyPair::public_key(&key))});
    let keys = Keys::read(json!({"keys": [jwk]}).to_string().as_bytes()).expect("keys");
    let header = json!({"alg": "EdDSA", "kid": "e"});
    let message = format!("{}.{}", part(header.to_string()), part(id_token().to_string()));
    let token = format!("{message}.{}", part(key.sign(message.as_bytes())));
    let relying = Relying { issuer: ISSUER, client_id: "berth", keys: &keys, now: NOW };
    assert!(verify_id_token(&token, relying, ExpectedIdToken { nonce: "n" }).is_ok());
}

#[test]
fn a_logout_token_is_no_id_token_and_the_other_way_round() {
    let provider = provider();
    let logout = |claims: &Value| verify_logout_token(&provider.sign(&header(), claims), provider.relying());
    let told = logout(&logout_token()).expect("right");
    assert_eq!(
        (told.subject.as_deref(), told.sid.as_deref(), told.issued_at),
        (Some("ada"), Some("s1"), NOW - 1)
    );
    for right in [
        without(logout_token(), "sid"),
        without(logout_token(), "sub"),
        without(logout_token(), "exp"),
        with(logout_token(), "aud", json!(["berth"])),
    ] {
        assert!(logout(&right).is_ok(), "{right}");
    }
    let typed = provider.sign(&with(header(), "typ", json!("logout+jwt")), &logout_token());
    assert!(verify_logout_token(&typed, provider.relying()).is_ok());
    assert_eq!(logout(&id_token()), Err(Rejected::Event));
    assert_eq!(provider.claims(&logout_token()), Err(Rejected::Nonce));
    for (name, value, rejected) in [
        ("iss", json!("https://evil.example"), Rejected::Issuer),
        ("aud", json!("other"), Rejected::Audience),
        ("nonce", json!("n"), Rejected::Nonce),
        ("events", json!({}), Rejected::Event),
        ("events", json!({"http://schemas.openid.net/event/backchannel-logout": 1}), Rejected::Event),
        ("events", json!([]), Rejected::Claims),
        ("events", Value::Null, Rejected::Event),
        ("jti", Value::Null, Rejected::Claims),
        ("iat", json!(NOW - 301), Rejected::Old),
        ("iat", json!(NOW + 61), Rejected::NotYet),
        ("exp", json!(NOW - 61), Rejected::Expired),
        ("sub", json!(""), Rejected::Subject),
        ("sid", json!("é"), Rejected::Subject),
    ] {
        assert_eq!(logout(&with(logout_token(), name, value.clone())), Err(rejected), "{name} {value}");
    }
    assert_eq!(logout(&without(without(logout_token(), "sub"), "sid")), Err(Rejected::Subject));
    let access = provider.sign(&with(header(), "typ", json!("at+jwt")), &logout_token());
    assert_eq!(verify_logout_token(&access, provider.relying()), Err(Rejected::Type));
    assert_eq!(
        verify_logout_token(&crate::provider().sign(&header(), &logout_token()), provider.relying()),
        Err(Rejected::Signature)
    );
}
