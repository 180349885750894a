//! Environment of a `devcontainer.json`, and its `${…}` variables, which only the user's own machine could fill.

use std::collections::BTreeMap;

use berth_schema::variables::MAX_COUNT;

use crate::bounds;
use crate::cursor::{Cursor, Fields};
use crate::environment::{checked_name, checked_value};

/// How the format's own variables begin. Other `${…}` is the shell's.
const VARIABLES: [&str; 6] = [
    "${localEnv:",
    "${env:",
    "${containerEnv:",
    "${localWorkspaceFolder",
    "${containerWorkspaceFolder",
    "${devcontainerId",
];

/// `containerEnv`, over which `remoteEnv` wins.
pub(super) fn read(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for name in ["containerEnv", "remoteEnv"] {
        let entries = fields.optional(name).map(|cursor| cursor.entries(MAX_COUNT)).unwrap_or_default();
        for entry in entries {
            if let Err(message) = checked_name(entry.name()) {
                entry.error(message);
            }
            let Some(value) = literal(&entry.value) else {
                continue;
            };
            match checked_value(value) {
                Ok(()) => drop(environment.insert(entry.name().to_owned(), value.to_owned())),
                Err(error) => entry.value.error(error),
            }
        }
    }
    environment
}

/// A text of bounded length without the format's variables.
pub(super) fn literal<'a>(cursor: &Cursor<'a>) -> Option<&'a str> {
    let text = cursor.text()?;
    if let Some(variable) = VARIABLES.iter().find(|variable| text.contains(**variable)) {
        cursor.error(format!("holds the variable '{variable}…', which Berth cannot fill"));
        return None;
    }
    bounds::fits(cursor, text).then_some(text)
}
