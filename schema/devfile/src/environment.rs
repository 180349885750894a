//! Literal environment variables of containers and commands. They are not secret: secrets are Berth's own variables.

use std::collections::BTreeMap;

use berth_schema::variables::{MAX_COUNT, VariableKind, check_name, check_value};

use crate::cursor::Cursor;
use crate::variables::Variables;

/// Set by Berth, as the devfile standard asks.
const RESERVED: [&str; 2] = ["PROJECTS_ROOT", "PROJECT_SOURCE"];

/// Whose environment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Set by Kubernetes, which takes dots and dashes in names.
    Container,
    /// Set by a shell, which does not.
    Command,
}

/// The list of `name` and `value`.
pub(crate) fn read(cursor: Option<&Cursor<'_>>, variables: &Variables, of: Of) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for item in cursor.map(|cursor| cursor.list(MAX_COUNT)).unwrap_or_default() {
        let Some(mut fields) = item.fields("an environment variable") else {
            continue;
        };
        let name = fields.required("name");
        let value = fields.required("value").and_then(|value| read_value(&value, variables));
        fields.finish();
        let Some(name) = name else { continue };
        let Some(text) = name.text() else { continue };
        if let Err(message) = checked_name(text, of) {
            name.error(message);
        } else if environment.insert(text.to_owned(), value.unwrap_or_default()).is_some() {
            name.error(format!("'{text}' stands in this list a second time"));
        }
    }
    environment
}

/// Whether a literal environment variable may have this name.
pub(crate) fn checked_name(name: &str, of: Of) -> Result<(), String> {
    if RESERVED.contains(&name) {
        return Err("is reserved: Berth sets it".to_owned());
    }
    let plain = match of {
        Of::Container => name.replace(['.', '-'], "_"),
        Of::Command => name.to_owned(),
    };
    check_name(VariableKind::Environment, &plain).map_err(|error| error.to_string())
}

/// Whether a literal environment variable may have this value.
pub(crate) fn checked_value(value: &str) -> Result<(), String> {
    // Its length is bounded as that of every text, far below what its name could change.
    check_value(VariableKind::Environment, "", value.as_bytes()).map_err(|error| error.to_string())
}

fn read_value(cursor: &Cursor<'_>, variables: &Variables) -> Option<String> {
    let text = variables.text(cursor)?;
    match checked_value(&text) {
        Ok(()) => Some(text),
        Err(message) => {
            cursor.error(message);
            None
        }
    }
}
