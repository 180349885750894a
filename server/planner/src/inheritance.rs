//! Which value a workspace gets where several scopes have a variable of one name.

use std::collections::BTreeMap;
use std::fmt;

use berth_schema::scope::{Scope, ScopeId};
use berth_schema::variables::VariableKind;
use uuid::Uuid;

/// One of the scopes around a workspace, or the workspace itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub scope: Scope,
    /// Which group, project or user.
    pub id: Option<Uuid>,
    /// What the group or project is called.
    pub path: Option<String>,
}

impl Link {
    pub const WORKSPACE: Self = Self { scope: Scope::Workspace, id: None, path: None };

    pub const fn new(scope: ScopeId, path: Option<String>) -> Self {
        Self { scope: scope.scope(), id: scope.id(), path }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scope, &self.path) {
            (Scope::User, _) => f.write_str("user's own variables"),
            (scope, Some(path)) => write!(f, "{scope} '{path}'"),
            (scope, None) => scope.fmt(f),
        }
    }
}

/// A variable of one scope. `V` is its value, which this room does not look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<V> {
    pub name: String,
    pub kind: VariableKind,
    /// No nearer scope may have it, too.
    pub is_final: bool,
    pub value: V,
}

/// A variable as a workspace gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited<V> {
    pub given: Given<V>,
    pub link: Link,
    /// The nearest scope whose value it took the place of.
    pub overrides: Option<Scope>,
}

/// A nearer scope has what an outer one made final.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is final in the {by}: nothing nearer may set it")]
pub struct Overridden {
    pub name: String,
    pub kind: VariableKind,
    /// Who made it final.
    pub by: Link,
    /// Who has it all the same.
    pub link: Link,
}

/// The variables of a workspace from those of the scopes around it, `chain` from the outermost to the workspace itself. The
/// nearest wins, unless an outer one is final. The result is in the order of kind and name; so are the errors, one for each
/// scope that may not have what it has.
pub fn inherit<V>(chain: Vec<(Link, Vec<Given<V>>)>) -> Result<Vec<Inherited<V>>, Vec<Overridden>> {
    let mut taken: BTreeMap<(VariableKind, String), Inherited<V>> = BTreeMap::new();
    let mut errors = Vec::new();
    for (link, variables) in chain {
        for given in variables {
            let key = (given.kind, given.name.clone());
            match taken.get(&key) {
                Some(outer) if outer.given.is_final => {
                    let (by, link) = (outer.link.clone(), link.clone());
                    errors.push(Overridden { name: given.name, kind: given.kind, by, link });
                }
                outer => {
                    let overrides = outer.map(|outer| outer.link.scope);
                    taken.insert(key, Inherited { given, link: link.clone(), overrides });
                }
            }
        }
    }
    errors.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    if errors.is_empty() { Ok(taken.into_values().collect()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, value: &'static str) -> Given<&'static str> {
        Given { name: name.to_owned(), kind: VariableKind::Environment, is_final: false, value }
    }

    fn chain(
        organization: Vec<Given<&'static str>>,
        workspace: Vec<Given<&'static str>>,
    ) -> Vec<(Link, Vec<Given<&'static str>>)> {
        vec![(Link::new(ScopeId::Organization, None), organization), (Link::WORKSPACE, workspace)]
    }

    fn group(path: &str) -> Link {
        Link { scope: Scope::Group, id: Some(Uuid::nil()), path: Some(path.to_owned()) }
    }

    fn link(scope: Scope) -> Link {
        Link { scope, id: None, path: None }
    }

    #[test]
    fn the_nearest_scope_wins_and_the_rest_is_inherited() {
        let inherited = inherit(chain(
            vec![given("A", "organization"), given("B", "organization")],
            vec![given("B", "workspace"), given("C", "workspace")],
        ));
        let inherited = inherited.expect("nothing is final");
        let seen: Vec<_> =
            inherited.iter().map(|one| (one.given.name.as_str(), one.given.value, one.overrides)).collect();
        assert_eq!(
            seen,
            [
                ("A", "organization", None),
                ("B", "workspace", Some(Scope::Organization)),
                ("C", "workspace", None)
            ]
        );
    }

    #[test]
    fn what_is_final_is_inherited_and_not_overridden() {
        let last = |name, value| Given { is_final: true, ..given(name, value) };
        let errors = inherit(chain(vec![last("A", "o"), last("B", "o")], vec![given("B", "w")]));
        let errors = errors.expect_err("B is final");
        assert_eq!(errors.len(), 1);
        assert_eq!((errors[0].name.as_str(), errors[0].by.scope), ("B", Scope::Organization));
        assert!(errors[0].to_string().contains("final in the organization"));
        let inherited = inherit(chain(vec![last("A", "o")], vec![])).expect("nobody overrides it");
        assert_eq!(inherited[0].link.scope, Scope::Organization);
    }

    #[test]
    fn of_the_whole_chain_the_nearest_wins_and_tells_whose_place_it_took() {
        let all = [link(Scope::Organization), group("a"), group("a/b"), link(Scope::Project)];
        let all = all.into_iter().chain([link(Scope::User), Link::WORKSPACE]).enumerate();
        let chain = all.map(|(depth, link)| {
            let names = ["A", "B", "C", "D", "E", "F"].into_iter().skip(depth);
            let value = ["organization", "a", "a/b", "project", "user", "workspace"][depth];
            (link, names.map(|name| given(name, value)).collect())
        });
        let inherited = inherit(chain.collect()).expect("nothing is final");
        let seen: Vec<_> = inherited
            .iter()
            .map(|one| (one.given.name.as_str(), one.given.value, one.link.scope, one.overrides))
            .collect();
        assert_eq!(
            seen,
            [
                ("A", "organization", Scope::Organization, None),
                ("B", "a", Scope::Group, Some(Scope::Organization)),
                ("C", "a/b", Scope::Group, Some(Scope::Group)),
                ("D", "project", Scope::Project, Some(Scope::Group)),
                ("E", "user", Scope::User, Some(Scope::Project)),
                ("F", "workspace", Scope::Workspace, Some(Scope::User)),
            ]
        );
        assert_eq!(inherited[2].link.path.as_deref(), Some("a/b"), "the nearer of two groups");
    }

    #[test]
    fn what_is_final_anywhere_is_refused_to_all_that_is_nearer_and_to_nobody_further_out() {
        let last = |name, value| Given { is_final: true, ..given(name, value) };
        let chain = vec![
            (link(Scope::Organization), vec![given("A", "o")]),
            (group("a"), vec![last("A", "a")]),
            (group("a/b"), vec![given("A", "b")]),
            (link(Scope::User), vec![given("A", "u")]),
        ];
        let errors = inherit(chain).expect_err("A is final");
        let told: Vec<_> = errors.iter().map(|error| (error.link.scope, error.to_string())).collect();
        let is_final = "is final in the group 'a': nothing nearer may set it".to_owned();
        assert_eq!(told, [(Scope::Group, is_final.clone()), (Scope::User, is_final)]);
    }

    #[test]
    fn a_file_and_an_environment_variable_of_one_name_are_two() {
        let file = Given { kind: VariableKind::File, is_final: true, ..given("A", "file") };
        let inherited = inherit(chain(vec![file], vec![given("A", "w")])).expect("two variables");
        assert_eq!(inherited.len(), 2);
    }
}
