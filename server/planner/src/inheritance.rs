//! Which value a workspace gets where several scopes have a variable of one name.

use std::collections::BTreeMap;

use berth_schema::scope::Scope;
use berth_schema::variables::VariableKind;

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
    pub scope: Scope,
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
    pub by: Scope,
    /// Who has it all the same.
    pub scope: Scope,
}

/// The variables of a workspace from those of the scopes around it, `chain` from the outermost to the workspace itself. The
/// nearest wins, unless an outer one is final. The result is in the order of kind and name; so are the errors, one for each
/// scope that may not have what it has.
pub fn inherit<V>(chain: Vec<(Scope, Vec<Given<V>>)>) -> Result<Vec<Inherited<V>>, Vec<Overridden>> {
    let mut taken: BTreeMap<(VariableKind, String), Inherited<V>> = BTreeMap::new();
    let mut errors = Vec::new();
    for (scope, variables) in chain {
        for given in variables {
            let key = (given.kind, given.name.clone());
            match taken.get(&key) {
                Some(outer) if outer.given.is_final => {
                    let by = outer.scope;
                    errors.push(Overridden { name: given.name, kind: given.kind, by, scope });
                }
                outer => {
                    let overrides = outer.map(|outer| outer.scope);
                    taken.insert(key, Inherited { given, scope, overrides });
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
    ) -> Vec<(Scope, Vec<Given<&'static str>>)> {
        vec![(Scope::Organization, organization), (Scope::Workspace, workspace)]
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
        assert_eq!((errors[0].name.as_str(), errors[0].by), ("B", Scope::Organization));
        assert!(errors[0].to_string().contains("final in the organization"));
        let inherited = inherit(chain(vec![last("A", "o")], vec![])).expect("nobody overrides it");
        assert_eq!(inherited[0].scope, Scope::Organization);
    }

    #[test]
    fn a_file_and_an_environment_variable_of_one_name_are_two() {
        let file = Given { kind: VariableKind::File, is_final: true, ..given("A", "file") };
        let inherited = inherit(chain(vec![file], vec![given("A", "w")])).expect("two variables");
        assert_eq!(inherited.len(), 2);
    }
}
