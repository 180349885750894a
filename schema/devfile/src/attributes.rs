//! The free-form `attributes` of the document and its parts. Berth's own are read, those that would reach around its checks
//! are refused, all others belong to other tools.

use crate::cursor::{Cursor, suggestion};

/// Marks the component that gets the editor and the project.
const INJECT_EDITOR: &str = "berth/inject-editor";
/// The same for GitLab's workspaces, whose devfiles many projects have.
const OF_GITLAB: &str = "gl/inject-editor";
/// Whether the container idles instead of running its image's command.
const OVERRIDE_COMMAND: &str = "overrideCommand";

const MAX_ENTRIES: usize = 256;

/// An attribute that was given, with its place.
pub(crate) type Given<'a> = Option<(bool, Cursor<'a>)>;

#[derive(Debug, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) inject_editor: Given<'a>,
    pub(crate) override_command: Given<'a>,
    /// Marked as GitLab does it.
    pub(crate) of_gitlab: bool,
}

/// Attributes of a component.
pub(crate) fn of_component<'a>(cursor: Option<&Cursor<'a>>) -> Attributes<'a> {
    let mut attributes = Attributes::default();
    for (name, value) in free(cursor) {
        let given = || value.boolean().map(|given| (given, value.clone()));
        match name {
            INJECT_EDITOR => attributes.inject_editor = given(),
            OVERRIDE_COMMAND => attributes.override_command = given(),
            OF_GITLAB => attributes.of_gitlab = value.is_true(),
            _ if name.starts_with("berth/") => {
                let hint = suggestion(name, [INJECT_EDITOR].into_iter());
                value.error(format!("is not an attribute of Berth{hint}"));
            }
            _ => {}
        }
    }
    attributes
}

/// Attributes of anything else, where Berth has none of its own.
pub(crate) fn elsewhere(cursor: Option<&Cursor<'_>>) {
    for (name, value) in free(cursor) {
        if name.starts_with("berth/") {
            value.error("does nothing here: Berth's attributes belong to a container component");
        }
    }
}

fn free<'a>(cursor: Option<&Cursor<'a>>) -> Vec<(&'a str, Cursor<'a>)> {
    let mut attributes = Vec::new();
    for entry in cursor.map(|cursor| cursor.entries(MAX_ENTRIES)).unwrap_or_default() {
        match entry.name() {
            "pod-overrides" | "container-overrides" => {
                entry.error("is not allowed: it would change the pod behind Berth's checks");
            }
            name => attributes.push((name, entry.value)),
        }
    }
    attributes
}
