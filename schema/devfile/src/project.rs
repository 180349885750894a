//! The devfile's own `projects`, for a workspace that is created without one.

use berth_schema::{GitReference, ProjectSpec, ProjectUrl};

use crate::attributes;
use crate::cursor::{Cursor, Fields};

const MAX_PROJECTS: usize = 64;
const MAX_REMOTES: usize = 64;

/// What `projects` say.
#[derive(Debug, Default)]
pub(crate) struct Projects<'a> {
    /// The first of them.
    pub(crate) first: Option<ProjectSpec>,
    /// Under which names below the projects' root the standard would clone it.
    pub(crate) directories: Vec<&'a str>,
}

pub(crate) fn read<'a>(cursor: Option<&Cursor<'a>>) -> Projects<'a> {
    let items = cursor.map(|cursor| cursor.list(MAX_PROJECTS)).unwrap_or_default();
    for item in items.iter().skip(1) {
        item.pass_over("a workspace clones one project, the first; clone others in a command");
    }
    items.first().map(project).unwrap_or_default()
}

fn project<'a>(item: &Cursor<'a>) -> Projects<'a> {
    let Some(mut fields) = item.fields("a project") else { return Projects::default() };
    let name = fields.required("name").and_then(|name| Some((name.text()?, name)));
    let path = fields.said("clonePath").and_then(|path| Some((path.text()?, path)));
    attributes::elsewhere(fields.optional("attributes").as_ref());
    fields.ignore(&["description"]);
    fields.pass_over("sparseCheckoutDirs", "the whole project is cloned");
    fields.refuse("zip", "is not supported: Berth clones Git repositories");
    fields.refuse("custom", "is not supported: Berth clones Git repositories");
    let git = source(&mut fields);
    fields.finish();
    let first = git.and_then(|git| repository(&git));
    let given = path.as_ref().or(name.as_ref());
    if let (Some(first), Some((directory, at))) = (&first, given)
        && first.url.directory() != directory.trim_matches('/')
    {
        let directory = first.url.directory();
        at.pass_over(format!("the project is in /projects/{directory}; $PROJECT_SOURCE names it"));
    }
    let directories = [path, name].into_iter().flatten().map(|(name, _)| name.trim_matches('/'));
    Projects { first, directories: directories.filter(|name| !name.is_empty()).collect() }
}

/// `git`, which the older schemas also call `github`.
fn source<'a>(fields: &mut Fields<'a>) -> Option<Cursor<'a>> {
    let (git, github) = (fields.said("git"), fields.said("github"));
    git.or(github)
}

fn repository(git: &Cursor<'_>) -> Option<ProjectSpec> {
    let mut fields = git.fields("a Git project")?;
    let remotes = fields.required("remotes");
    let from = fields.said("checkoutFrom");
    fields.finish();
    let (mut wanted, mut reference) = (None, None);
    if let Some(mut from) = from.and_then(|from| from.fields("what is checked out")) {
        wanted = from.said("remote").and_then(|remote| Some((remote.text()?, remote)));
        reference = from.said("revision").filter(|revision| !revision.is_blank()).and_then(|revision| {
            GitReference::new(revision.text()?).map_err(|error| revision.error(error.to_string())).ok()
        });
        from.finish();
    }
    let remotes = remotes?;
    let entries = remotes.entries(MAX_REMOTES);
    let name = match (&wanted, entries.as_slice()) {
        (Some((name, _)), _) => name,
        (None, [only]) => only.name(),
        (None, _) => "origin",
    };
    let Some(remote) = entries.iter().find(|entry| entry.name() == name) else {
        let at = wanted.as_ref().map_or(&remotes, |(_, at)| at);
        at.error("names no remote; 'checkoutFrom.remote' says which of several is cloned");
        return None;
    };
    for other in entries.iter().filter(|entry| entry.name() != name) {
        other.value.pass_over("the project is cloned from one remote; add others with git");
    }
    let url = ProjectUrl::new(remote.value.text()?).map_err(|error| remote.value.error(error.to_string()));
    Some(ProjectSpec { url: url.ok()?, reference })
}
