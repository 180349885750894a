//! Which fields of a document another one lacks.

use serde_json::Value;

/// The fields of `before` that `after` does not hold with the same value, each by its path. What `after` has beside them does not matter.
pub(crate) fn lost(before: &Value, after: &Value) -> Vec<String> {
    let mut paths = vec![];
    collect(before, Some(after), "", &mut paths);
    paths
}

fn collect(before: &Value, after: Option<&Value>, path: &str, paths: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(fields), Some(Value::Object(others))) => {
            for (name, field) in fields {
                collect(field, others.get(name), &format!("{path}.{name}"), paths);
            }
        }
        (Value::Array(items), Some(Value::Array(others))) => {
            for (number, item) in items.iter().enumerate() {
                collect(item, others.get(number), &format!("{path}[{number}]"), paths);
            }
        }
        (before, after) if after == Some(before) => {}
        _ => paths.push(path.trim_start_matches('.').to_owned()),
    }
}
