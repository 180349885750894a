//! Devfile variables: `{{name}}` in a text stands for an entry of the top-level `variables`.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::bounds;
use crate::cursor::{Cursor, suggestion};
use crate::diagnostic::shown;

const MAX_VARIABLES: usize = 256;
const MAX_NAME: usize = 63;
/// What all replacements of a document may write together, in bytes.
const MAX_WRITTEN: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
    written: Cell<usize>,
}

impl Variables {
    pub(crate) fn read(cursor: Option<&Cursor<'_>>) -> Self {
        let mut values = BTreeMap::new();
        for entry in cursor.map(|cursor| cursor.entries(MAX_VARIABLES)).unwrap_or_default() {
            let name = entry.name();
            if !is_name(name) {
                entry.error(format!("must be letters, digits, '.', '-' and '_', at most {MAX_NAME} of them"));
            } else if name.to_ascii_lowercase().starts_with("berth") {
                entry.error("must not begin with 'berth': that is reserved");
            }
            if let Some(text) = entry.value.text() {
                values.insert(name.to_owned(), text.to_owned());
            }
        }
        Self { values, written: Cell::new(0) }
    }

    /// The text at `cursor` with its variables filled in.
    pub(crate) fn text(&self, cursor: &Cursor<'_>) -> Option<String> {
        self.fill(cursor, cursor.text()?)
    }

    /// Fills the variables into `text`. What is filled in is not looked at again. Braces around what could not be a
    /// variable's name, as in `{{ .Names }}`, are somebody else's and stay.
    pub(crate) fn fill(&self, cursor: &Cursor<'_>, text: &str) -> Option<String> {
        // Before anything is looked for in it.
        if !bounds::fits(cursor, text) {
            return None;
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let inner = &rest[start + 2..];
            let Some(name) = before_braces(inner).filter(|name| is_name(name.trim())) else {
                filled.push_str(&rest[..=start]);
                rest = &rest[start + 1..];
                continue;
            };
            filled.push_str(&rest[..start]);
            rest = &inner[name.len() + 2..];
            // One error is enough of a text.
            if !self.append(cursor, name.trim(), &mut filled) {
                return None;
            }
        }
        filled.push_str(rest);
        bounds::fits(cursor, &filled).then_some(filled)
    }

    fn append(&self, cursor: &Cursor<'_>, name: &str, filled: &mut String) -> bool {
        let Some(value) = self.values.get(name) else {
            let hint = suggestion(name, self.values.keys().map(String::as_str));
            cursor.error(format!("names the variable '{}', which is not defined{hint}", shown(name)));
            return false;
        };
        self.written.set(self.written.get().saturating_add(value.len()));
        if self.written.get() > MAX_WRITTEN {
            cursor.error("repeats more text by variables than is allowed");
            return false;
        }
        filled.push_str(value);
        true
    }
}

/// What stands before the next `}}`, if that is as near as it is behind a name with some room around it: a text of many opening braces is
/// not searched to its end for each of them.
fn before_braces(text: &str) -> Option<&str> {
    const ROOM: usize = MAX_NAME + 64;
    let end = text.as_bytes().windows(2).take(ROOM).position(|pair| pair == b"}}")?;
    text.get(..end)
}

fn is_name(text: &str) -> bool {
    let characters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    characters && text.len() <= MAX_NAME && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}
