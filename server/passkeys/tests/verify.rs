//! What browsers and authenticators bring, right and wrong in each respect; and the W3C's own vectors (WebAuthn Level 3, 16).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_passkeys::{
    Assertion, PublicKey, Rejected, Relying, relying_party, verify_assertion, verify_registration,
};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

const ORIGIN: &str = "https://berth.example.com";
const PARTY: &str = "berth.example.com";
const CHALLENGE: &[u8] = &[7; 32];
const RELYING: Relying<'_> = Relying { origin: ORIGIN, party: PARTY, challenge: CHALLENGE };
/// There, verified.
const HERE: u8 = 0b101;
const NEW: u8 = 1 << 6;

enum Authenticator {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Authenticator {
    fn both() -> [Self; 2] {
        let random = SystemRandom::new();
        let format = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(format, &random).expect("a key");
        let p256 = EcdsaKeyPair::from_pkcs8(format, der.as_ref(), &random).expect("a key");
        let der = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        let ed25519 = Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key");
        [Self::P256(p256), Self::Ed25519(ed25519)]
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                let begin: &[u8] = &[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20];
                [begin, &point[1..33], &[0x22, 0x58, 0x20], &point[33..]].concat()
            }
            Self::Ed25519(pair) => {
                let begin: &[u8] = &[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20];
                [begin, pair.public_key().as_ref()].concat()
            }
        }
    }

    fn sign(&self, data: &[u8], client: &[u8]) -> Vec<u8> {
        let message = [data, digest(&SHA256, client).as_ref()].concat();
        match self {
            Self::P256(pair) => pair.sign(&SystemRandom::new(), &message).expect("signed").as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(&message).as_ref().to_vec(),
        }
    }
}

fn data(party: &str, flags: u8, counter: u32, rest: &[u8]) -> Vec<u8> {
    [digest(&SHA256, party.as_bytes()).as_ref(), &[flags], &counter.to_be_bytes(), rest].concat()
}

fn credential(id: &[u8], key: &[u8]) -> Vec<u8> {
    let length = u16::try_from(id.len()).expect("short").to_be_bytes();
    [&[0; 16], length.as_slice(), id, key].concat()
}

fn client(kind: &str) -> Value {
    json!({"type": kind, "challenge": URL_SAFE_NO_PAD.encode(CHALLENGE), "origin": ORIGIN, "crossOrigin": false})
}

fn patched(mut value: Value, patch: &Value) -> Vec<u8> {
    for (name, other) in patch.as_object().expect("an object") {
        value[name] = other.clone();
    }
    value.to_string().into_bytes()
}

/// What a browser may say that it was asked, and must not.
fn wrong_clients() -> Vec<(Value, Rejected)> {
    vec![
        (json!({"type": "payment.get"}), Rejected::Type),
        (json!({"type": "Webauthn.get"}), Rejected::Type),
        (json!({"challenge": URL_SAFE_NO_PAD.encode([8; 32])}), Rejected::Challenge),
        (json!({"challenge": ""}), Rejected::Challenge),
        (
            json!({"challenge": base64::engine::general_purpose::STANDARD.encode(CHALLENGE)}),
            Rejected::Challenge,
        ),
        (json!({"origin": "https://evil.example"}), Rejected::Origin),
        (json!({"origin": "http://berth.example.com"}), Rejected::Origin),
        (json!({"origin": "https://berth.example.com:8443"}), Rejected::Origin),
        (json!({"origin": "https://a.berth.example.com"}), Rejected::Origin),
        (json!({"origin": "https://berth.example.com/"}), Rejected::Origin),
        (json!({"crossOrigin": true}), Rejected::Origin),
        (json!({"topOrigin": "https://berth.example.com"}), Rejected::Origin),
        (json!({"crossOrigin": "no"}), Rejected::Form),
        (json!({"challenge": 7}), Rejected::Form),
        (json!({"origin": null}), Rejected::Form),
    ]
}

