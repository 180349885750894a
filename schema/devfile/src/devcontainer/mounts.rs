//! `mounts` of a `devcontainer.json`: volumes become volumes of the workspace, places of the user's own machine are refused.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::spec::{MountSpec, VolumeSpec};

use super::folder::Folder;
use crate::checks;
use crate::component::{DATA_VOLUME, MAX_VOLUME_NAME};
use crate::cursor::Cursor;

const MAX_MOUNTS: usize = 64;
const MAX_OPTIONS: usize = 32;

/// One mount as it is written, in whichever form.
#[derive(Debug, Default)]
struct Written {
    kind: String,
    source: String,
    target: String,
    is_read_only: bool,
}

/// The volumes and where they are mounted.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) volumes: BTreeMap<String, VolumeSpec>,
    pub(super) places: Vec<MountSpec>,
    /// Names of volumes by their sources.
    names: BTreeMap<String, String>,
    paths: BTreeSet<String>,
}

pub(super) fn read(cursor: Option<&Cursor<'_>>, folder: &Folder<'_>) -> Mounts {
    let mut mounts = Mounts::default();
    for item in cursor.map(|cursor| cursor.list(MAX_MOUNTS)).unwrap_or_default() {
        let written = if item.is_mapping() { of_mapping(&item) } else { of_text(&item) };
        if let Some(written) = written {
            mounts.add(&item, &written, folder);
        }
    }
    mounts
}

/// `source=cache,target=/cache,type=volume`, as Docker takes it.
fn of_text(item: &Cursor<'_>) -> Option<Written> {
    let mut written = Written { kind: "volume".to_owned(), ..Written::default() };
    for option in item.text()?.split(',') {
        let (name, value) = option.split_once('=').unwrap_or((option, "true"));
        set(&mut written, name.trim(), value.trim());
    }
    Some(written)
}

fn of_mapping(item: &Cursor<'_>) -> Option<Written> {
    let mut written = Written { kind: "volume".to_owned(), ..Written::default() };
    for entry in item.entries(MAX_OPTIONS) {
        let value = if entry.value.is_text() { entry.value.text()? } else { "true" };
        set(&mut written, entry.name(), value);
    }
    Some(written)
}

fn set(written: &mut Written, name: &str, value: &str) {
    match name {
        "type" => value.clone_into(&mut written.kind),
        "source" | "src" => value.clone_into(&mut written.source),
        "target" | "dst" | "destination" => value.clone_into(&mut written.target),
        "readonly" | "ro" => written.is_read_only = value != "false" && value != "0",
        // How a runtime keeps copies alike, and the like.
        _ => {}
    }
}

impl Mounts {
    fn add(&mut self, at: &Cursor<'_>, written: &Written, folder: &Folder<'_>) {
        let ephemeral = match written.kind.as_str() {
            "volume" => false,
            "tmpfs" => true,
            "bind" => {
                at.error("is not supported: it names a place of the user's own machine; a volume has 'type=volume'");
                return;
            }
            _ => {
                at.error("must have the type 'volume' or 'tmpfs'");
                return;
            }
        };
        let path = checks::without_slash(&written.target);
        if folder.holds(path) {
            at.pass_over("it is in the project, all of which is in the workspace's own volume");
            return;
        }
        if path.contains("${") {
            at.error("must have a target without variables: a path of the container, or one in the project");
            return;
        }
        if let Err(message) = checks::mount_path(path) {
            at.error(format!("has a target that {message}"));
            return;
        }
        if !self.paths.insert(path.to_owned()) {
            at.error(format!("a volume is mounted at '{path}' already"));
            return;
        }
        if written.is_read_only {
            at.warn("is mounted for writing", "the workspace's volumes are its own");
        }
        let volume = self.name(&written.source);
        self.volumes.entry(volume.clone()).or_insert(VolumeSpec { size: None, ephemeral });
        self.places.push(MountSpec { volume, path: path.to_owned() });
    }

    /// A volume's name for a source: its own as far as it can be one, else a number.
    fn name(&mut self, source: &str) -> String {
        if let Some(known) = self.names.get(source).filter(|_| !source.is_empty()) {
            return known.clone();
        }
        let number = self.volumes.len() + 1;
        let plain = plain(source);
        let is_free = checks::name(&plain, MAX_VOLUME_NAME).is_ok()
            && plain != DATA_VOLUME
            && !self.volumes.contains_key(&plain);
        let name = if is_free { plain } else { format!("volume-{number}") };
        self.names.insert(source.to_owned(), name.clone());
        name
    }
}

/// The source without its variables, in the characters of a name.
fn plain(source: &str) -> String {
    let mut text = String::new();
    let mut rest = source;
    while let Some((before, _, after)) = berth_schema::late::split(rest) {
        text.push_str(before);
        rest = after;
    }
    text.push_str(rest);
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(kept).collect::<String>().trim_matches('-').to_owned()
}
