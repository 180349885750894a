//! The chain of what is on record: what is hashed, what follows what, and how somebody who has only a file finds out whether it
//! was changed.
//!
//! `hash = SHA-256(hash before ‖ canonical JSON of the record)`, for each organisation from its first record, which follows 32
//! zero bytes. The canonical form is that of RFC 8785.

mod export;
mod verify;

pub use export::{Export, FORM};
pub use verify::{Fault, Tampered, Verified, verify};

use berth_schema::audit::Digest;
use ring::digest::{Context, SHA256};
use serde::Serialize;

/// What is hashed of a record: its JSON by RFC 8785.
pub fn canonical(record: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(record)
}

/// The hash of a record in its canonical form, behind the one of that hash.
pub fn follow(previous: Digest, canonical: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(previous.as_bytes());
    context.update(canonical);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Digest::new(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_canonical_form_is_that_of_the_standard() {
        // RFC 8785, 3.2.3: names are sorted by their UTF-16 code units, and strings hold as few escapes as JSON allows.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh", "1": "One",
            "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With \
                        Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter \
                        Dalet With Dagesh\"}";
        assert_eq!(canonical(&value).expect("canonical"), expected.as_bytes());
        let value = json!({"b": [1, 9_007_199_254_740_991_u64, "\u{1}\"\\/\n"], "a": null});
        let expected = "{\"a\":null,\"b\":[1,9007199254740991,\"\\u0001\\\"\\\\/\\n\"]}";
        assert_eq!(canonical(&value).expect("canonical"), expected.as_bytes());
    }

    #[test]
    fn a_hash_is_of_the_one_before_and_the_record() {
        // (head -c 32 /dev/zero; printf '{}') | sha256sum
        let hash = follow(Digest::ZERO, b"{}");
        assert_eq!(hash.to_string(), "fb1634c4e6cd4b1f1afe3ce2d6ef080f7ac5d1f357d723ad4dfca782733b62db");
        assert_ne!(follow(hash, b"{}"), hash);
    }
}