#[test]
fn a_passkey_that_was_registered_opens_until_it_says_something_wrong() {
    for authenticator in Authenticator::both() {
        let key = authenticator.key();
        let new = data(PARTY, HERE | NEW, 0, &credential(b"an id", &key));
        let created = verify_registration(RELYING, client("webauthn.create").to_string().as_bytes(), &new);
        let created = created.expect("registered");
        assert_eq!((created.credential.as_slice(), created.counter), (b"an id".as_slice(), 0));
        assert_eq!(PublicKey::parse(created.key.as_bytes()), Ok(created.key.clone()));

        let asked = |client: &[u8], data: &[u8], counter| {
            let signature = authenticator.sign(data, client);
            let shown = Assertion { client_data: client, authenticator_data: data, signature: &signature };
            verify_assertion(RELYING, shown, (&created.key, counter))
        };
        let get = client("webauthn.get").to_string().into_bytes();
        assert_eq!(asked(&get, &data(PARTY, HERE, 5, &[]), 4), Ok(5));
        assert_eq!(asked(&get, &data(PARTY, HERE, 0, &[]), 0), Ok(0), "it does not count");
        // What is said beside it is no matter.
        let more = patched(client("webauthn.get"), &json!({"other_keys_can_be_added_here": "yes"}));
        assert_eq!(asked(&more, &data(PARTY, HERE, 5, &[]), 4), Ok(5));
        let extended = data(PARTY, HERE | 1 << 7, 5, &[0xa0]);
        assert_eq!(asked(&get, &extended, 4), Ok(5));
        for (patch, rejected) in wrong_clients() {
            let wrong = patched(client("webauthn.get"), &patch);
            assert_eq!(asked(&wrong, &data(PARTY, HERE, 5, &[]), 4), Err(rejected), "{patch}");
        }
        let create = client("webauthn.create").to_string().into_bytes();
        for (wrong, rejected) in [
            (data("evil.example", HERE, 5, &[]), Rejected::RelyingParty),
            (data("example.com", HERE, 5, &[]), Rejected::RelyingParty),
            (data(PARTY, 0b100, 5, &[]), Rejected::Absent),
            (data(PARTY, 0b001, 5, &[]), Rejected::Unverified),
            (data(PARTY, HERE | 1 << 4, 5, &[]), Rejected::Form),
            (data(PARTY, HERE, 5, &[0]), Rejected::Form),
            (data(PARTY, HERE | 1 << 7, 5, &[]), Rejected::Form),
            (new.clone(), Rejected::Form),
            (data(PARTY, HERE, 5, &[])[..36].to_vec(), Rejected::Form),
            (Vec::new(), Rejected::Form),
            (data(PARTY, HERE, 4, &[]), Rejected::Counter),
            (data(PARTY, HERE, 3, &[]), Rejected::Counter),
            (data(PARTY, HERE, 0, &[]), Rejected::Counter),
        ] {
            assert_eq!(asked(&get, &wrong, 4), Err(rejected), "{wrong:02x?}");
        }
        assert_eq!(asked(&create, &data(PARTY, HERE, 5, &[]), 4), Err(Rejected::Type));
        for bytes in [b"".as_slice(), b"{}", b"[]", &[0xff; 10], &[b' '; 9_000]] {
            assert_eq!(asked(bytes, &data(PARTY, HERE, 5, &[]), 4), Err(Rejected::Form));
        }
        let twice =
            String::from_utf8(get.clone()).expect("text").replacen('{', "{\"type\": \"webauthn.get\", ", 1);
        assert_eq!(asked(twice.as_bytes(), &data(PARTY, HERE, 5, &[]), 4), Err(Rejected::Form));
    }
}

#[test]
fn a_signature_is_of_this_key_over_both_parts() {
    let [one, other] = Authenticator::both();
    let get = client("webauthn.get").to_string().into_bytes();
    let shown = data(PARTY, HERE, 5, &[]);
    for (signer, key) in [(&one, &other), (&other, &one)] {
        let key = PublicKey::parse(&key.key()).expect("a key");
        let right = PublicKey::parse(&signer.key()).expect("a key");
        let signature = signer.sign(&shown, &get);
        let ask = |key: &PublicKey, authenticator_data: &[u8], signature: &[u8]| {
            verify_assertion(
                RELYING,
                Assertion { client_data: &get, authenticator_data, signature },
                (key, 0),
            )
        };
        assert_eq!(ask(&right, &shown, &signature), Ok(5));
        assert_eq!(ask(&key, &shown, &signature), Err(Rejected::Signature));
        assert_eq!(ask(&right, &data(PARTY, HERE, 6, &[]), &signature), Err(Rejected::Signature));
        assert_eq!(ask(&right, &shown, &[]), Err(Rejected::Signature));
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut wrong = signature.clone();
            wrong[at] ^= 1;
            assert_eq!(ask(&right, &shown, &wrong), Err(Rejected::Signature), "byte {at}");
        }
    }
}

