//! Environment of a `devcontainer.json`.

use std::collections::BTreeMap;

use berth_schema::late::{Variable, is_late, split};
use berth_schema::spec::ContainerSpec;
use berth_schema::variables::MAX_COUNT;

use super::variables::{Needed, Variables, names_the_containers_own};
use crate::cursor::{Cursor, Entry, Fields};
use crate::environment::{Of, checked_name, checked_value};

const NOT_HERE: &str = "the user's own machine is not there; give it as a variable: `berth create -e NAME`";

/// The environment that was read, by when its values are known.
#[derive(Debug, Default)]
pub(super) struct Environment {
    literal: BTreeMap<String, String>,
    late: BTreeMap<String, String>,
    start: BTreeMap<String, String>,
}

impl Environment {
    /// `containerEnv`, over which `remoteEnv` wins; there `null` takes a variable away.
    pub(super) fn read(fields: &mut Fields<'_>, variables: &Variables) -> Self {
        let mut environment = Self::default();
        for (field, needed) in [("containerEnv", Needed::Rendered), ("remoteEnv", Needed::Running)] {
            let entries = fields.optional(field).map(|cursor| cursor.entries(MAX_COUNT)).unwrap_or_default();
            for entry in entries {
                if entry.value.is_null() && needed == Needed::Running {
                    environment.remove(entry.name());
                } else {
                    environment.add(&entry, variables, needed);
                }
            }
        }
        environment
    }

    fn remove(&mut self, name: &str) {
        for map in [&mut self.literal, &mut self.late, &mut self.start] {
            map.remove(name);
        }
    }

    fn add(&mut self, entry: &Entry<'_>, variables: &Variables, needed: Needed) {
        let of_a_shell = entry.value.is_text() && needed == Needed::Running;
        let of = if of_a_shell { Of::Command } else { Of::Container };
        if let Err(message) = checked_name(entry.name(), of) {
            entry.error(message);
            return;
        }
        if is_of_the_users_machine(&entry.value) {
            // Set to nothing it would hide a variable of the workspace of this name.
            entry.value.pass_over(NOT_HERE);
            return;
        }
        if let Some(value) = variables.text(&entry.value, needed) {
            self.insert(&entry.value, entry.name(), value);
        }
    }

    /// A variable of `--env`, as far as it is written right.
    pub(super) fn add_argument(&mut self, at: &Cursor<'_>, assignment: &str) {
        let Some((name, value)) = assignment.split_once('=') else {
            at.pass_over(NOT_HERE);
            return;
        };
        match checked_name(name, Of::Container) {
            Ok(()) => self.insert(at, name, value.to_owned()),
            Err(message) => at.error(format!("sets a variable whose name {message}")),
        }
    }

    fn insert(&mut self, at: &Cursor<'_>, name: &str, value: String) {
        if let Err(message) = checked_value(&value) {
            at.error(message);
            return;
        }
        let map = if names_the_containers_own(&value) {
            // Over what the container itself has under this name.
            &mut self.start
        } else {
            self.remove(name);
            if is_late(&value) { &mut self.late } else { &mut self.literal }
        };
        map.insert(name.to_owned(), value);
    }

    pub(super) fn set(self, container: &mut ContainerSpec) {
        (container.env, container.late_env, container.start_env) = (self.literal, self.late, self.start);
    }
}

/// Whether a value is a variable of the user's own machine and nothing else, without a default.
fn is_of_the_users_machine(value: &Cursor<'_>) -> bool {
    let text = value.is_text().then(|| value.text()).flatten().unwrap_or_default();
    matches!(split(text), Some(("", variable @ Variable { name: "localEnv" | "env", arguments: Some(_) }, ""))
        if variable.lookup().1.is_none())
}
