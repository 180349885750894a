//! Lifecycle commands of a `devcontainer.json` as commands that run when the workspace has started.

use std::collections::BTreeMap;

use berth_schema::late::is_late;
use berth_schema::spec::{CommandSpec, Directory};

use super::variables::{Needed, Variables};
use crate::cursor::{Cursor, Fields};

struct Lifecycle {
    field: &'static str,
    id: &'static str,
    /// Whether it belongs to the creation, not to every start.
    once: bool,
}

/// In the order in which they run.
const LIFECYCLE: [Lifecycle; 5] = [
    Lifecycle { field: "onCreateCommand", id: "on-create", once: true },
    Lifecycle { field: "updateContentCommand", id: "update-content", once: true },
    Lifecycle { field: "postCreateCommand", id: "post-create", once: true },
    Lifecycle { field: "postStartCommand", id: "post-start", once: false },
    Lifecycle { field: ATTACH, id: "post-attach", once: false },
];
const ATTACH: &str = "postAttachCommand";
const MAX_PARALLEL: usize = 32;
const MAX_ARGUMENTS: usize = 256;

pub(super) fn read(fields: &mut Fields<'_>, component: &str, variables: &Variables) -> Vec<CommandSpec> {
    let mut commands = Vec::new();
    for Lifecycle { field, id, once } in LIFECYCLE {
        let Some(cursor) = fields.optional(field).filter(|cursor| !cursor.is_blank()) else {
            continue;
        };
        if field == ATTACH {
            cursor.warn("runs at every start", "Berth does not see editors attach");
        }
        let lines = if cursor.is_mapping() {
            // Named commands: one after another here, by their names' order in the file.
            let entries = cursor.entries(MAX_PARALLEL);
            entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| !entry.value.is_blank())
                .filter_map(|(i, entry)| Some((format!("{id}-{}", i + 1), line(&entry.value, variables)?)))
                .collect()
        } else {
            Vec::from_iter(line(&cursor, variables).map(|line| (id.to_owned(), line)))
        };
        commands.extend(lines.into_iter().map(|(id, command_line)| CommandSpec {
            id,
            component: component.to_owned(),
            late: is_late(&command_line),
            command_line,
            working_dir: Some(Directory::Project(variables.below.clone())),
            env: BTreeMap::new(),
            once,
        }));
    }
    commands
}

/// A text is a shell's line, a list the words of a program.
fn line(cursor: &Cursor<'_>, variables: &Variables) -> Option<String> {
    if !cursor.is_list() {
        return variables.text(cursor, Needed::Running);
    }
    let items = cursor.list(MAX_ARGUMENTS);
    let words: Option<Vec<String>> = items.iter().map(|item| variables.text(item, Needed::Running)).collect();
    let words = words?;
    let line = shlex::try_join(words.iter().map(String::as_str)).ok();
    if line.is_none() {
        cursor.error("must not hold a NUL character");
    }
    line
}
