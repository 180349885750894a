//! JSON with comments to the tree that a devfile becomes too.

use std::collections::HashSet;
use std::rc::Rc;

use jsonc_parser::ast::{ObjectProp, Value as Json};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::diagnostic::{Position, Report, shown};
use crate::node::{Key, Node, Value};
use crate::yaml::{MAX_DEPTH, MAX_NODES};

/// Comments and commas at the end are what editors allow in this file; nothing else beyond JSON is.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// `None` when there is nothing to look at further; the report says why.
pub(super) fn read(text: &str, report: &Report) -> Option<Rc<Node>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = match parse_to_ast(text, &CollectOptions::default(), &OPTIONS) {
        Ok(parsed) => parsed,
        Err(error) => {
            let at = Position { line: error.line_display(), column: error.column_display() };
            report.add(at, "", format!("is not JSON: {}", error.kind()));
            return None;
        }
    };
    let Some(value) = parsed.value else {
        report.add(Position::START, "", "the file is empty");
        return None;
    };
    Reader { places: Places::of(text), report, nodes: 0 }.node(&value, "", 0)
}

struct Reader<'a> {
    places: Places<'a>,
    report: &'a Report,
    nodes: usize,
}

impl Reader<'_> {
    fn node(&mut self, json: &Json<'_>, path: &str, depth: usize) -> Option<Rc<Node>> {
        let at = self.places.position(json.range().start);
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            self.report.add(
                at,
                path,
                format!("the file has more than {MAX_NODES} values or {MAX_DEPTH} levels"),
            );
            return None;
        }
        let value = match json {
            Json::NullKeyword(_) => Value::Null,
            Json::BooleanLit(literal) => Value::Boolean(literal.value),
            Json::NumberLit(literal) => Value::Number(literal.value.to_owned()),
            Json::StringLit(literal) => self.text(at, path, &literal.value),
            Json::Array(array) => {
                let items = array.elements.iter().enumerate();
                Value::List(
                    items
                        .map(|(i, item)| self.node(item, &format!("{path}[{i}]"), depth + 1))
                        .collect::<Option<_>>()?,
                )
            }
            Json::Object(object) => self.object(&object.properties, path, depth)?,
        };
        Some(Rc::new(Node::new(at, value)))
    }

    fn text(&self, at: Position, path: &str, text: &str) -> Value {
        if text.contains('\0') {
            self.report.add(at, path, "must not hold a NUL character");
        }
        Value::Text(text.to_owned())
    }

    fn object(&mut self, properties: &[ObjectProp<'_>], path: &str, depth: usize) -> Option<Value> {
        let mut seen = HashSet::new();
        let mut entries = Vec::with_capacity(properties.len());
        for property in properties {
            let at = self.places.position(property.range.start);
            let name = property.name.as_str();
            let separator = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{separator}{}", shown(name));
            if !seen.insert(name) {
                self.report.add(at, &path, "stands here a second time");
            }
            let node = self.node(&property.value, &path, depth + 1)?;
            entries.push((Key { at, text: name.to_owned() }, node));
        }
        Some(Value::Mapping(entries))
    }
}

/// Lines and columns of offsets that are asked for in rising order, so that the text is walked once.
struct Places<'a> {
    text: &'a str,
    offset: usize,
    at: Position,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, offset: 0, at: Position::START }
    }

    fn position(&mut self, offset: usize) -> Position {
        for character in self.text.get(self.offset..offset).unwrap_or_default().chars() {
            if character == '\n' {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.offset = self.offset.max(offset);
        self.at
    }
}
