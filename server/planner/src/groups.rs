//! Where in an organisation's tree a group may be put.

use berth_schema::access::Role;
use berth_schema::groups::{GroupPath, MAX_DEPTH};

/// Why a group does not go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    #[error("must not be in the group itself")]
    InItself,
    #[error("would put what is in the group on level {depth}, at most {max} are allowed")]
    TooDeep { depth: usize, max: usize },
}

/// Whether the group of `path`, which holds the groups of `below`, may become the one of `to`.
pub fn may_move(path: &GroupPath, below: &[GroupPath], to: &GroupPath) -> Result<(), Misplaced> {
    if to != path && to.is_within(path) {
        return Err(Misplaced::InItself);
    }
    let deepest = below.iter().map(GroupPath::depth).max().unwrap_or(path.depth());
    let depth = to.depth() + (deepest - path.depth());
    if depth > MAX_DEPTH { Err(Misplaced::TooDeep { depth, max: MAX_DEPTH }) } else { Ok(()) }
}

/// Whether somebody who has those roles `after` something may do what they may not `before` it.
pub fn gains(before: &[Role], after: &[Role]) -> bool {
    after.iter().any(|role| *role != Role::Unknown && !before.iter().any(|before| before.includes(*role)))
}

/// Somebody who is something at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder<W> {
    pub who: W,
    pub role: Role,
    /// What they are in the organisation.
    pub everywhere: Role,
}

/// What the same people are around something that is moved, or ends.
#[derive(Clone, Debug)]
pub struct Shift<'a, W> {
    /// At the places that it leaves.
    pub left: &'a [Holder<W>],
    /// At the places that it comes to.
    pub entered: &'a [Holder<W>],
    /// At itself, and at the places that it stays in.
    pub kept: &'a [Holder<W>],
}

