//! A bare repository that holds no more than was asked for: each object is fetched by its name.

use std::fs;

use berth_devfile::MAX_BYTES;
use berth_repository::{Entry, NoObject, Object, ObjectId, Why, batch, entries, tree_of};
use tracing::warn;

use super::program::{Git, Reach};

/// The largest commit: its message is a person's.
const MAX_COMMIT: usize = 1024 * 1024;
/// The largest tree: some 100,000 names.
const MAX_TREE: usize = 6 * 1024 * 1024;
/// What `git cat-file --batch` prints before an object.
const HEAD: usize = 128;

/// What hosts leave out where they are asked to: everything that was not named; or, where a host does not do that, the files' content. Some do
/// neither, and send all files of the commit.
const FILTERS: [&str; 2] = ["--filter=tree:0", "--filter=blob:none"];

#[derive(Debug)]
pub(super) struct Store<'a> {
    git: &'a Git<'a>,
    is_sha256: bool,
    filter: usize,
}

impl<'a> Store<'a> {
    pub(super) fn new(git: &'a Git<'a>, is_sha256: bool) -> Result<Self, Why> {
        let format = if is_sha256 { "\tobjectFormat = sha256\n" } else { "" };
        let config = format!(
            "[core]\n\trepositoryFormatVersion = 1\n\tbare = true\n[extensions]\n\tpartialClone = origin\n{format}"
        );
        let repository = git.directory.join("repository");
        let written = fs::write(repository.join("HEAD"), "ref: refs/heads/none\n")
            .and_then(|()| fs::write(repository.join("config"), config));
        written.map_err(|error| {
            warn!(%error, "no room to look into a repository");
            Why::NoRoom
        })?;
        Ok(Self { git, is_sha256, filter: 0 })
    }

    /// The root of a commit's files.
    pub(super) async fn root(&mut self, commit: &ObjectId) -> Result<ObjectId, Why> {
        self.fetch(std::slice::from_ref(commit), Some("--depth=1")).await?;
        let content = self.there(commit, "commit", MAX_COMMIT).await?.ok_or(Why::Reference)?;
        tree_of(&content).map_err(strange)
    }

    /// Some trees.
    pub(super) async fn trees(&mut self, ids: Vec<ObjectId>) -> Result<Vec<(ObjectId, Vec<Entry>)>, Why> {
        let mut known = Vec::with_capacity(ids.len());
        let mut needed = Vec::new();
        for id in ids {
            match self.there(&id, "tree", MAX_TREE).await? {
                Some(content) => known.push((id, entries(&content, self.is_sha256).map_err(strange)?)),
                None => needed.push(id),
            }
        }
        if needed.is_empty() {
            return Ok(known);
        }
        self.fetch(&needed, None).await?;
        for id in needed {
            let content = self.there(&id, "tree", MAX_TREE).await?.ok_or(Why::Strange)?;
            known.push((id, entries(&content, self.is_sha256).map_err(strange)?));
        }
        Ok(known)
    }

    /// A file's content.
    pub(super) async fn file(&mut self, id: &ObjectId) -> Result<Vec<u8>, Why> {
        if let Some(content) = self.there(id, "blob", MAX_BYTES).await? {
            return Ok(content);
        }
        self.fetch(std::slice::from_ref(id), None).await?;
        self.there(id, "blob", MAX_BYTES).await?.ok_or(Why::Strange)
    }

    /// An object of that kind, where it was fetched.
    async fn there(&self, id: &ObjectId, kind: &str, limit: usize) -> Result<Option<Vec<u8>>, Why> {
        let line = format!("{id}\n");
        let printed =
            self.git.run(&["cat-file", "--batch"], line.as_bytes(), Reach::Nothing, limit + HEAD).await;
        let printed = match printed {
            Ok(printed) => printed,
            // Of an object that others of the same host name git says so.
            Err(Why::Strange) => return Ok(None),
            Err(why) => return Err(why),
        };
        match batch(&printed.output, limit) {
            Ok(Object::There { kind: found, content }) if found == kind => Ok(Some(content.to_vec())),
            Ok(Object::Missing) => Ok(None),
            Ok(Object::Larger { .. }) => Err(Why::TooLarge),
            // What a reference is may be no commit, and a name in a tree not what the tree says.
            Ok(Object::There { .. }) => Err(Why::Strange),
            Err(error) => Err(strange(error)),
        }
    }

    async fn fetch(&mut self, ids: &[ObjectId], depth: Option<&str>) -> Result<(), Why> {
        let lines = ids.iter().map(|id| format!("{id}\n")).collect::<Vec<_>>().concat();
        loop {
            let mut arguments = vec![
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-auto-maintenance",
                "--recurse-submodules=no",
                FILTERS[self.filter],
                "--stdin",
            ];
            arguments.extend(depth);
            arguments.push("origin");
            match self.git.run(&arguments, lines.as_bytes(), Reach::Host, 0).await {
                // The next look of this one need not try again.
                Err(Why::Filter) if self.filter + 1 < FILTERS.len() => self.filter += 1,
                Err(Why::Filter) => return Err(Why::Strange),
                result => return result.map(drop),
            }
        }
    }
}

fn strange(_: NoObject) -> Why {
    Why::Strange
}
