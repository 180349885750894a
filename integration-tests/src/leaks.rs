//! Looking for secrets where none may stand, in every spelling that programs write bytes in.

use std::fmt::Write as _;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Secrets and their spellings.
#[derive(Debug)]
pub struct Hunt {
    spellings: Vec<(usize, &'static str)>,
    automaton: AhoCorasick,
}

/// A secret that was found, and how it was spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Which of the secrets.
    pub secret: usize,
    pub spelling: &'static str,
    /// Where it begins.
    pub at: usize,
}

impl Hunt {
    /// For secrets of at least 8 bytes: shorter ones are found anywhere.
    pub fn new(secrets: &[Vec<u8>]) -> anyhow::Result<Self> {
        let mut patterns = Vec::new();
        let mut spellings = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            for (spelling, pattern) in spell(secret) {
                patterns.push(pattern);
                spellings.push((index, spelling));
            }
        }
        Ok(Self { spellings, automaton: AhoCorasick::new(patterns)? })
    }

    /// The first of them in a text, if there is any.
    pub fn find(&self, text: &[u8]) -> Option<Leak> {
        let found = self.automaton.find(text)?;
        let (secret, spelling) = self.spellings[found.pattern().as_usize()];
        Some(Leak { secret, spelling, at: found.start() })
    }
}

/// The secret's bytes as they are, and as logs, dumps and messages write them.
pub fn spell(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let each = |format: fn(&mut String, u8)| {
        let mut text = String::new();
        for byte in secret {
            format(&mut text, *byte);
        }
        text.into_bytes()
    };
    let mut all = vec![
        ("plain", secret.to_vec()),
        ("hex", each(|text, byte| put(text, format_args!("{byte:02x}")))),
        ("HEX", each(|text, byte| put(text, format_args!("{byte:02X}")))),
        ("URL", each(|text, byte| percent(text, byte, false))),
        ("URL, every byte", each(|text, byte| percent(text, byte, true))),
        ("a list of numbers", each(|text, byte| put(text, format_args!("{byte}, ")))),
        ("a list of numbers in JSON", each(|text, byte| put(text, format_args!("{byte},")))),
        ("JSON", json(secret)),
    ];
    // Within a longer base64 text it begins at any of three places; what its neighbours share is left out.
    for before in 0..3 {
        let shifted = [&b"\0\0"[..before], secret].concat();
        let whole = shifted.len() / 3 * 4;
        let from = if before == 0 { 0 } else { before + 1 };
        all.push(("base64", STANDARD_NO_PAD.encode(&shifted).as_bytes()[from..whole].to_vec()));
        all.push(("base64 for URLs", URL_SAFE_NO_PAD.encode(&shifted).as_bytes()[from..whole].to_vec()));
    }
    all
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = text.write_fmt(what);
}

fn percent(text: &mut String, byte: u8, every: bool) {
    if !every && (byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')) {
        text.push(char::from(byte));
    } else {
        put(text, format_args!("%{byte:02X}"));
    }
}

/// Between the quotation marks.
fn json(secret: &[u8]) -> Vec<u8> {
    let text = serde_json::Value::from(String::from_utf8_lossy(secret)).to_string();
    text.as_bytes()[1..text.len() - 1].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    const SECRET: &[u8] = b"pl/anted+se&cret=\"%\xc3\xbc 1";

    #[test]
    fn a_planted_leak_is_found_in_every_spelling_and_at_every_place() {
        let hunt = Hunt::new(&[b"another secret".to_vec(), SECRET.to_vec()]).expect("a hunt");
        for before in ["", "x", "xy", "xyz"] {
            let around = |text: &[u8]| [b"{\"value\":\"", before.as_bytes(), text, b" tail\"}"].concat();
            let embedded = [before.as_bytes(), SECRET, b"tail"].concat();
            let mut texts: Vec<Vec<u8>> = spell(SECRET).iter().map(|(_, text)| around(text)).collect();
            texts.push(around(STANDARD.encode(&embedded).as_bytes()));
            texts.push(around(format!("{embedded:?}").as_bytes()));
            texts.push(around(serde_json::to_string(&embedded).expect("JSON").as_bytes()));
            for text in texts {
                let leak = hunt.find(&text).unwrap_or_else(|| panic!("not found: {}", text.escape_ascii()));
                assert_eq!(leak.secret, 1);
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let hunt = Hunt::new(&[SECRET.to_vec()]).expect("a hunt");
        assert_eq!(hunt.find(&SECRET[1..]), None);
        assert_eq!(hunt.find(STANDARD.encode(&SECRET[..SECRET.len() - 3]).as_bytes()), None);
    }
}
