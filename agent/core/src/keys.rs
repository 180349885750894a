//! The agent's own keys: what its variables are sealed to, and what opens them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_schema::sealing::PublicKey;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, Serializable as _};
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

/// How long a key is the newest one.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// The newest, and the one before it: an answer that was sealed before the server knew the newest still opens.
const KEPT: usize = 2;

pub(crate) type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;

/// One key. Its private part cannot be printed or cloned and is wiped on drop.
pub struct KeyPair {
    created_at: Timestamp,
    public: PublicKey,
    private: PrivateKey,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

impl KeyPair {
    fn new(created_at: Timestamp, private: PrivateKey) -> Self {
        let public = PublicKey::new(X25519HkdfSha256::sk_to_pk(&private).to_bytes().0);
        Self { created_at, public, private }
    }

    pub const fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) const fn private(&self) -> &PrivateKey {
        &self.private
    }
}

/// The keys of an agent, the newest last.
#[derive(Debug, Default)]
pub struct KeyRing {
    pairs: Vec<KeyPair>,
}

/// Why a text is no key ring. It repeats no part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is not '<RFC 3339 time> <32 bytes in base64>'")]
pub struct NoKeyRing(usize);

impl KeyRing {
    /// Whether another key is to be made: there is none, or the newest has served its time.
    pub fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was set back must not make a new key in every round.
        self.pairs.last().is_none_or(|pair| now.duration_since(pair.created_at) >= LIFETIME)
    }

    /// Adds a key made of 32 random bytes; only the one before it stays.
    pub fn add(&mut self, random: &Zeroizing<[u8; 32]>, now: Timestamp) {
        let (private, _) = X25519HkdfSha256::derive_keypair(random.as_ref());
        self.pairs.push(KeyPair::new(now, private));
        self.pairs.drain(..self.pairs.len().saturating_sub(KEPT));
    }

    pub fn newest(&self) -> Option<PublicKey> {
        self.pairs.last().map(KeyPair::public)
    }

    pub(crate) fn find(&self, public: PublicKey) -> Option<&KeyPair> {
        self.pairs.iter().find(|pair| pair.public == public)
    }

    /// As it is kept: a line for each key, the newest last.
    pub fn to_text(&self) -> Zeroizing<String> {
        // Room for all of it, so that no outgrown buffer keeps a key.
        let mut text = Zeroizing::new(String::with_capacity(self.pairs.len() * 128));
        for pair in &self.pairs {
            let private = Zeroizing::new(pair.private.to_bytes().0);
            let encoded = Zeroizing::new(STANDARD.encode(private.as_ref()));
            text.push_str(&pair.created_at.to_string());
            text.push(' ');
            text.push_str(&encoded);
            text.push('\n');
        }
        text
    }
}

impl FromStr for KeyRing {
    type Err = NoKeyRing;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut pairs = vec![];
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            pairs.push(parse(line.trim()).ok_or(NoKeyRing(number + 1))?);
        }
        Ok(Self { pairs })
    }
}

fn parse(line: &str) -> Option<KeyPair> {
    let (created_at, encoded) = line.split_once(' ')?;
    let private = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    Some(KeyPair::new(created_at.parse().ok()?, PrivateKey::from_bytes(&private).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(byte: u8) -> Zeroizing<[u8; 32]> {
        Zeroizing::new([byte; 32])
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    #[test]
    fn a_key_serves_a_day_and_stays_for_another() {
        let mut ring = KeyRing::default();
        assert!(ring.is_due(at(0)));
        let mut known = vec![];
        for (day, byte) in [(0, 1), (1, 2), (2, 3)] {
            ring.add(&random(byte), at(24 * day));
            known.push(ring.newest().expect("a key"));
            assert!(!ring.is_due(at(24 * day + 23)) && ring.is_due(at(24 * day + 24)));
        }
        assert!(ring.find(known[0]).is_none());
        assert!(ring.find(known[1]).is_some() && ring.find(known[2]).is_some());
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_key() {
        let mut ring = KeyRing::default();
        ring.add(&random(1), at(100));
        assert!(!ring.is_due(at(0)));
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut ring = KeyRing::default();
        ring.add(&random(1), at(0));
        ring.add(&random(2), at(24));
        let text = ring.to_text();
        let back: KeyRing = text.parse().expect("a key ring");
        assert_eq!(back.newest(), ring.newest());
        assert_eq!(back.to_text(), text);
        assert_eq!("".parse::<KeyRing>().expect("empty").newest(), None);
    }

    #[test]
    fn a_broken_ring_is_told_by_line_and_nothing_of_it_is_shown() {
        let mut ring = KeyRing::default();
        ring.add(&random(1), at(0));
        let text = format!("{}1970-01-01T00:00:00Z hunter2\n", ring.to_text().as_str());
        let error = text.parse::<KeyRing>().expect_err("broken");
        assert_eq!(error, NoKeyRing(2));
        let private = ring.to_text();
        let private = private.split_whitespace().nth(1).expect("a key");
        assert!(!format!("{ring:?}").contains(private));
    }
}
