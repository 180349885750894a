//! Any YAML or JSON document as JSON, read as strictly as a devfile: no key twice, no tags, no key that is not text, no number
//! that some readers take for another.

use std::rc::Rc;

use serde_json::{Map, Number, Value as Json};

use crate::cursor::join;
use crate::diagnostic::{Diagnostic, Report, shown};
use crate::node::{Key, Node, Value};
use crate::yaml;

/// The document as JSON.
///
/// # Errors
/// Everything that is wrong, sorted by place. Its bounds are a devfile's.
pub fn to_json(text: &str) -> Result<Json, Vec<Diagnostic>> {
    let report = Report::default();
    let json = yaml::read(text, &report).map(|root| Reader { report: &report }.json(&root, ""));
    report.conclude(json)
}

struct Reader<'a> {
    report: &'a Report,
}

impl Reader<'_> {
    fn json(&self, node: &Rc<Node>, path: &str) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Boolean(value) => Json::Bool(*value),
            Value::Text(text) => Json::String(text.clone()),
            Value::Number(written) => number(written).map_or_else(
                |message| {
                    self.report.add(node.at, path, message);
                    Json::Null
                },
                Json::Number,
            ),
            Value::List(items) => {
                let item = |(at, item): (usize, &Rc<Node>)| self.json(item, &format!("{path}[{at}]"));
                Json::Array(items.iter().enumerate().map(item).collect())
            }
            Value::Mapping(entries) => {
                let entry = |(key, inner): &(Key, Rc<Node>)| {
                    (key.text.clone(), self.json(inner, &join(path, &key.text)))
                };
                Json::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
        }
    }
}

fn number(written: &str) -> Result<Number, String> {
    let digits = written.trim_start_matches(['-', '+']);
    let is_prefixed =
        digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_alphanumeric);
    if is_prefixed {
        return Err(format!(
            "is '{}', which some readers take for an octal or hexadecimal number: write it as a decimal number without a zero in front",
            shown(written)
        ));
    }
    let whole = written.strip_prefix('+').unwrap_or(written);
    if let Ok(number) = whole.parse::<i64>() {
        return Ok(number.into());
    }
    if let Ok(number) = whole.parse::<u64>() {
        return Ok(number.into());
    }
    let number = whole.parse::<f64>().ok().and_then(Number::from_f64);
    number.ok_or_else(|| format!("is '{}', not a number that JSON has", shown(written)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_and_json_are_read_alike() {
        let json = json!({"a": [1, -1, 0.5, null, true, "x", {}], "b": {"c": "0777"}});
        let yaml = "a: [1, -1, 0.5, null, true, x, {}]\nb: {c: '0777'}\n";
        assert_eq!(to_json(yaml), Ok(json.clone()));
        assert_eq!(to_json(&json.to_string()), Ok(json));
        assert_eq!(to_json("0"), Ok(json!(0)));
    }

    #[test]
    fn what_readers_disagree_on_is_refused_at_its_place() {
        for (text, line, path, words) in [
            ("user: 0777", 1, "user", "octal"),
            ("user: 0x1F", 1, "user", "octal or hexadecimal"),
            ("user: 0o17", 1, "user", "octal"),
            ("a: 1\nuser: .inf", 2, "user", "not a number"),
            ("labels: {1: x}", 1, "labels", "write \"1\" in quotes"),
            ("labels: {true: x}", 1, "labels", "write \"true\" in quotes"),
            ("labels: {~: x}", 1, "labels", "must be text"),
            ("user: !!python/object 1", 1, "user", "tags are not allowed"),
            ("a: 1\na: 2", 2, "", "second time"),
            ("a: &x [*x]", 1, "", "alias"),
        ] {
            let errors = to_json(text).expect_err(text);
            let told = errors.iter().any(|error| {
                error.line == line && error.path.starts_with(path) && error.message.contains(words)
            });
            assert!(told, "{text}: {errors:?}");
        }
        assert!(to_json("").is_err());
    }
}
