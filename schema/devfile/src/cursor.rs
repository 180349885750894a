//! Walks a [`Node`] tree and reports what it finds. A cursor knows its path; [`Fields`] knows which fields were asked for, so
//! that whatever nobody asked for is an unknown field.

use std::rc::Rc;

use crate::diagnostic::{MAX_DIAGNOSTICS, Report, shown};
use crate::node::{Key, Node, Value};

#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    node: &'a Node,
    path: String,
    report: &'a Report,
}

impl<'a> Cursor<'a> {
    pub(crate) fn root(node: &'a Node, report: &'a Report) -> Self {
        Self { node, path: String::new(), report }
    }

    fn child(&self, node: &'a Node, path: String) -> Self {
        Self { node, path, report: self.report }
    }

    pub(crate) fn error(&self, message: impl Into<String>) {
        self.report.add(self.node.at, &self.path, message);
    }

    /// Something that is accepted, and what is done with it.
    pub(crate) fn warn(&self, what: &str, why: impl Into<String>) {
        self.report.warn(self.node.at, &self.path, what, why);
    }

    /// Something that is accepted and does nothing.
    pub(crate) fn pass_over(&self, why: impl Into<String>) {
        self.warn(PASSED_OVER, why);
    }

    fn wrong_kind(&self, wanted: &str) {
        self.error(format!("must be {wanted}, but is {}", self.node.kind()));
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.node.value {
            Value::Null => true,
            Value::List(items) => items.is_empty(),
            Value::Mapping(entries) => entries.is_empty(),
            Value::Boolean(_) | Value::Number(_) | Value::Text(_) => false,
        }
    }

    /// Nothing, or a text of nothing but spaces.
    pub(crate) fn is_blank(&self) -> bool {
        self.is_empty() || matches!(&self.node.value, Value::Text(text) if text.trim().is_empty())
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self.node.value, Value::Boolean(true))
    }

    fn is_false(&self) -> bool {
        matches!(self.node.value, Value::Boolean(false))
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    pub(crate) fn is_mapping(&self) -> bool {
        matches!(self.node.value, Value::Mapping(_))
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => return Some(text),
            Value::Number(written) => {
                self.error(format!("must be text: write \"{}\" in quotes", shown(written)));
            }
            Value::Boolean(value) => self.error(format!("must be text: write \"{value}\" in quotes")),
            Value::Null | Value::List(_) | Value::Mapping(_) => self.wrong_kind("text"),
        }
        None
    }

    /// The text when `check` takes it; otherwise its complaint is reported.
    pub(crate) fn checked_text(&self, check: impl FnOnce(&str) -> Result<(), String>) -> Option<&'a str> {
        let text = self.text()?;
        match check(text) {
            Ok(()) => Some(text),
            Err(message) => {
                self.error(message);
                None
            }
        }
    }

    /// A text or a number as it was written, for quantities: `0.5` and `"0.5"` mean the same.
    pub(crate) fn text_or_number(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Number(written) => Some(written),
            _ => self.text(),
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        if let Value::Boolean(value) = self.node.value {
            return Some(value);
        }
        self.wrong_kind("true or false");
        None
    }

    /// A whole number as it was written.
    pub(crate) fn number(&self) -> Option<&'a str> {
        if let Value::Number(written) = &self.node.value {
            return Some(written);
        }
        self.wrong_kind("a number");
        None
    }

    /// The items of a list; none when it is empty or when it is no list. More than `max` are refused unread.
    pub(crate) fn list(&self, max: usize) -> Vec<Self> {
        let items = match &self.node.value {
            Value::List(items) => items,
            Value::Null => return Vec::new(),
            _ => {
                self.wrong_kind("a list");
                return Vec::new();
            }
        };
        if items.len() > max {
            self.error(format!("has {} items, at most {max} are allowed", items.len()));
            return Vec::new();
        }
        items.iter().enumerate().map(|(i, item)| self.child(item, format!("{}[{i}]", self.path))).collect()
    }

    pub(crate) fn texts(&self, max: usize) -> Vec<(Self, &'a str)> {
        self.list(max).into_iter().filter_map(|item| item.text().map(|text| (item, text))).collect()
    }

    /// The entries of a mapping whose keys are free; more than `max` are refused unread.
    pub(crate) fn entries(&self, max: usize) -> Vec<Entry<'a>> {
        let entries: &'a [(Key, Rc<Node>)] = match &self.node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            _ => {
                self.wrong_kind("a mapping");
                &[]
            }
        };
        if entries.len() > max {
            self.error(format!("has {} entries, at most {max} are allowed", entries.len()));
            return Vec::new();
        }
        entries
            .iter()
            .map(|(key, node)| Entry { key, value: self.child(node, join(&self.path, &key.text)) })
            .collect()
    }

    /// The value of a key, if there is one; nothing is reported.
    pub(crate) fn descend(&self, key: &str) -> Option<Self> {
        let Value::Mapping(entries) = &self.node.value else {
            return None;
        };
        let (_, node) = entries.iter().find(|(known, _)| known.text == key)?;
        Some(self.child(node, join(&self.path, key)))
    }

    /// The fields of `what` (with its article: `a container`). `None`, and reported, when this is no mapping.
    pub(crate) fn fields(&self, what: &'static str) -> Option<Fields<'a>> {
        let Value::Mapping(entries) = &self.node.value else {
            self.wrong_kind(&format!("a mapping, {what}"));
            return None;
        };
        Some(Fields { cursor: self.clone(), what, entries, asked: Vec::new() })
    }
}

