//! Messages that nobody in their right mind sends.

use serde_json::{Value, json};

/// Draws from a seed, so that a failure can be repeated.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) const fn from(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Of any plane; surrogates are no characters.
    fn character(&mut self) -> char {
        let point = match self.below(3) {
            0 => self.below(0x100),
            1 => self.below(0x1_0000),
            _ => self.below(0x11_0000),
        };
        u32::try_from(point).ok().and_then(char::from_u32).unwrap_or('\0')
    }

    fn value(&mut self, depth: u64) -> Value {
        let numbers = [0, 1, -1, 1 << 31, 1 << 53, i64::MIN, i64::MAX];
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(numbers[usize::try_from(self.below(7)).expect("small")]),
            3 => json!([1.8e19, 1.5, -0.0, 1e308][usize::try_from(self.below(4)).expect("small")]),
            4 | 5 => {
                let length = self.below(60);
                json!((0..length).map(|_| self.character()).collect::<String>())
            }
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => (0..self.below(4))
                .map(|_| (self.character().to_string(), self.value(depth - 1)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// Replaces something somewhere in a value.
    pub(crate) fn poison(&mut self, value: &mut Value) {
        let inner = match value {
            Value::Object(fields) if self.below(8) > 0 => {
                let at = usize::try_from(self.below(fields.len().max(1) as u64)).expect("small");
                fields.iter_mut().filter(|(key, _)| *key != "workspace_id").map(|(_, inner)| inner).nth(at)
            }
            Value::Array(items) if self.below(4) > 0 => items.first_mut(),
            _ => None,
        };
        match inner {
            Some(inner) => self.poison(inner),
            None => *value = self.value(2),
        }
    }
}
