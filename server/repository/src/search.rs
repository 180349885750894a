//! Which file it is: tree by tree, so that no more is fetched than has to be looked at.

use std::collections::HashMap;

use berth_schema::RepositoryPath;

use crate::{Entry, Mode, ObjectId};

/// Where devfiles and `devcontainer.json`s usually are. The first that is there is taken.
pub const PLACES: [&str; 8] = [
    "devfile.yaml",
    ".devfile.yaml",
    "devfile.yml",
    ".devfile.yml",
    ".devfile/devfile.yaml",
    ".devfile/.devfile.yaml",
    ".devcontainer/devcontainer.json",
    ".devcontainer.json",
];
/// Where several `devcontainer.json`s may be, each in a folder of its own,
const DEVCONTAINERS: &str = ".devcontainer";
const DEVCONTAINER: &str = "devcontainer.json";
/// and in how many folders it is looked.
pub const MAX_FOLDERS: usize = 20;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These are needed to go on.
    Trees(Vec<ObjectId>),
    File {
        path: RepositoryPath,
        id: ObjectId,
    },
    /// There is none.
    Nothing,
    Unusable(Unusable),
}

/// Why a file is there and is not taken, or is not there and was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("'{0}' is not in the repository at that commit")]
    Missing(RepositoryPath),
    #[error(
        "'{0}' is, or is behind, a symbolic link or a submodule, which are not followed; name the file itself"
    )]
    Link(String),
    #[error("the repository has several devcontainer.json; say which one: {}", .0.join(", "))]
    Several(Vec<String>),
    #[error("'.devcontainer' has more than {MAX_FOLDERS} folders; say which file is meant")]
    Folders,
}

/// One commit's files, as far as they are known.
#[derive(Clone, Debug)]
pub struct Search {
    root: ObjectId,
    wanted: Option<RepositoryPath>,
    trees: HashMap<ObjectId, Vec<Entry>>,
}

/// Where a path leads.
enum Way<'a> {
    /// To be known first.
    Tree(ObjectId),
    There(&'a Entry),
    Nothing,
    Link,
}

impl Search {
    /// `wanted`: the only file that is taken.
    pub fn new(root: ObjectId, wanted: Option<RepositoryPath>) -> Self {
        Self { root, wanted, trees: HashMap::new() }
    }

    /// What is in a tree that was needed.
    pub fn know(&mut self, tree: ObjectId, entries: Vec<Entry>) {
        self.trees.insert(tree, entries);
    }

    pub fn next(&self) -> Next {
        if let Some(wanted) = &self.wanted {
            return match self.file(wanted.as_str()) {
                Next::Nothing => Next::Unusable(Unusable::Missing(wanted.clone())),
                next => next,
            };
        }
        for place in PLACES {
            match self.file(place) {
                Next::Nothing => {}
                next => return next,
            }
        }
        self.one_of_several()
    }

    fn file(&self, path: &str) -> Next {
        match self.walk(path) {
            Way::Tree(id) => Next::Trees(vec![id]),
            Way::There(Entry { mode: Mode::File, id, .. }) => match RepositoryPath::new(path) {
                Ok(path) => Next::File { path, id: id.clone() },
                Err(_) => Next::Nothing,
            },
            Way::There(Entry { mode: Mode::Link | Mode::Submodule, .. }) | Way::Link => {
                Next::Unusable(Unusable::Link(path.to_owned()))
            }
            Way::There(_) | Way::Nothing => Next::Nothing,
        }
    }

