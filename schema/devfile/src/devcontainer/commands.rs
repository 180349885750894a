//! Lifecycle commands of a `devcontainer.json` as commands that run when the workspace has started.

use std::collections::BTreeMap;

use berth_schema::spec::CommandSpec;

use super::environment::literal;
use crate::cursor::{Cursor, Fields};

/// In the order in which they run, with the ids that they get here.
const LIFECYCLE: [(&str, &str); 4] = [
    ("onCreateCommand", "on-create"),
    ("updateContentCommand", "update-content"),
    ("postCreateCommand", "post-create"),
    ("postStartCommand", "post-start"),
];
const MAX_PARALLEL: usize = 32;
const MAX_ARGUMENTS: usize = 256;

pub(super) fn read(fields: &mut Fields<'_>, component: &str, folder: &str) -> Vec<CommandSpec> {
    let mut commands = Vec::new();
    for (field, id) in LIFECYCLE {
        let Some(cursor) = fields.optional(field) else {
            continue;
        };
        let lines = if cursor.is_mapping() {
            // Named commands: one after another here, by their names' order in the file.
            let entries = cursor.entries(MAX_PARALLEL);
            entries
                .iter()
                .enumerate()
                .filter_map(|(i, entry)| Some((format!("{id}-{}", i + 1), line(&entry.value)?)))
                .collect()
        } else {
            Vec::from_iter(line(&cursor).map(|line| (id.to_owned(), line)))
        };
        commands.extend(lines.into_iter().map(|(id, command_line)| CommandSpec {
            id,
            component: component.to_owned(),
            command_line,
            working_dir: Some(folder.to_owned()),
            env: BTreeMap::new(),
        }));
    }
    commands
}

/// A text is a shell's line, a list the words of a program.
fn line(cursor: &Cursor<'_>) -> Option<String> {
    if cursor.is_empty() {
        cursor.error("must not be empty");
        return None;
    }
    if !cursor.is_list() {
        return literal(cursor).map(str::to_owned);
    }
    let words: Option<Vec<&str>> = cursor.list(MAX_ARGUMENTS).iter().map(literal).collect();
    let line = shlex::try_join(words?).ok();
    if line.is_none() {
        cursor.error("must not hold a NUL character");
    }
    line
}
