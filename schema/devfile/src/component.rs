//! Components: containers and volumes, with the rules that look at all of them together.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::spec::VolumeSpec;

use crate::container::{self, Draft};
use crate::cursor::{Cursor, suggestion};
use crate::endpoint::Ports;
use crate::variables::Variables;
use crate::{attributes, checks, resources};

const MAX_COMPONENTS: usize = 64;
/// `<workspace>-<volume>` is the name of a claim: 33 and 27 characters and a dash stay below a label's 63.
pub(crate) const MAX_VOLUME_NAME: usize = 27;
/// The workspace's own volume is `<workspace>-data`.
pub(crate) const DATA_VOLUME: &str = "data";

/// What the components said.
#[derive(Debug, Default)]
pub(crate) struct Components<'a> {
    pub(crate) containers: Vec<(Cursor<'a>, Draft<'a>)>,
    pub(crate) volumes: BTreeMap<String, VolumeSpec>,
    /// Those that are passed over, by name, and what is said to an event that uses one.
    pub(crate) others: BTreeMap<&'a str, &'static str>,
    /// A component that is wrong in itself makes what refers to it undecidable, not wrong.
    pub(crate) broken: bool,
}

pub(crate) fn read<'a>(cursor: &Cursor<'a>, variables: &Variables) -> Components<'a> {
    let mut components = Components::default();
    let mut names = BTreeSet::new();
    let mut ports = Ports::default();
    let items = cursor.list(MAX_COMPONENTS);
    components.broken = items.is_empty() && !cursor.is_empty();
    for item in items {
        let name = component(&item, &mut components, &mut ports, variables);
        match name {
            Some(name) if !names.insert(name) => {
                item.error(format!("'{name}' is the name of a component before it already"));
            }
            Some(_) => {}
            None => components.broken = true,
        }
    }
    check_mounts(&components);
    components
}

/// Reads one component into `components` and gives its name.
fn component<'a>(
    cursor: &Cursor<'a>,
    components: &mut Components<'a>,
    ports: &mut Ports<'a>,
    variables: &Variables,
) -> Option<&'a str> {
    let mut fields = cursor.fields("a component")?;
    let name_cursor = fields.required("name");
    let name =
        name_cursor.as_ref().and_then(|name| name.checked_text(|text| checks::name(text, checks::MAX_LABEL)));
    let attributes = attributes::of_component(fields.optional("attributes").as_ref());
    let container = fields.optional("container");
    let volume = fields.optional("volume");
    let mut refused = false;
    for (kind, why) in REFUSED {
        refused |= fields.refuse(kind, why);
    }
    let outer: Vec<_> =
        OUTER_LOOP.iter().filter_map(|kind| Some((fields.optional(kind.name)?, kind))).collect();
    fields.finish();
    if container.is_none() && volume.is_none() && !refused && !outer.is_empty() {
        for (at, kind) in outer {
            refuse_marks(&attributes);
            components.others.extend(name.map(|name| (name, kind.why)));
            pass_over(&at, kind);
        }
        return name;
    }
    match (container, volume) {
        (Some(container), None) => {
            match container::read(&container, name.unwrap_or_default(), attributes, ports, variables) {
                Some(draft) => components.containers.push((cursor.clone(), draft)),
                None => components.broken = true,
            }
        }
        (None, Some(volume)) => {
            refuse_marks(&attributes);
            let spec = read_volume(&volume, variables);
            if let (Some(at), Some(name)) = (name_cursor, name) {
                check_volume_name(&at, name);
                components.volumes.insert(name.to_owned(), spec.unwrap_or_default());
            }
        }
        (Some(_), Some(_)) => {
            components.broken = true;
            cursor.error("must be either a container or a volume, not both");
        }
        (None, None) => {
            components.broken = true;
            if !refused {
                cursor.error("needs a field that says what it is: 'container' or 'volume'");
            }
        }
    }
    name
}

/// Kinds of components that the standard has and Berth does not.
const REFUSED: [(&str, &str); 2] = [
    ("plugin", "is not supported: write the plugin's components out"),
    ("custom", "is not supported: components are containers and volumes"),
];

/// A kind of component that says how a project is built and deployed, not what a workspace is made of.
struct OuterLoop {
    name: &'static str,
    /// The field by which it would be part of every start.
    at_start: &'static str,
    why: &'static str,
}

const OUTER_LOOP: [OuterLoop; 3] = [
    OuterLoop { name: "kubernetes", at_start: "deployByDefault", why: OBJECTS },
    OuterLoop { name: "openshift", at_start: "deployByDefault", why: OBJECTS },
    OuterLoop { name: "image", at_start: "autoBuild", why: IMAGES },
];
const OBJECTS: &str = "Berth applies only objects that it makes itself";
const IMAGES: &str = "Berth builds no images; build it before and name it in a container";

fn pass_over(at: &Cursor<'_>, kind: &OuterLoop) {
    match at.descend(kind.at_start) {
        Some(asked) if asked.is_true() => asked.error(format!("is not supported: {}", kind.why)),
        _ => at.pass_over(kind.why),
    }
}

fn refuse_marks(attributes: &attributes::Attributes<'_>) {
    for (_, at) in [&attributes.inject_editor, &attributes.override_command].into_iter().flatten() {
        at.error("belongs to a container component");
    }
}

fn read_volume(cursor: &Cursor<'_>, variables: &Variables) -> Option<VolumeSpec> {
    if cursor.is_empty() && !cursor.is_list() {
        return Some(VolumeSpec::default());
    }
    let mut fields = cursor.fields("a volume")?;
    let size = resources::size(fields.optional("size"), variables);
    let ephemeral = fields.optional("ephemeral").and_then(|ephemeral| ephemeral.boolean());
    fields.finish();
    Some(VolumeSpec { size, ephemeral: ephemeral.unwrap_or_default() })
}

fn check_volume_name(at: &Cursor<'_>, name: &str) {
    if name.len() > MAX_VOLUME_NAME {
        at.error(format!("is {} characters long, a volume's name has at most {MAX_VOLUME_NAME}", name.len()));
    }
    if name == DATA_VOLUME {
        at.error(format!("must not be '{DATA_VOLUME}': that is the workspace's own volume"));
    }
}

fn check_mounts(components: &Components<'_>) {
    if components.broken {
        return;
    }
    for (at, volume) in components.containers.iter().flat_map(|(_, draft)| &draft.mounts) {
        if !components.volumes.contains_key(*volume) {
            let hint = suggestion(volume, components.volumes.keys().map(String::as_str));
            at.error(format!("names no volume component{hint}"));
        }
    }
}
