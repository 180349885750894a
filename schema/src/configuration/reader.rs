//! Walks a JSON document and notes everything that is wrong with it, each at its place.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::read::MAX_ITEMS;
use crate::{FieldError, Text};

/// More errors than a person reads at once are counted only.
const MAX_ERRORS: usize = 50;

/// What is wrong, in the order in which it was found.
#[derive(Debug, Default)]
pub(super) struct Errors {
    told: RefCell<Vec<FieldError>>,
    more: RefCell<usize>,
}

impl Errors {
    pub(super) fn add(&self, field: &str, message: impl Into<String>) {
        let mut told = self.told.borrow_mut();
        if told.len() < MAX_ERRORS {
            told.push(FieldError::new(field, message));
        } else {
            *self.more.borrow_mut() += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.borrow().is_empty()
    }

    pub(super) fn into_inner(self) -> Vec<FieldError> {
        let mut errors = self.told.into_inner();
        let more = self.more.into_inner();
        if more > 0 {
            errors.push(FieldError::new("body", format!("{more} more fields are wrong")));
        }
        errors
    }
}

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node<'a> {
    path: String,
    value: &'a Value,
    errors: &'a Errors,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, errors: &'a Errors) -> Self {
        Self { path: String::new(), value, errors }
    }

    pub(super) fn error(&self, message: impl Into<String>) {
        let path = if self.path.is_empty() { "body" } else { &self.path };
        self.errors.add(path, message);
    }

    /// What was expected, and what came instead, without the value.
    fn wrong<T>(&self, expected: &str) -> Option<T> {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error(format!("must be {expected}, not {found}"));
        None
    }

    fn child(&self, key: &str, value: &'a Value) -> Self {
        let key: String = Text::<100>::new(key).into();
        let path = if self.path.is_empty() { key } else { format!("{}.{key}", self.path) };
        Self { path, value, errors: self.errors }
    }

    /// Text for which `check` has no objection.
    pub(super) fn text(&self, check: impl Fn(&str) -> Result<(), String>) -> Option<String> {
        match self.value {
            Value::String(text) => self.checked(text.clone(), check),
            _ => self.wrong("a text"),
        }
    }

    /// The same where a bare number is meant as text too: `cpu: 2`.
    pub(super) fn quantity(&self, check: impl Fn(&str) -> Result<(), String>) -> Option<String> {
        match self.value {
            Value::String(text) => self.checked(text.clone(), check),
            Value::Number(number) => self.checked(number.to_string(), check),
            _ => self.wrong("a quantity such as '2' or '512Mi'"),
        }
    }

    fn checked(&self, text: String, check: impl Fn(&str) -> Result<(), String>) -> Option<String> {
        match check(&text) {
            Ok(()) => Some(text),
            Err(message) => {
                self.error(message);
                None
            }
        }
    }

    /// Text that is read as a `T`.
    pub(super) fn parsed<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let Value::String(text) = self.value else {
            return self.wrong("a text");
        };
        parse(text).map_err(|message| self.error(message)).ok()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong("true or false"))
    }

    pub(super) fn integer(&self, least: i64, most: i64) -> Option<i64> {
        match self.value.as_i64() {
            Some(number) if (least..=most).contains(&number) => Some(number),
            Some(_) => {
                self.error(format!("must be between {least} and {most}"));
                None
            }
            None => self.wrong(&format!("a whole number between {least} and {most}")),
        }
    }

    /// The items of a list that `read` could make something of.
    pub(super) fn items<T>(&self, read: impl Fn(&Node<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Value::Array(items) = self.value else {
            return self.wrong("a list");
        };
        if items.len() > MAX_ITEMS {
            self.error(format!("has {} items, at most {MAX_ITEMS} are allowed", items.len()));
            return None;
        }
        let items = items.iter().enumerate().filter_map(|(at, value)| {
            read(&Node { path: format!("{}[{at}]", self.path), value, errors: self.errors })
        });
        Some(items.collect())
    }

    /// Free keys with texts.
    pub(super) fn pairs(
        &self,
        key: impl Fn(&str) -> Result<(), String>,
        value: impl Fn(&str) -> Result<(), String>,
    ) -> BTreeMap<String, String> {
        let Value::Object(entries) = self.value else {
            return self.wrong("an object").unwrap_or_default();
        };
        if entries.len() > MAX_ITEMS {
            self.error(format!("has {} entries, at most {MAX_ITEMS} are allowed", entries.len()));
            return BTreeMap::new();
        }
        let read = |(name, inner): (&String, &'a Value)| {
            let child = self.child(name, inner);
            key(name).map_err(|message| child.error(message)).ok()?;
            Some((name.clone(), child.text(&value)?))
        };
        entries.iter().filter_map(read).collect()
    }

    /// The fields of an object with fixed keys. Whoever takes them all calls [`Fields::finish`].
    pub(super) fn fields(&self) -> Option<Fields<'_, 'a>> {
        match self.value {
            Value::Object(object) => Some(Fields { node: self, object, known: Vec::new() }),
            _ => self.wrong("an object"),
        }
    }
}

/// An object whose keys are taken one after the other.
#[derive(Debug)]
pub(super) struct Fields<'n, 'a> {
    node: &'n Node<'a>,
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'_, 'a> {
    /// The field, unless it is absent. A key with nothing behind it (`null`) is wrong: taken for an absent one it would open what
    /// it looks as if it closed, as `except:` does.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Node<'a>> {
        self.known.push(name);
        let node = self.node.child(name, self.object.get(name)?);
        if node.value.is_null() {
            node.error("has nothing behind it; give it a value or leave it out");
            return None;
        }
        Some(node)
    }

    /// Whether the field stands there, with whatever value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Notes a field that is needed and not there.
    pub(super) fn need(&mut self, name: &'static str) -> Option<Node<'a>> {
        if !self.has(name) {
            self.node.child(name, &Value::Null).error("is missing");
        }
        self.take(name)
    }

    /// Notes every key that nobody took.
    pub(super) fn finish(self) {
        for (key, value) in self.object {
            if !self.known.contains(&key.as_str()) {
                let message = format!("is not known; known are {}", self.known.join(", "));
                self.node.child(key, value).error(message);
            }
        }
    }
}
