//! `workspaceFolder`, wherever it is said to be: in Berth it is the project, or a folder in it.

use super::variables::Variables;
use crate::checks;
use crate::cursor::{Cursor, Fields};

/// Where tools mount a project when the file does not say: the next part of the path is the project's name.
const ROOTS: [&str; 2] = ["/workspaces", "/projects"];
const NAME: &str = "${localWorkspaceFolderBasename}";

/// What the file's folder is in the workspace.
#[derive(Debug, Default)]
pub(super) struct Folder<'a> {
    pub(super) variables: Variables,
    /// As it is written, where it is: what is within it is within the project.
    written: Option<&'a str>,
}

impl Folder<'_> {
    /// Whether a path is in the project as the file sees it.
    pub(super) fn holds(&self, path: &str) -> bool {
        let folders = ["${containerWorkspaceFolder}", "/workspaces", "/projects"];
        folders.into_iter().chain(self.written).any(|folder| below(path, folder).is_some())
    }
}

pub(super) fn read<'a>(fields: &mut Fields<'a>) -> Folder<'a> {
    let mount = fields.said("workspaceMount").filter(|mount| !mount.is_blank());
    let target = mount.as_ref().and_then(|mount| {
        mount.pass_over("the project is cloned below /projects, where $PROJECT_SOURCE says");
        let text = mount.text()?;
        text.split(',').find_map(|option| {
            let (name, value) = option.split_once('=')?;
            matches!(name.trim(), "target" | "dst" | "destination")
                .then(|| checks::without_slash(value.trim()))
        })
    });
    let given = fields.said("workspaceFolder").filter(|folder| !folder.is_blank());
    let Some((cursor, written)) = given.and_then(|folder| Some((folder.clone(), folder.text()?))) else {
        return Folder::default();
    };
    let written = checks::without_slash(written);
    let below = match within(written, target) {
        Ok(below) => below,
        Err(message) => {
            cursor.error(message);
            return Folder::default();
        }
    };
    tell(&cursor, written);
    Folder { variables: Variables { below }, written: Some(written) }
}

/// The part of the folder that is below the project.
fn within(written: &str, target: Option<&str>) -> Result<String, String> {
    // The name stands for one part of the path, whatever it will be.
    let plain = written.replace(NAME, "project");
    if plain.contains("${") {
        return Err("may hold the variable '${localWorkspaceFolderBasename}' and no other".to_owned());
    }
    checks::absolute_path(&plain)?;
    let target = target.map(|target| target.replace(NAME, "project"));
    let rest = match target.as_deref().and_then(|target| below(&plain, target)) {
        Some(rest) => rest,
        None => ROOTS.iter().find_map(|root| below(&plain, root)).map_or("", after_first),
    };
    Ok(rest.trim_start_matches('/').to_owned())
}

fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    path.strip_prefix(folder).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What follows the first part of `/name/rest`.
fn after_first(path: &str) -> &str {
    path.get(1..).and_then(|path| path.split_once('/')).map_or("", |(_, rest)| rest)
}

fn tell(at: &Cursor<'_>, written: &str) {
    if below(written, &format!("/projects/{NAME}")).is_none() {
        at.warn(
            "is taken as the project's directory",
            "the project is below /projects, where $PROJECT_SOURCE says; a command that names this path does not find it",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_project_or_below_it_wherever_it_is_said_to_be() {
        for (folder, target, expected) in [
            ("/workspaces/shop", None, ""),
            ("/workspaces/shop/packages/app", None, "packages/app"),
            ("/workspaces/${localWorkspaceFolderBasename}", None, ""),
            ("/workspaces/${localWorkspaceFolderBasename}/web", None, "web"),
            ("/workspaces", None, ""),
            ("/projects", None, ""),
            ("/projects/shop/app", None, "app"),
            ("/workspace", Some("/workspace"), ""),
            ("/workspace/app", Some("/workspace"), "app"),
            ("/workspaces/app", Some("/workspaces"), "app"),
            ("/src/${localWorkspaceFolderBasename}/a", Some("/src/${localWorkspaceFolderBasename}"), "a"),
            ("/home/node/app", None, ""),
            ("/", None, ""),
        ] {
            assert_eq!(within(folder, target).as_deref(), Ok(expected), "{folder} {target:?}");
        }
        for wrong in ["app", "/workspaces/../etc", "/a//b", "/${localEnv:X}", "/workspaces/shop/../../x"] {
            assert!(within(wrong, None).is_err(), "{wrong}");
        }
    }
}
