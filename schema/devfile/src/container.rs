//! A container component.

use std::collections::BTreeSet;

use berth_schema::kubernetes::PROJECTS_PATH;
use berth_schema::spec::{ContainerSpec, MountSpec};

use crate::attributes::Attributes;
use crate::cursor::{Cursor, Fields};
use crate::endpoint::{self, Ports};
use crate::variables::Variables;
use crate::{checks, environment, resources};

const MAX_ARGUMENTS: usize = 256;
const MAX_MOUNTS: usize = 64;

/// A container before it is known which one is the main one and which volumes there are.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) spec: ContainerSpec,
    pub(crate) attributes: Attributes<'a>,
    /// Where the volumes are named.
    pub(crate) mounts: Vec<(Cursor<'a>, &'a str)>,
    /// Where the command and its arguments stand.
    pub(crate) command: Vec<Cursor<'a>>,
}

pub(crate) fn read<'a>(
    cursor: &Cursor<'a>,
    name: &str,
    attributes: Attributes<'a>,
    ports: &mut Ports<'a>,
    variables: &Variables,
) -> Option<Draft<'a>> {
    let mut fields = cursor.fields("a container")?;
    let image = fields.required("image").and_then(|image| {
        let text = variables.text(&image)?;
        checks::image(&text).map_err(|message| image.error(message)).ok()?;
        Some(text)
    });
    let command = fields.optional("command");
    let args = fields.optional("args");
    let env = environment::read(fields.optional("env").as_ref(), variables, environment::Of::Container);
    let resources = resources::container(&mut fields, variables);
    let endpoints = endpoint::read(fields.optional("endpoints").as_ref(), ports, variables);
    let (mounts, places) = mounts(fields.optional("volumeMounts").as_ref(), variables);
    sources(&mut fields);
    fields.pass_over("annotation", "Berth alone annotates its objects");
    fields.refuse("overrideCommand", "belongs into the component's 'attributes'");
    fields.finish();
    let spec = ContainerSpec {
        name: name.to_owned(),
        image: image.unwrap_or_default(),
        command: words(command.as_ref(), variables),
        args: words(args.as_ref(), variables),
        override_command: attributes.override_command.as_ref().map(|(given, _)| *given),
        env,
        resources,
        endpoints,
        mounts,
        ..ContainerSpec::default()
    };
    let command = [command, args].into_iter().flatten().filter(|cursor| !cursor.is_empty()).collect();
    Some(Draft { spec, attributes, mounts: places, command })
}

/// What a container may say of the project and of its pod: that it is as Berth does it.
fn sources(fields: &mut Fields<'_>) {
    if let Some(at) = fields.said("mountSources")
        && at.boolean() == Some(false)
    {
        at.error("must not be false: every container sees the project under /projects");
    }
    if let Some(at) = fields.said("dedicatedPod")
        && at.boolean() == Some(true)
    {
        at.error("must not be true: all containers of a workspace share one pod");
    }
    if let Some(at) = fields.said("sourceMapping").filter(|at| !at.is_blank()) {
        at.checked_text(|path| match checks::without_slash(path) {
            PROJECTS_PATH => Ok(()),
            _ => Err(format!("must be {PROJECTS_PATH}: the project is always below it")),
        });
    }
}

fn words(cursor: Option<&Cursor<'_>>, variables: &Variables) -> Vec<String> {
    let items = cursor.map(|cursor| cursor.list(MAX_ARGUMENTS)).unwrap_or_default();
    items.iter().filter_map(|item| variables.text(item)).collect()
}

type Places<'a> = Vec<(Cursor<'a>, &'a str)>;

fn mounts<'a>(cursor: Option<&Cursor<'a>>, variables: &Variables) -> (Vec<MountSpec>, Places<'a>) {
    let mut mounts = Vec::new();
    let mut places = Vec::new();
    let mut paths = BTreeSet::new();
    for item in cursor.map(|cursor| cursor.list(MAX_MOUNTS)).unwrap_or_default() {
        let Some(mut fields) = item.fields("a volume mount") else {
            continue;
        };
        let name = fields.required("name").and_then(|name| Some((name.text()?, name)));
        let path = fields.said("path");
        fields.finish();
        let Some((volume, name)) = name else { continue };
        // Without a path the standard mounts a volume under its name.
        let at = path.as_ref().unwrap_or(&name);
        let Some(path) =
            path.as_ref().map_or_else(|| Some(format!("/{volume}")), |path| variables.text(path))
        else {
            continue;
        };
        let path = checks::without_slash(&path).to_owned();
        if let Err(message) = checks::mount_path(&path) {
            at.error(message);
        } else if !paths.insert(path.clone()) {
            at.error(format!("a volume is mounted at '{path}' already"));
        }
        places.push((name, volume));
        mounts.push(MountSpec { volume: volume.to_owned(), path });
    }
    (mounts, places)
}