const PASSED_OVER: &str = "is passed over";

/// One entry of a mapping with free keys.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    key: &'a Key,
    pub(crate) value: Cursor<'a>,
}

impl<'a> Entry<'a> {
    pub(crate) fn name(&self) -> &'a str {
        &self.key.text
    }

    /// An error about the key rather than its value.
    pub(crate) fn error(&self, message: impl Into<String>) {
        self.value.report.add(self.key.at, &self.value.path, message);
    }
}

#[derive(Debug)]
pub(crate) struct Fields<'a> {
    cursor: Cursor<'a>,
    what: &'static str,
    entries: &'a [(Key, Rc<Node>)],
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    fn entry(&self, name: &str) -> Option<&'a (Key, Rc<Node>)> {
        self.entries.iter().find(|(key, _)| key.text == name)
    }

    pub(crate) fn optional(&mut self, name: &'static str) -> Option<Cursor<'a>> {
        self.asked.push(name);
        let (_, node) = self.entry(name)?;
        Some(self.cursor.child(node, join(&self.cursor.path, name)))
    }

    /// The same, for a field that may say nothing.
    pub(crate) fn said(&mut self, name: &'static str) -> Option<Cursor<'a>> {
        self.optional(name).filter(|given| !given.is_null())
    }

    pub(crate) fn required(&mut self, name: &'static str) -> Option<Cursor<'a>> {
        let found = self.optional(name);
        if found.is_none() {
            self.cursor.error(format!("{} needs the field '{name}'", self.what));
        }
        found
    }

    /// Fields that describe and change nothing.
    pub(crate) fn ignore(&mut self, names: &[&'static str]) {
        self.asked.extend_from_slice(names);
    }

    /// A field that the format has and Berth does not: reports it when it is there, and tells whether it is.
    pub(crate) fn refuse(&mut self, name: &'static str, why: &str) -> bool {
        let Some((key, _)) = self.entry(name) else {
            return false;
        };
        self.asked.push(name);
        self.cursor.report.add(key.at, join(&self.cursor.path, name), why);
        true
    }

    /// Whether a field asks for something: not `false`, `[]`, `{}` or an empty text.
    fn asks(&mut self, name: &'static str) -> bool {
        self.optional(name).is_some_and(|given| !given.is_blank() && !given.is_false())
    }

    /// The same, but nothing is wrong when the field asks for nothing.
    pub(crate) fn refuse_unless_empty(&mut self, name: &'static str, why: &str) -> bool {
        self.asks(name) && self.refuse(name, why)
    }

    /// A field that Berth does nothing with and that changes nothing: told when it asks for something.
    pub(crate) fn pass_over(&mut self, name: &'static str, why: &str) {
        if self.asks(name)
            && let Some((key, _)) = self.entry(name)
        {
            self.cursor.report.warn(key.at, join(&self.cursor.path, name), PASSED_OVER, why);
        }
    }

    /// Reports every field that was not asked for.
    pub(crate) fn finish(self) {
        let unknown = self.entries.iter().filter(|(key, _)| !self.asked.contains(&key.text.as_str()));
        for (number, (key, _)) in unknown.enumerate() {
            // More are counted and not shown.
            let is_shown = number < MAX_DIAGNOSTICS;
            let hint =
                if is_shown { suggestion(&key.text, self.asked.iter().copied()) } else { String::new() };
            let message = format!("is not a field of {}{hint}", self.what);
            self.cursor.report.add(key.at, join(&self.cursor.path, &key.text), message);
        }
    }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    let separator = if path.is_empty() { "" } else { "." };
    format!("{path}{separator}{}", shown(name))
}

/// `; did you mean 'image'?` when one of the known words is close, otherwise nothing.
pub(crate) fn suggestion<'w>(given: &str, known: impl Iterator<Item = &'w str>) -> String {
    const LONGEST_WORD: usize = 40;
    if given.len() > LONGEST_WORD {
        return String::new();
    }
    let given = given.to_lowercase();
    known
        .map(|word| (strsim::osa_distance(&given, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= 2.min(word.len() / 3))
        .min()
        .map(|(_, word)| format!("; did you mean '{word}'?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_word_is_suggested_and_a_far_one_is_not() {
        let known = || ["image", "memoryLimit", "env"].into_iter();
        assert_eq!(suggestion("imgae", known()), "; did you mean 'image'?");
        assert_eq!(suggestion("memorylimit", known()), "; did you mean 'memoryLimit'?");
        assert_eq!(suggestion("environment", known()), "");
        assert_eq!(suggestion(&"i".repeat(10_000), known()), "");
    }
}
