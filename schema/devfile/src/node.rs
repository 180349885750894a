//! A document as a tree in which every value and every key knows its place in the text.

use std::rc::Rc;

use crate::diagnostic::Position;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
    pub(crate) weight: Weight,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    /// As it was written: only its reader knows what it shall be.
    Number(String),
    Text(String),
    /// Shared, because a YAML alias is the same node again.
    List(Vec<Rc<Node>>),
    Mapping(Vec<(Key, Rc<Node>)>),
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) at: Position,
    pub(crate) text: String,
}

/// What a node would take if all aliases below it were written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) nodes: usize,
    pub(crate) bytes: usize,
    pub(crate) depth: usize,
}

impl Weight {
    fn around<'a>(own: Self, children: impl Iterator<Item = &'a Rc<Node>>) -> Self {
        let inner = children.fold(own, |sum, child| Self {
            nodes: sum.nodes.saturating_add(child.weight.nodes),
            bytes: sum.bytes.saturating_add(child.weight.bytes),
            depth: sum.depth.max(child.weight.depth),
        });
        Self { depth: inner.depth + 1, ..inner }
    }
}

impl Node {
    pub(crate) fn new(at: Position, value: Value) -> Self {
        let own = |keys: usize, bytes: usize| Weight { nodes: 1 + keys, bytes, depth: 0 };
        let weight = match &value {
            Value::Null | Value::Boolean(_) => Weight::around(own(0, 0), [].iter()),
            Value::Number(text) | Value::Text(text) => Weight::around(own(0, text.len()), [].iter()),
            Value::List(items) => Weight::around(own(0, 0), items.iter()),
            Value::Mapping(entries) => {
                let bytes = entries.iter().map(|(key, _)| key.text.len()).sum();
                Weight::around(own(entries.len(), bytes), entries.iter().map(|(_, node)| node))
            }
        };
        Self { at, value, weight }
    }

    /// With its article, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Boolean(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}