    fn walk(&self, path: &str) -> Way<'_> {
        let mut tree = &self.root;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            let Some(entries) = self.trees.get(tree) else { return Way::Tree(tree.clone()) };
            let Some(entry) = entries.iter().find(|entry| entry.name == name.as_bytes()) else {
                return Way::Nothing;
            };
            match (names.peek(), entry.mode) {
                (None, _) => return Way::There(entry),
                (Some(_), Mode::Folder) => tree = &entry.id,
                (Some(_), Mode::File) => return Way::Nothing,
                (Some(_), Mode::Link | Mode::Submodule) => return Way::Link,
            }
        }
        Way::Nothing
    }

    /// `.devcontainer/FOLDER/devcontainer.json`: somebody has to choose where there are several.
    fn one_of_several(&self) -> Next {
        let Way::There(Entry { mode: Mode::Folder, id, .. }) = self.walk(DEVCONTAINERS) else {
            return Next::Nothing;
        };
        let Some(entries) = self.trees.get(id) else { return Next::Trees(vec![id.clone()]) };
        let folders: Vec<&Entry> = entries.iter().filter(|entry| entry.mode == Mode::Folder).collect();
        if folders.len() > MAX_FOLDERS {
            return Next::Unusable(Unusable::Folders);
        }
        let unknown: Vec<ObjectId> = folders
            .iter()
            .map(|folder| &folder.id)
            .filter(|id| !self.trees.contains_key(*id))
            .cloned()
            .collect();
        if !unknown.is_empty() {
            return Next::Trees(unknown);
        }
        // A folder whose name is no text that could be shown and named is passed over.
        let named = folders.iter().filter_map(|folder| {
            let path = format!("{DEVCONTAINERS}/{}/{DEVCONTAINER}", std::str::from_utf8(&folder.name).ok()?);
            RepositoryPath::new(path.clone()).ok().map(|_| path)
        });
        let mut found: Vec<String> = named.filter(|path| self.file(path) != Next::Nothing).collect();
        match (found.pop(), found.is_empty()) {
            (None, _) => Next::Nothing,
            (Some(only), true) => self.file(&only),
            (Some(last), false) => {
                found.push(last);
                Next::Unusable(Unusable::Several(found))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ObjectId {
        let hash = text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        ObjectId::new(&format!("{hash:0<40}")[..40]).expect("a hash")
    }

    /// The search in a repository of these files; folders are named by their path.
    fn search(files: &[(&str, Mode)], wanted: Option<&str>) -> (Next, usize) {
        let mut trees: HashMap<String, Vec<Entry>> = HashMap::from([(String::new(), Vec::new())]);
        for (path, mode) in files {
            let (mut folder, mut names) = (String::new(), path.split('/').peekable());
            while let Some(name) = names.next() {
                let below = format!("{folder}{name}/");
                let is_last = names.peek().is_none();
                let mode = if is_last { *mode } else { Mode::Folder };
                let entries = trees.entry(folder.clone()).or_default();
                if !entries.iter().any(|entry| entry.name == name.as_bytes()) {
                    entries.push(Entry { name: name.into(), mode, id: id(&below) });
                }
                folder = below;
            }
        }
        let known: HashMap<ObjectId, Vec<Entry>> =
            trees.into_iter().map(|(folder, entries)| (id(&folder), entries)).collect();
        let mut search = Search::new(id(""), wanted.map(|path| path.parse().expect("a path")));
        let mut looks = 0;
        loop {
            match search.next() {
                Next::Trees(ids) => {
                    looks += 1;
                    assert!(looks < 20, "it ends");
                    for id in ids {
                        search.know(id.clone(), known[&id].clone());
                    }
                }
                next => return (next, looks),
            }
        }
    }

    fn path(files: &[(&str, Mode)], wanted: Option<&str>) -> String {
        match search(files, wanted).0 {
            Next::File { path, .. } => path.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_first_of_the_usual_places_is_taken_and_no_tree_more_is_looked_at() {
        let mut files: Vec<(&str, Mode)> = PLACES.iter().map(|place| (*place, Mode::File)).collect();
        files.push(("src/deep/a.rs", Mode::File));
        for place in PLACES {
            assert_eq!(path(&files, None), place);
            files.retain(|(path, _)| *path != place);
        }
        assert_eq!(search(&files, None), (Next::Nothing, 1));
        assert_eq!(search(&[("devfile.yaml", Mode::File), (".devfile/devfile.yaml", Mode::File)], None).1, 1);
    }

    #[test]
    fn what_was_asked_for_is_taken_or_nothing_is() {
        let files = [("devfile.yaml", Mode::File), ("apps/shop/devfile.yaml", Mode::File)];
        assert_eq!(path(&files, Some("apps/shop/devfile.yaml")), "apps/shop/devfile.yaml");
        let missing = |path: &str| Next::Unusable(Unusable::Missing(path.parse().expect("a path")));
        for nothing in ["apps/blog/devfile.yaml", "devfile.yaml/a.yaml", "x.yaml"] {
            assert_eq!(search(&files, Some(nothing)).0, missing(nothing));
        }
        // A folder of that name is no file.
        assert_eq!(
            search(&[("devfile.yaml/x", Mode::File)], Some("devfile.yaml")).0,
            missing("devfile.yaml")
        );
    }

    #[test]
    fn no_link_is_followed_and_none_is_passed_over_for_another_file() {
        for (link, wanted) in [
            (".devfile.yaml", None),
            (".devcontainer", None),
            ("apps", Some("apps/devfile.yaml")),
            ("m", Some("m/a.yaml")),
        ] {
            let mode = if link == "m" { Mode::Submodule } else { Mode::Link };
            let (next, _) = search(&[(link, mode), (".devcontainer.json", Mode::File)], wanted);
            assert!(matches!(next, Next::Unusable(Unusable::Link(_))), "{link}: {next:?}");
        }
    }

    #[test]
    fn of_several_devcontainers_somebody_chooses() {
        let one =
            [(".devcontainer/a/devcontainer.json", Mode::File), (".devcontainer/scripts/x.sh", Mode::File)];
        assert_eq!(path(&one, None), ".devcontainer/a/devcontainer.json");
        let two = [one[0], (".devcontainer/b/devcontainer.json", Mode::File)];
        let Next::Unusable(told) = search(&two, None).0 else { panic!("one was chosen") };
        assert!(told.to_string().contains(".devcontainer/b/devcontainer.json"), "{told}");
        assert_eq!(path(&two, Some(two[1].0)), two[1].0);
        let many: Vec<String> = (0..=MAX_FOLDERS).map(|n| format!(".devcontainer/{n}/x")).collect();
        let many: Vec<_> = many.iter().map(|path| (path.as_str(), Mode::File)).collect();
        assert_eq!(search(&many, None).0, Next::Unusable(Unusable::Folders));
    }
}
