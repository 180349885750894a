//! Tokens that nobody may accept, of each kind; and those that are accepted.

mod tokens;

use berth_issuer::{
    Audience, Claims, Expected, Kind, LEEWAY_SECONDS, MAX_TOKEN_BYTES, Rejected, SigningKey, SigningKeys,
    VerifyingKeys, kind_of,
};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tokens::Truth;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://berth.example.com";
const AUDIENCE: &str = "https://berth.example.com/api/one";

struct World {
    der: Vec<u8>,
    kid: String,
    keys: SigningKeys,
    verifying: VerifyingKeys,
}

fn world() -> World {
    let (key, der) = SigningKey::generate(&SystemRandom::new()).expect("a key");
    let kid = key.kid().to_owned();
    let keys = SigningKeys::new(vec![key]);
    World { der: der.to_vec(), kid, verifying: keys.verifying(), keys }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user/0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b1d", "aud": AUDIENCE,
        "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 290, "jti": "0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b1e",
        "sid": "0197a1e0-6e02-7c3e-a5d5-3f8c1f0a9b1f",
    })
}

/// The same with a life that a token of that kind may have.
fn claims_of(kind: Kind) -> Value {
    let mut claims = claims();
    claims["exp"] = json!(NOW - 10 + kind.max_lifetime_seconds().min(300));
    claims
}

const fn expected() -> Expected<'static> {
    let audience = Audience::Exactly(AUDIENCE);
    Expected { kind: Kind::Access, issuers: &[ISSUER], audience, now: NOW }
}

/// The two ways of asking for an audience, which are both right for the true token.
const AUDIENCES: [Audience<'static>; 2] = [Audience::Exactly(AUDIENCE), Audience::Below("/api/")];

#[test]
fn none_of_the_hostile_tokens_of_any_kind_is_accepted() {
    let world = world();
    for kind in Kind::ALL {
        let truth = Truth {
            der: world.der.clone(),
            kid: world.kid.clone(),
            typ: kind.typ().to_owned(),
            other_typs: Kind::ALL
                .into_iter()
                .filter(|other| *other != kind)
                .map(|other| other.typ().to_owned())
                .collect(),
            claims: claims_of(kind),
            now: NOW,
            leeway: LEEWAY_SECONDS,
            longest: kind.max_lifetime_seconds(),
            most_bytes: MAX_TOKEN_BYTES,
        };
        let tokens = truth.hostile();
        assert!(tokens.len() >= 300, "{}", tokens.len());
        for audience in AUDIENCES {
            let expected = Expected { kind, audience, ..expected() };
            assert!(world.verifying.verify(&truth.token(), expected).is_ok(), "{kind:?}: {audience:?}");
            for token in &tokens {
                let verified = world.verifying.verify(token, expected);
                assert!(verified.is_err(), "{kind:?}: {token}: {verified:?}");
            }
        }
    }
}

#[test]
fn what_a_token_says_that_it_is_is_read_and_not_believed() {
    let world = world();
    for kind in Kind::ALL {
        let token = world.keys.sign(kind, &claims()).expect("signed").token;
        assert_eq!(kind_of(&token), Some(kind));
        let (message, _) = token.rsplit_once('.').expect("a signature");
        assert_eq!(kind_of(&format!("{message}.AAAA")), Some(kind));
    }
    for none in ["", "..", "a.b.c", "berth_pat_x", &"e30.".repeat(2_000)] {
        assert_eq!(kind_of(none), None, "{none}");
    }
}

#[test]
fn a_token_is_issued_by_one_of_the_names_and_for_something_below_its_own() {
    let world = world();
    let verify = |claims: &Value, issuers: &[&str]| {
        let token = world.keys.sign(Kind::Access, claims).expect("signed").token;
        let expected = Expected { issuers, audience: Audience::Below("/api/"), ..expected() };
        world.verifying.verify(&token, expected).map(|claims| claims.is_for_below("/api/").map(str::to_owned))
    };
    let other = "https://other.example.com";
    assert_eq!(verify(&claims(), &[other, ISSUER]), Ok(Some("one".to_owned())));
    assert_eq!(verify(&claims(), &[other]), Err(Rejected::Issuer));
    assert_eq!(verify(&claims(), &[]), Err(Rejected::Issuer));
    let mut mixed = claims();
    mixed["iss"] = json!(other);
    assert_eq!(verify(&mixed, &[other, ISSUER]), Err(Rejected::Audience));
}

#[test]
fn the_true_token_is_accepted_in_its_time_alone() {
    let world = world();
    let token = world.keys.sign(Kind::Access, &claims()).expect("signed").token;
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
        let token = world.keys.sign(signed, &claims_of(signed)).expect("signed").token;
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
            let token = world.keys.sign(kind, &claims).expect("signed").token;
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
    let token = old.sign(Kind::Access, &claims()).expect("signed").token;
    let keys = SigningKeys::new(vec![one, other]);
    assert!(keys.verifying().verify(&token, expected()).is_ok());
    let newer = keys.sign(Kind::Access, &claims()).expect("signed").token;
    assert!(keys.verifying().verify(&newer, expected()).is_ok());
    assert_eq!(old.verifying().verify(&newer, expected()), Err(Rejected::Key));
    let set = serde_json::to_value(keys.published()).expect("JSON");
    assert_eq!(set["keys"].as_array().map(Vec::len), Some(2));
}

#[test]
fn without_a_key_nothing_is_signed_and_nothing_is_believed() {
    let none = SigningKeys::new(Vec::<SigningKey>::new());
    assert!(none.sign(Kind::Access, &claims()).is_err());
    let token = world().keys.sign(Kind::Access, &claims()).expect("signed").token;
    assert_eq!(none.verifying().verify(&token, expected()), Err(Rejected::Key));
}
