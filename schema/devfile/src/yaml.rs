//! YAML text to a [`Node`] tree, within bounds: the parser gives events with their places, and every event pays from a
//! budget before anything is built of it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};

use crate::diagnostic::{Position, Report, shown};
use crate::node::{Key, Node, Value};
use crate::scalar;

/// Nodes of a document with all aliases written out.
pub(crate) const MAX_NODES: usize = 20_000;
/// Mappings and lists within each other.
pub(crate) const MAX_DEPTH: usize = 32;

/// Reads one document. `None` when there is none to look at further; the report says why.
pub(crate) fn read(text: &str, report: &Report) -> Option<Rc<Node>> {
    let mut options = granit_parser::options! {
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(text.len(), report);
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => builder.take(event, span).map_err(|Stopped| ()).ok()?,
            Err(error) => {
                report.add(position(*error.marker()), builder.path(), explained(&error));
                return None;
            }
        }
    }
    if builder.root.is_none() {
        report.add(Position::START, "", "the file is empty");
    }
    builder.root
}

fn explained(error: &ScanError) -> String {
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => format!("the file is nested deeper than {MAX_DEPTH} levels"),
        ErrorKind::UnknownAnchor => "the alias repeats an anchor that is not defined before it".to_owned(),
        _ => format!("is not YAML: {}", error.info()),
    }
}

fn position(marker: granit_parser::Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

/// A bound was passed and reported; reading on would cost more than it may.
struct Stopped;

/// A list or a mapping that is still open.
struct Open {
    at: Position,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Rc<Node>>),
    Mapping { entries: Vec<(Key, Rc<Node>)>, seen: HashSet<String>, key: Option<Key> },
}

struct Builder<'a> {
    report: &'a Report,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: usize,
    nodes: usize,
    bytes: usize,
    max_bytes: usize,
}

impl<'a> Builder<'a> {
    fn new(text_bytes: usize, report: &'a Report) -> Self {
        Self {
            report,
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            documents: 0,
            nodes: 0,
            bytes: 0,
            // What aliases repeat may double a document, and a little more for short ones.
            max_bytes: 2 * text_bytes + 64 * 1024,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stopped> {
        let at = position(span.start);
        self.check_tag(&event, at);
        match event {
            Event::DocumentStart(..) => self.start_document(at),
            Event::Scalar(text, style, anchor, tag) => self.scalar(at, &text, style, anchor, tag.is_some()),
            Event::Alias(anchor) => self.alias(at, anchor),
            Event::SequenceStart(_, anchor, _) => self.start(at, anchor, Inside::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                let inside = Inside::Mapping { entries: Vec::new(), seen: HashSet::new(), key: None };
                self.start(at, anchor, inside)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn stop(&self, at: Position, message: impl Into<String>) -> Result<(), Stopped> {
        self.report.add(at, self.path(), message);
        Err(Stopped)
    }

    fn start_document(&mut self, at: Position) -> Result<(), Stopped> {
        self.documents += 1;
        if self.documents > 1 {
            return self.stop(at, "there is a second document behind '---', only one is allowed");
        }
        Ok(())
    }

    /// Tags could name types that we know nothing of; those that say what is so anyway are harmless.
    fn check_tag(&self, event: &Event<'_>, at: Position) {
        let Some(tag) = event.tag() else { return };
        let own = match event {
            Event::Scalar(..) => "str",
            Event::SequenceStart(..) => "seq",
            _ => "map",
        };
        if !tag.is_yaml_core_schema_tag(own) {
            self.report.add(
                at,
                self.path(),
                format!("has the YAML tag '{}': tags are not allowed", shown(&tag.original())),
            );
        }
    }

    /// Pays for `nodes` and `bytes` more.
    fn pay(&mut self, at: Position, nodes: usize, bytes: usize) -> Result<(), Stopped> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > MAX_NODES {
            return self.stop(
                at,
                format!("the file has more than {MAX_NODES} values and keys, aliases counted in full"),
            );
        }
        if self.bytes > self.max_bytes {
            return self.stop(at, "the file's aliases repeat more text than is allowed");
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        at: Position,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tagged: bool,
    ) -> Result<(), Stopped> {
        self.pay(at, 1, text.len())?;
        if text.contains('\0') {
            self.report.add(at, self.path(), "must not hold a NUL character");
        }
        if self.expects_key() {
            self.remember(anchor, || Node::new(at, Value::Text(text.to_owned())));
            let plain = style == ScalarStyle::Plain && !tagged;
            if plain && !matches!(scalar::resolve(text), Value::Text(_)) {
                let message = format!("a key must be text: write \"{}\" in quotes", shown(text));
                self.report.add(at, self.path(), message);
            }
            self.key(at, text);
            return Ok(());
        }
        let plain = style == ScalarStyle::Plain && !tagged;
        let value = if plain { scalar::resolve(text) } else { Value::Text(text.to_owned()) };
        self.put(Rc::new(Node::new(at, value)), anchor);
        Ok(())
    }

    fn alias(&mut self, at: Position, anchor: usize) -> Result<(), Stopped> {
        let Some(node) = self.anchors.get(&anchor).map(Rc::clone) else {
            return self.stop(at, "an alias must not stand inside of what it repeats");
        };
        self.pay(at, node.weight.nodes, node.weight.bytes)?;
        if self.open.len() + node.weight.depth > MAX_DEPTH {
            return self.stop(
                at,
                format!("the file is nested deeper than {MAX_DEPTH} levels, aliases counted in full"),
            );
        }
        if self.expects_key() {
            match &node.value {
                Value::Text(text) => self.key(at, text),
                _ => return self.stop(at, "a key must be text"),
            }
        } else {
            self.put(node, 0);
        }
        Ok(())
    }

    fn start(&mut self, at: Position, anchor: usize, inside: Inside) -> Result<(), Stopped> {
        self.pay(at, 1, 0)?;
        if self.expects_key() {
            return self.stop(at, "a key must be text");
        }
        if self.open.len() >= MAX_DEPTH {
            return self.stop(at, format!("the file is nested deeper than {MAX_DEPTH} levels"));
        }
        self.open.push(Open { at, anchor, inside });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(Open { at, anchor, inside }) = self.open.pop() {
            let value = match inside {
                Inside::List(items) => Value::List(items),
                Inside::Mapping { entries, .. } => Value::Mapping(entries),
            };
            self.put(Rc::new(Node::new(at, value)), anchor);
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { inside: Inside::Mapping { key: None, .. }, .. }))
    }

    fn key(&mut self, at: Position, text: &str) {
        let mut duplicate = false;
        if let Some(Open { inside: Inside::Mapping { seen, key, .. }, .. }) = self.open.last_mut() {
            duplicate = !seen.insert(text.to_owned());
            *key = Some(Key { at, text: text.to_owned() });
        }
        if duplicate {
            self.report.add(at, self.path(), "stands here a second time");
        }
        if text == "<<" {
            self.report.add(at, self.path(), "merge keys are not part of YAML 1.2: write the fields out");
        }
    }

    fn remember(&mut self, anchor: usize, node: impl FnOnce() -> Node) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::new(node()));
        }
    }

    fn put(&mut self, node: Rc<Node>, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Mapping { entries, key, .. }) => entries.extend(key.take().map(|key| (key, node))),
        }
    }

    /// Where the next event belongs.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match &open.inside {
                Inside::List(items) => path.extend(["[", &items.len().to_string(), "]"]),
                Inside::Mapping { key: Some(key), .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&shown(&key.text));
                }
                Inside::Mapping { key: None, .. } => {}
            }
        }
        path
    }
}
