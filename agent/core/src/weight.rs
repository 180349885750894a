//! What an answer would take in memory, before it is read: a few bytes of JSON can become hundreds.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What a value takes beside its text.
const VALUE: usize = 32;
/// What an object takes: its entries are kept in nodes with room for eleven.
const OBJECT: usize = 700;

/// Whether a JSON document, read as a tree of values, takes at most about `limit` bytes; of one that breaks off, what is before
/// that.
pub fn weighs_at_most(json: &[u8], limit: usize) -> bool {
    let mut left = Some(limit);
    let mut reader = serde_json::Deserializer::from_slice(json);
    // Whoever reads it finds again what is wrong with it.
    let _ = Weigh(&mut left).deserialize(&mut reader);
    left.is_some()
}

/// What is left of the limit; nothing once it was passed.
struct Weigh<'a>(&'a mut Option<usize>);

impl Weigh<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        *self.0 = self.0.and_then(|left| left.checked_sub(bytes));
        self.0.map(drop).ok_or_else(|| E::custom("it is too heavy"))
    }
}

impl<'de> DeserializeSeed<'de> for Weigh<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Weigh<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_bool<E: Error>(mut self, _: bool) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_i64<E: Error>(mut self, _: i64) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_u64<E: Error>(mut self, _: u64) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.take(VALUE + text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.take(VALUE)?;
        while items.next_element_seed(Weigh(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.take(OBJECT)?;
        while entries.next_key_seed(Weigh(self.0))?.is_some() {
            entries.next_value_seed(Weigh(self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_things_weigh_more_than_their_text() {
        let objects = format!("[{}{{}}]", "{\"a\":0},".repeat(1_000));
        assert!(objects.len() < 10_000 && !weighs_at_most(objects.as_bytes(), 100_000));
        assert!(weighs_at_most(objects.as_bytes(), 1_000_000));
        let lists = format!("[{}[]]", "[],".repeat(1_000));
        assert!(!weighs_at_most(lists.as_bytes(), 30_000) && weighs_at_most(lists.as_bytes(), 40_000));
        let text = format!("\"{}\"", "a".repeat(1_000));
        assert!(weighs_at_most(text.as_bytes(), 1_100) && !weighs_at_most(text.as_bytes(), 1_000));
    }

    #[test]
    fn what_breaks_off_is_weighed_up_to_there() {
        for broken in [&b"{"[..], b"", b"[1] 2", b"\xff"] {
            assert!(weighs_at_most(broken, 1_000));
        }
        let broken = format!("[{}", "[],".repeat(1_000));
        assert!(!weighs_at_most(broken.as_bytes(), 30_000));
        // It ends at the depth that no reader passes.
        assert!(weighs_at_most("[".repeat(1_000_000).as_bytes(), 10_000));
    }
}
