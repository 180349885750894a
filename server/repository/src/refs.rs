//! Which commit a reference is, of what `git ls-remote` prints.

use berth_schema::GitReference;

use crate::ObjectId;

/// What a reference is at its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    Commit(ObjectId),
    /// Nothing was ever pushed, or it is none.
    Empty,
    /// There is no branch and no tag of that name.
    Missing,
}

/// What git is to ask for. The default branch is asked for with each of them: a host that lets somebody read a repository names it,
/// also to who brings the hash of a commit.
pub fn patterns(reference: Option<&GitReference>) -> Vec<String> {
    let mut patterns = vec!["HEAD".to_owned()];
    if let Some(name) = reference.filter(|reference| !reference.is_commit()) {
        let name = name.as_str();
        patterns.extend([
            format!("refs/heads/{name}"),
            format!("refs/tags/{name}"),
            format!("refs/tags/{name}^{{}}"),
        ]);
    }
    patterns
}

/// The commit that is meant: a branch before a tag of the same name, as `git clone --branch` takes them.
pub fn resolve(printed: &[u8], reference: Option<&GitReference>) -> Resolved {
    let text = String::from_utf8_lossy(printed);
    let found = |wanted: &str| {
        // Patterns match the ends of names, too: only the whole name is meant.
        let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(_, name)| *name == wanted).and_then(|(id, _)| ObjectId::new(id))
    };
    let Some(reference) = reference else {
        return found("HEAD").map_or(Resolved::Empty, Resolved::Commit);
    };
    let name = reference.as_str();
    if reference.is_commit() {
        return ObjectId::new(name).map_or(Resolved::Missing, Resolved::Commit);
    }
    let ways = [format!("refs/heads/{name}"), format!("refs/tags/{name}^{{}}"), format!("refs/tags/{name}")];
    ways.iter().find_map(|way| found(way)).map_or(Resolved::Missing, Resolved::Commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> GitReference {
        GitReference::new(text).expect("a reference")
    }

    #[test]
    fn a_branch_comes_before_a_tag_and_a_tag_is_the_commit_behind_it() {
        let [head, branch, tag, behind, other] = ["a", "b", "c", "d", "e"].map(|digit| digit.repeat(40));
        let printed = format!(
            "{head}\tHEAD\n{other}\trefs/remotes/x/refs/heads/main\n{branch}\trefs/heads/main\n{other}\trefs/tags/main\n{tag}\trefs/tags/v1\n{behind}\trefs/tags/v1^{{}}\n"
        );
        let of = |name: Option<&str>| resolve(printed.as_bytes(), name.map(reference).as_ref());
        let commit = |text: &String| Resolved::Commit(ObjectId::new(text).expect("a hash"));
        assert_eq!(of(None), commit(&head));
        assert_eq!(of(Some("main")), commit(&branch));
        assert_eq!(of(Some("v1")), commit(&behind));
        assert_eq!(of(Some("nowhere")), Resolved::Missing);
        assert_eq!(of(Some(&other)), commit(&other));
        assert_eq!(resolve(b"", None), Resolved::Empty);
        assert_eq!(resolve(b"no hash\tHEAD\n", None), Resolved::Empty);
        assert_eq!(resolve(b"\xff\xfe", Some(&reference("main"))), Resolved::Missing);
    }

    #[test]
    fn the_default_branch_is_asked_for_in_any_case() {
        assert_eq!(patterns(None), ["HEAD"]);
        assert_eq!(patterns(Some(&reference(&"a".repeat(40)))), ["HEAD"]);
        let some = patterns(Some(&reference("a/b")));
        assert_eq!(some, ["HEAD", "refs/heads/a/b", "refs/tags/a/b", "refs/tags/a/b^{}"]);
    }
}
