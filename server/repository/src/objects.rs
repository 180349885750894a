//! Git's objects: whose names are hashes, and whose content is not believed to be anything.

use std::fmt;

/// The hash of an object, in SHA-1 or SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(String);

impl ObjectId {
    /// `None`: no full hash in lower case.
    pub fn new(text: &str) -> Option<Self> {
        let is_hash =
            matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_hash.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_sha256(&self) -> bool {
        self.0.len() == 64
    }

    /// Of the bytes in a tree.
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is not as git writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no object as git writes it")]
pub struct NoObject;

/// One answer of `git cat-file --batch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// It is not in the repository yet.
    Missing,
    There {
        kind: &'a str,
        content: &'a [u8],
    },
    /// It has that many bytes, of which more are there than were asked for.
    Larger {
        bytes: u64,
    },
}

/// What `git cat-file --batch` has printed of one object, of which at most `limit` bytes are wanted.
///
/// # Errors
/// Where it is no such answer, or ends before the object does.
pub fn batch(printed: &[u8], limit: usize) -> Result<Object<'_>, NoObject> {
    let end = printed.iter().position(|byte| *byte == b'\n').ok_or(NoObject)?;
    let head = std::str::from_utf8(&printed[..end]).map_err(|_| NoObject)?;
    let words: Vec<&str> = head.split(' ').collect();
    let (kind, bytes) = match words.as_slice() {
        [_, "missing"] => return Ok(Object::Missing),
        [_, kind, bytes] => (*kind, bytes.parse::<u64>().map_err(|_| NoObject)?),
        _ => return Err(NoObject),
    };
    match usize::try_from(bytes) {
        Ok(length) if length <= limit => {
            let content = printed.get(end + 1..end + 1 + length).ok_or(NoObject)?;
            Ok(Object::There { kind, content })
        }
        _ => Ok(Object::Larger { bytes }),
    }
}

/// The root of a commit's files.
///
/// # Errors
/// Where it is no commit.
pub fn tree_of(commit: &[u8]) -> Result<ObjectId, NoObject> {
    let line = commit.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| NoObject)?;
    line.strip_prefix("tree ").and_then(ObjectId::new).ok_or(NoObject)
}

/// What a name in a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    File,
    Folder,
    /// A symbolic link.
    Link,
    /// A commit of another repository.
    Submodule,
}

/// A name in a tree, which may be anything but empty and has neither `/` nor NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Vec<u8>,
    pub mode: Mode,
    pub id: ObjectId,
}

/// The names in a tree.
///
/// # Errors
/// Where it is no tree.
pub fn entries(tree: &[u8], is_sha256: bool) -> Result<Vec<Entry>, NoObject> {
    let hash = if is_sha256 { 32 } else { 20 };
    let (mut rest, mut found) = (tree, Vec::new());
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or(NoObject)?;
        let end = rest.iter().position(|byte| *byte == 0).filter(|end| *end > space + 1).ok_or(NoObject)?;
        let mode = match &rest[..space] {
            b"40000" => Mode::Folder,
            b"120000" => Mode::Link,
            b"160000" => Mode::Submodule,
            [b'1', b'0', b'0', ..] => Mode::File,
            _ => return Err(NoObject),
        };
        let name = rest[space + 1..end].to_vec();
        let id = rest.get(end + 1..end + 1 + hash).ok_or(NoObject)?;
        if name.contains(&b'/') {
            return Err(NoObject);
        }
        found.push(Entry { name, mode, id: ObjectId::of(id) });
        rest = &rest[end + 1 + hash..];
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_all_there_or_missing_or_too_large() {
        assert_eq!(batch(b"abc missing\n", 10), Ok(Object::Missing));
        assert_eq!(batch(b"abc blob 3\nxyz\n", 10), Ok(Object::There { kind: "blob", content: b"xyz" }));
        assert_eq!(batch(b"abc blob 30\nxyz", 10), Ok(Object::Larger { bytes: 30 }));
        for broken in [&b""[..], b"abc blob 3\nxy", b"abc blob\n", b"abc blob -1\n", b"\xff blob 1\nx"] {
            assert_eq!(batch(broken, 10), Err(NoObject), "{broken:?}");
        }
    }

    #[test]
    fn a_commit_names_its_tree_first() {
        let hash = "0a".repeat(20);
        assert_eq!(tree_of(format!("tree {hash}\nauthor x").as_bytes()).expect("a tree").as_str(), hash);
        for broken in [format!("tree {}\n", &hash[1..]), format!("author x\ntree {hash}\n"), String::new()] {
            assert_eq!(tree_of(broken.as_bytes()), Err(NoObject), "{broken}");
        }
    }

    #[test]
    fn a_tree_is_read_whatever_its_names_are() {
        let mut tree = Vec::new();
        for (mode, name) in [
            ("100644", &b"a b"[..]),
            ("100755", b"--upload-pack=x"),
            ("40000", b"\xff\n"),
            ("120000", b"l"),
            ("160000", b"s"),
        ] {
            tree.extend_from_slice(mode.as_bytes());
            tree.push(b' ');
            tree.extend_from_slice(name);
            tree.push(0);
            tree.extend_from_slice(&[0xab; 20]);
        }
        let found = entries(&tree, false).expect("a tree");
        let modes: Vec<_> = found.iter().map(|entry| entry.mode).collect();
        assert_eq!(modes, [Mode::File, Mode::File, Mode::Folder, Mode::Link, Mode::Submodule]);
        assert_eq!(
            (found[2].name.as_slice(), found[2].id.as_str()),
            (&b"\xff\n"[..], "ab".repeat(20).as_str())
        );
        assert_eq!(entries(&tree, true), Err(NoObject), "hashes of another length");
        for end in 1..tree.len() {
            // Cut anywhere it is told or shorter, and never more than there is.
            assert!(entries(&tree[..end], false).map_or(true, |some| some.len() < found.len()));
        }
        assert_eq!(entries(b"100644 a/b\0aaaaaaaaaaaaaaaaaaaa", false), Err(NoObject));
        assert_eq!(entries(b"777 a\0aaaaaaaaaaaaaaaaaaaa", false), Err(NoObject));
    }
}