/// What somebody would become or cease to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undue<'a, W> {
    Gains(&'a Holder<W>),
    Loses(&'a Holder<W>),
}

impl<'a, W: PartialEq> Shift<'a, W> {
    /// The first who would gain or lose by it what `mover` could not have given or taken by hand, being `hand` there. Of the mover's own
    /// they may lose what they like; what they would gain is asked by [`gains`].
    pub fn undue(&self, mover: &W, hand: &[Role]) -> Option<Undue<'a, W>> {
        let of = |who: &W, at: &[&'a [Holder<W>]]| -> Vec<Role> {
            let holders = at.iter().copied().flatten().filter(|holder| holder.who == *who);
            holders.map(|holder| holder.role).collect()
        };
        let others = |at: &'a [Holder<W>]| at.iter().filter(|holder| holder.who != *mover);
        let changes = |holder: &Holder<W>, there: &'a [Holder<W>]| {
            let mut stays = of(&holder.who, &[there, self.kept]);
            stays.push(holder.everywhere);
            gains(&stays, &[holder.role]) && gains(hand, &[holder.role])
        };
        let gained = others(self.entered).find(|holder| changes(holder, self.left)).map(Undue::Gains);
        gained.or_else(|| others(self.left).find(|holder| changes(holder, self.entered)).map(Undue::Loses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holder(who: &'static str, role: Role) -> Holder<&'static str> {
        Holder { who, role, everywhere: Role::Developer }
    }

    #[test]
    fn nobody_gains_or_loses_by_a_move_what_the_mover_could_not_give_or_take() {
        use Role::{Auditor, Developer, Maintainer, Owner};
        let [owner, maintainer, auditor] =
            [holder("ada", Owner), holder("ada", Maintainer), holder("ada", Auditor)];
        let undue = |left: &[Holder<_>], entered: &[Holder<_>], kept: &[Holder<_>], hand: &[Role]| {
            let by = Shift { left, entered, kept }.undue(&"me", hand);
            by.map(|undue| match undue {
                Undue::Gains(holder) => ("gains", holder.role),
                Undue::Loses(holder) => ("loses", holder.role),
            })
        };
        let (owner, maintainer, auditor) = (&[owner][..], &[maintainer][..], &[auditor][..]);
        assert_eq!(undue(owner, &[], &[], &[Maintainer]), Some(("loses", Owner)));
        assert_eq!(undue(&[], owner, &[], &[Maintainer]), Some(("gains", Owner)));
        assert_eq!(undue(&[], auditor, &[], &[Maintainer]), Some(("gains", Auditor)));
        assert_eq!(undue(owner, &[], &[], &[]), Some(("loses", Owner)), "who may not take at all");
        assert_eq!(undue(owner, auditor, &[], &[Owner]), None);
        assert_eq!(undue(maintainer, maintainer, &[], &[Developer]), None, "what they are there as well");
        assert_eq!(undue(maintainer, &[], owner, &[Developer]), None, "what they are at it itself");
        assert_eq!(undue(maintainer, owner, &[], &[Maintainer]), Some(("gains", Owner)));
        let everywhere = [Holder { everywhere: Owner, ..holder("ada", Owner) }];
        assert_eq!(undue(&everywhere, &[], &[], &[]), None, "what they are everywhere");
        assert_eq!(undue(&[holder("me", Owner)], &[], &[], &[]), None, "one's own");
    }

    fn path(text: &str) -> GroupPath {
        GroupPath::new(text).expect(text)
    }

    #[test]
    fn a_group_goes_anywhere_but_into_itself_and_no_deeper_than_there_are_levels() {
        let may = |from: &str, below: &[&str], to: &str| {
            let below: Vec<_> = below.iter().map(|text| path(text)).collect();
            may_move(&path(from), &below, &path(to))
        };
        assert_eq!(may("a", &["a/b"], "c"), Ok(()));
        assert_eq!(may("a/b", &["a/b/c"], "b"), Ok(()));
        assert_eq!(may("a", &[], "a-b"), Ok(()), "a name that begins alike");
        assert_eq!(may("a", &["a/b"], "a/b/a"), Err(Misplaced::InItself));
        assert_eq!(may("a", &[], "a/a"), Err(Misplaced::InItself));
        assert_eq!(
            may("a", &["a/b", "a/b/c"], "1/2/3/4/5/6".replace(char::is_numeric, "x").as_str()),
            Ok(())
        );
        let deep = Err(Misplaced::TooDeep { depth: 9, max: 8 });
        assert_eq!(may("a", &["a/b", "a/b/c"], "x/x/x/x/x/x/x"), deep);
    }

    #[test]
    fn somebody_gains_by_a_role_that_none_of_theirs_includes() {
        use Role::{Auditor, Developer, Maintainer, Owner, Unknown, Viewer};
        assert!(gains(&[Developer], &[Maintainer]) && gains(&[Maintainer], &[Developer, Owner]));
        assert!(gains(&[Maintainer], &[Auditor]), "who looks at what a maintainer does not");
        assert!(!gains(&[Owner], &Role::ALL) && !gains(&[Maintainer], &[Viewer, Developer]));
        assert!(!gains(&[Viewer], &[Unknown]) && !gains(&[], &[]));
    }

    /// Moves among groups that one letter each names, done as the database does them.
    fn moves() -> impl Strategy<Value = Vec<(usize, Option<usize>, char)>> {
        prop::collection::vec(
            (0..12_usize, prop::option::of(0..12_usize), prop::char::range('a', 'c')),
            0..40,
        )
    }

    proptest! {
        #[test]
        fn whatever_is_moved_the_tree_stays_one_and_no_deeper_than_allowed(moves in moves()) {
            let mut parents: Vec<Option<usize>> = vec![None; 12];
            let mut names: Vec<String> = ('d'..='o').map(String::from).collect();
            for (group, parent, name) in moves {
                let of = |mut at: usize, parents: &[Option<usize>], names: &[String]| {
                    let mut parts = vec![names[at].clone()];
                    while let Some(up) = parents[at] {
                        at = up;
                        parts.insert(0, names[at].clone());
                        prop_assert!(parts.len() <= MAX_DEPTH, "a circle");
                    }
                    Ok(path(&parts.join("/")))
                };
                let all = (0..12).map(|at| of(at, &parents, &names)).collect::<Result<Vec<_>, _>>()?;
                let to = match parent {
                    Some(parent) => format!("{}/{name}", all[parent]),
                    None => name.to_string(),
                };
                let Ok(to) = GroupPath::new(to) else { continue };
                let below: Vec<_> =
                    all.iter().filter(|one| **one != all[group] && one.is_within(&all[group])).cloned().collect();
                if all.contains(&to) || may_move(&all[group], &below, &to).is_err() {
                    continue;
                }
                (parents[group], names[group]) = (parent, name.to_string());
            }
        }
    }
}
