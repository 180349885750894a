//! The devfile as a whole.

use berth_schema::WorkspaceSpec;
use berth_schema::spec::ContainerSpec;

use crate::cursor::Cursor;
use crate::diagnostic::shown;
use crate::variables::Variables;
use crate::{Options, attributes, bounds, command, component, event, main_container, project};

pub(crate) fn read(root: &Cursor<'_>, options: &Options) -> Option<WorkspaceSpec> {
    let mut fields = root.fields("a devfile")?;
    if let Some(version) = fields.required("schemaVersion")
        && let Some(Err(message)) = version.text_or_number().map(check_version)
    {
        version.error(message);
    }
    for (name, why) in REFUSED {
        fields.refuse_unless_empty(name, why);
    }
    for (name, why) in PASSED_OVER {
        fields.pass_over(name, why);
    }
    let projects = project::read(fields.optional("projects").as_ref());
    metadata(fields.optional("metadata").as_ref());
    attributes::elsewhere(fields.optional("attributes").as_ref());
    let variables = Variables::read(fields.optional("variables").as_ref());
    let (commands, events) = (fields.optional("commands"), fields.optional("events"));
    let components = fields.required("components");
    fields.finish();
    let at = components?;
    let mut components = component::read(&at, &variables);
    let commands = command::read(commands.as_ref(), &components, &variables, &projects);
    let events = event::read(events.as_ref(), &commands, &mut components);
    main_container::mark(&at, &mut components);
    let places: Vec<_> = components.containers.iter().map(|(at, _)| at.clone()).collect();
    let containers: Vec<ContainerSpec> =
        components.containers.into_iter().map(|(_, draft)| draft.spec).collect();
    let spec = WorkspaceSpec {
        containers,
        volumes: components.volumes,
        events,
        storage: None,
        user: None,
        git_user: None,
        project: projects.first,
        found: None,
        warnings: Vec::new(),
    };
    let places: Vec<_> =
        spec.containers.iter().map(|container| container.name.as_str()).zip(places).collect();
    bounds::check(&at, &places, &spec, options);
    Some(spec)
}

/// Parts of the standard that Berth does not have, and why.
const REFUSED: [(&str, &str); 2] = [
    ("parent", "is not supported: Berth fetches no other devfile; write out what you need of it"),
    ("apiVersion", "belongs to devfile 1.0; Berth reads 'schemaVersion' 2.0 to 2.3"),
];

/// Parts of the standard that no workspace is made of, and why.
const PASSED_OVER: [(&str, &str); 2] = [
    (
        "starterProjects",
        "they are what a new project may begin with; a workspace clones the project it is created for",
    ),
    ("dependentProjects", "a workspace clones one project; clone others in a command"),
];

fn check_version(text: &str) -> Result<(), String> {
    let is_read =
        ["2.0.", "2.1.", "2.2.", "2.3."].iter().filter_map(|minor| text.strip_prefix(minor)).any(|patch| {
            // As in 2.2.1-alpha, which was released.
            let patch = patch.strip_suffix("-alpha").unwrap_or(patch);
            !patch.is_empty() && patch.len() <= 3 && patch.bytes().all(|b| b.is_ascii_digit())
        });
    if is_read { Ok(()) } else { Err(format!("is '{}', Berth reads 2.0.0 to 2.3.x", shown(text))) }
}

/// Describes the devfile and changes nothing; the standard leaves its fields open.
fn metadata(cursor: Option<&Cursor<'_>>) {
    const MAX_ENTRIES: usize = 256;
    for entry in cursor.map(|cursor| cursor.entries(MAX_ENTRIES)).unwrap_or_default() {
        match entry.name() {
            "attributes" => attributes::elsewhere(Some(&entry.value)),
            "name" | "displayName" | "description" | "version" => {
                entry.value.text();
            }
            _ => {}
        }
    }
}