#[test]
fn a_new_passkey_is_whole_and_of_a_kind_that_is_taken() {
    let [p256, _] = Authenticator::both();
    let (key, create) = (p256.key(), client("webauthn.create").to_string().into_bytes());
    let ask = |data: &[u8]| verify_registration(RELYING, &create, data).map(|new| new.credential.len());
    assert_eq!(ask(&data(PARTY, HERE | NEW, 0, &credential(&[1; 1_023], &key))), Ok(1_023));
    let changed = |at: usize, byte: u8| {
        let mut key = key.clone();
        key[at] = byte;
        data(PARTY, HERE | NEW, 0, &credential(b"id", &key))
    };
    for (wrong, rejected) in [
        (data(PARTY, HERE, 0, &[]), Rejected::Form),
        (data(PARTY, HERE | NEW, 0, &credential(&[1; 1_024], &key)), Rejected::Form),
        (data(PARTY, HERE | NEW, 0, &credential(&[], &key)), Rejected::Form),
        (data(PARTY, HERE | NEW, 0, &credential(b"id", &key[..76])), Rejected::Key),
        (data(PARTY, HERE | NEW, 0, &credential(b"id", &[key.as_slice(), &[0]].concat())), Rejected::Form),
        (data(PARTY, HERE | NEW, 0, &credential(b"id", &[])), Rejected::Key),
        // RS256, another curve, a private key's field, another order.
        (changed(4, 0x38), Rejected::Key),
        (changed(6, 2), Rejected::Key),
        (changed(42, 0x23), Rejected::Key),
        (changed(0, 0xa6), Rejected::Key),
        (data("evil.example", HERE | NEW, 0, &credential(b"id", &key)), Rejected::RelyingParty),
        (data(PARTY, 0b001 | NEW, 0, &credential(b"id", &key)), Rejected::Unverified),
        (data(PARTY, 0b100 | NEW, 0, &credential(b"id", &key)), Rejected::Absent),
    ] {
        assert_eq!(ask(&wrong), Err(rejected), "{wrong:02x?}");
    }
    let right = data(PARTY, HERE | NEW, 0, &credential(b"id", &key));
    for end in 0..right.len() {
        ask(&right[..end]).expect_err("it is cut");
    }
    for (patch, rejected) in wrong_clients() {
        let wrong = patched(client("webauthn.create"), &patch);
        assert_eq!(verify_registration(RELYING, &wrong, &right), Err(rejected), "{patch}");
    }
}

#[test]
fn passkeys_are_for_hosts_with_a_name() {
    for (origin, party) in [
        ("https://berth.example.com", Some("berth.example.com")),
        ("https://berth.example.com:8443", Some("berth.example.com")),
        ("http://localhost:8080", Some("localhost")),
        ("http://127.0.0.1:8080", None),
        ("http://[::1]:8080", None),
        ("https://", None),
        ("https://a/b", None),
        ("berth.example.com", None),
    ] {
        assert_eq!(relying_party(origin), party, "{origin}");
    }
}

/// Of the W3C's examples.
fn relying(challenge: &[u8]) -> Relying<'_> {
    Relying { origin: "https://example.org", party: "example.org", challenge }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// The W3C's vectors that no user verification is asked for end at that, after everything else was right.
#[test]
fn the_vectors_of_the_w3c_are_right_in_all_but_what_we_demand_beside() {
    let party = "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b5";

    // 16.3, ES256: verified when it was registered.
    let challenge = hex("7869c2b772d4b58eba9378cf8f29e26cf935aa77df0da89fa99c0bdc0a76f7e5");
    let client = hex(concat!(
        "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a2265476e4374334c557459",
        "36366b336a506a796e6962506b31716e666644616966715a774c33417032392d55222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c",
        "2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077",
        "697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a205539685458764b453255526b4d6e",
        "625f307859485667227d"
    ));
    let made = hex(&format!(
        "{party}5d00000000df850e09db6afbdfab51697791506cfc0020455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58c{}",
        "a5010203262001215820eb151c8176b225cc651559fecf07af450fd85802046656b34c18f6cf193843c5225820927b8aa427a2be1b8834d233a2d34f61f13bfd44119c325d5896e183fee484f2"
    ));
    let new = verify_registration(relying(&challenge), &client, &made).expect("registered");
    assert_eq!(new.credential, hex("455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58c"));

    // 16.2, ES256, and 16.11, Ed25519: signatures over what was asked.
    let cases = [
        (
            "a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
            "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
            "1900000000",
            "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e55685158756c5455506f334a5558543049393770767a7a59425039745a63685879617630314167222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73657d",
            "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87",
        ),
        (
            "a401010327200621582044e06ddd331c36a8dc667bab52bcae63486c916aa5e339e6acebaa84934bf832",
            "895957e01c633a698348a2d8a31a54b7db27e8c1c43b2080d79ae2190267bfd2",
            "0100000000",
            "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a2269566c583442786a4f6d6d44534b4c596f7870557439736e364d48454f7943413135726947514a6e763949222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73657d",
            "f5c59c7e46c34f6f8cc197101ddf9934fa2595f68eb1913a637e8419eb9ba4cfdfc48f85393bc0d40b011f0d6fecb097d6607525713223a0dc0d453993dae00b",
        ),
    ];
    for (key, challenge, flags, client, signature) in cases {
        let (key, challenge, client) =
            (PublicKey::parse(&hex(key)).expect("a key"), hex(challenge), hex(client));
        let (data, mut signature) = (hex(&format!("{party}{flags}")), hex(signature));
        let ask = |signature: &[u8]| {
            let shown = Assertion { client_data: &client, authenticator_data: &data, signature };
            verify_assertion(relying(&challenge), shown, (&key, 0))
        };
        assert_eq!(ask(&signature), Err(Rejected::Unverified));
        let last = signature.len() - 1;
        signature[last] ^= 1;
        assert_eq!(ask(&signature), Err(Rejected::Signature));
    }
}
