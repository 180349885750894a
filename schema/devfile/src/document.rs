//! The devfile as a whole.

use berth_schema::WorkspaceSpec;

use crate::component::{self, Components};
use crate::container::Draft;
use crate::cursor::Cursor;
use crate::diagnostic::shown;
use crate::variables::Variables;
use crate::{Options, attributes, command, resources};

/// What the description may take as JSON: it goes into Kubernetes objects, which end at about 1.5 MiB.
const MAX_DESCRIPTION: usize = 512 * 1024;

pub(crate) fn read(root: &Cursor<'_>, options: &Options) -> Option<WorkspaceSpec> {
    let mut fields = root.fields("a devfile")?;
    if let Some(version) = fields.required("schemaVersion") {
        version.checked_text(check_version);
    }
    for (name, why) in REFUSED {
        fields.refuse(name, why);
    }
    metadata(fields.optional("metadata").as_ref());
    attributes::elsewhere(fields.optional("attributes").as_ref());
    let variables = Variables::read(fields.optional("variables").as_ref());
    let (commands, events) = (fields.optional("commands"), fields.optional("events"));
    let components = fields.required("components");
    fields.finish();
    let at = components?;
    let mut components = component::read(&at, &variables);
    let commands = command::read(commands.as_ref(), &components, &variables);
    let events = command::events(events.as_ref(), &commands, &mut components);
    choose_main(&at, &mut components);
    let running = components.containers.iter().filter(|(_, draft)| !draft.spec.init);
    resources::check_total(&at, running.map(|(_, draft)| &draft.spec.resources), options);
    let containers = components
        .containers
        .into_iter()
        .map(|(_, draft)| draft.spec)
        .collect();
    let spec = WorkspaceSpec {
        containers,
        volumes: components.volumes,
        events,
    };
    check_size(root, &spec);
    Some(spec)
}

/// Parts of the standard that Berth does not have, and why.
const REFUSED: [(&str, &str); 5] = [
    (
        "parent",
        "is not supported: Berth fetches no other devfile; write out what you need of it",
    ),
    (
        "projects",
        "is not supported: the workspace clones the project it was created for",
    ),
    (
        "starterProjects",
        "is not supported: the workspace clones the project it was created for",
    ),
    (
        "dependentProjects",
        "is not supported: the workspace clones the project it was created for",
    ),
    (
        "apiVersion",
        "belongs to devfile 1.0; Berth reads 'schemaVersion' 2.2 and 2.3",
    ),
];

fn check_version(text: &str) -> Result<(), String> {
    let patch = text.strip_prefix("2.2.").is_some_and(|patch| {
        !patch.is_empty() && patch.len() <= 3 && patch.bytes().all(|b| b.is_ascii_digit())
    });
    if patch || text == "2.3.0" {
        return Ok(());
    }
    Err(format!(
        "is '{}', Berth reads 2.2.0 to 2.2.x and 2.3.0",
        shown(text)
    ))
}

/// Describes the devfile and changes nothing; the standard leaves its fields open.
fn metadata(cursor: Option<&Cursor<'_>>) {
    const MAX_ENTRIES: usize = 256;
    for entry in cursor
        .map(|cursor| cursor.entries(MAX_ENTRIES))
        .unwrap_or_default()
    {
        match entry.name() {
            "attributes" => attributes::elsewhere(Some(&entry.value)),
            "name" | "displayName" | "description" | "version" => {
                entry.value.text();
            }
            _ => {}
        }
    }
}

/// The one container that gets the editor and the project.
fn choose_main(at: &Cursor<'_>, components: &mut Components<'_>) {
    let marked = |draft: &Draft<'_>| matches!(draft.attributes.inject_editor, Some((true, _)));
    let running = || {
        components
            .containers
            .iter()
            .enumerate()
            .filter(|(_, (_, draft))| !draft.spec.init)
    };
    let marks: Vec<usize> = running()
        .filter(|(_, (_, draft))| marked(draft))
        .map(|(i, _)| i)
        .collect();
    let main = match (marks.as_slice(), running().count()) {
        ([main], _) => *main,
        (_, 0) => {
            if !components.broken {
                at.error("must hold a container that stays running");
            }
            return;
        }
        ([], 1) => {
            let Some((lone, (_, draft))) = running().next() else {
                return;
            };
            if let Some((false, mark)) = &draft.attributes.inject_editor {
                mark.error("must not be false: the only container gets the editor");
            }
            lone
        }
        ([], count) => {
            if !components.broken {
                at.error(format!(
                    "hold {count} containers, one of which needs the attribute 'berth/inject-editor: true'"
                ));
            }
            return;
        }
        ([_, others @ ..], _) => {
            for mark in others
                .iter()
                .filter_map(|i| components.containers[*i].1.attributes.inject_editor.as_ref())
            {
                mark.1.error("marks a second component, only one gets the editor");
            }
            return;
        }
    };
    components.containers[main].1.spec.main = true;
    for (_, draft) in &components.containers {
        check_command(draft);
    }
}

/// A command that would never run is a mistake.
fn check_command(draft: &Draft<'_>) {
    if draft.spec.init || !draft.spec.override_command.unwrap_or(draft.spec.main) {
        return;
    }
    for at in &draft.command {
        at.error("would not run, since the container's command is overridden; set the attribute 'overrideCommand: false'");
    }
}

fn check_size(root: &Cursor<'_>, spec: &WorkspaceSpec) {
    let size = serde_json::to_vec(spec).map_or(usize::MAX, |json| json.len());
    if size > MAX_DESCRIPTION {
        root.error(format!(
            "describes a workspace in {size} bytes, at most {MAX_DESCRIPTION} fit into Kubernetes objects"
        ));
    }
}
