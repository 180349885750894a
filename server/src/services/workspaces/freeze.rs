//! The variables that a workspace gets, from itself and from what is around it.

use std::collections::BTreeSet;

use berth_db::{SealedVariable, Source};
use berth_planner::inheritance::{Given, Link, inherit};
use berth_schema::scope::Scope;
use berth_schema::spec::ContainerSpec;
use berth_schema::variables::{MAX_COUNT, MAX_TOTAL_BYTES, SecretValue, VariableKind, check_value};
use berth_schema::{FieldError, WorkspaceSpec};
use jiff::Timestamp;
use ring::rand::SecureRandom;

use crate::crypto::{CryptoError, DataKey, Label};
use crate::services::variables::Opened;

/// Of a name's values the first.
pub(super) const FIRST_VERSION: i64 = 1;

/// One variable of the workspace, as it stays.
#[derive(Debug)]
pub(super) struct Frozen<'a> {
    pub(super) name: &'a str,
    pub(super) kind: VariableKind,
    pub(super) value: &'a SecretValue,
    pub(super) source: Source,
}

impl Frozen<'_> {
    /// Encrypted, as a version of that name's values.
    pub(super) fn seal(
        &self,
        key: &DataKey,
        version: i64,
        random: &dyn SecureRandom,
    ) -> Result<(SealedVariable, Source), CryptoError> {
        let label = Label { name: self.name, kind: self.kind.as_str(), version };
        let sealed = key.seal(label, self.value, random)?;
        let sealed = SealedVariable {
            kind: self.kind,
            name: self.name.to_owned(),
            data_key_id: key.id(),
            version,
            nonce: sealed.nonce,
            ciphertext: sealed.ciphertext,
        };
        Ok((sealed, self.source.clone()))
    }
}

/// One that the workspace is given itself.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) name: &'a str,
    pub(super) kind: VariableKind,
    pub(super) value: &'a SecretValue,
}

#[derive(Clone, Copy)]
struct Offer<'a> {
    name: &'a str,
    secret: &'a SecretValue,
    version: Option<i64>,
    set_at: Option<Timestamp>,
}

/// What the workspace gets from what is around it, the outermost first, and has of its own; or everything that it may not have, by
/// the fields of the form.
pub(super) fn freeze<'a>(
    around: &'a [(Link, Vec<Opened>)],
    own: &[Own<'a>],
    made_of: &WorkspaceSpec,
) -> Result<Vec<Frozen<'a>>, Vec<FieldError>> {
    let outer = |Opened { row, value }: &'a Opened| {
        let (version, set_at) = (Some(row.version), Some(row.updated_at));
        let value = Offer { name: &row.name, secret: value, version, set_at };
        Given { name: row.name.clone(), kind: row.kind, is_final: row.is_final, value }
    };
    let inner = own.iter().map(|variable| {
        let value = Offer { name: variable.name, secret: variable.value, version: None, set_at: None };
        Given { name: variable.name.to_owned(), kind: variable.kind, is_final: false, value }
    });
    let mut chain: Vec<_> =
        around.iter().map(|(link, opened)| (link.clone(), opened.iter().map(outer).collect())).collect();
    chain.push((Link::WORKSPACE, inner.collect()));
    let inherited = inherit(chain).map_err(|errors| {
        let wrong = errors.into_iter().map(|error| {
            if error.link.scope != Scope::Workspace {
                return FieldError::new(
                    "variables",
                    format!("'{}' of the {} {error}", error.name, error.link),
                );
            }
            let same =
                |variable: &Own<'_>| (variable.kind, variable.name) == (error.kind, error.name.as_str());
            let index = own.iter().position(same).unwrap_or_default();
            FieldError::new(format!("variables[{index}].name"), format!("'{}' {error}", error.name))
        });
        wrong.collect::<Vec<_>>()
    })?;
    let frozen = inherited.into_iter().map(|inherited| {
        let Given { kind, is_final, value, .. } = inherited.given;
        let Link { scope, id, path } = inherited.link;
        let (version, set_at, overrides) = (value.version, value.set_at, inherited.overrides);
        let source = Source { scope, id, path, version, set_at, is_final, overrides };
        Frozen { name: value.name, kind, value: value.secret, source }
    });
    let frozen: Vec<_> = frozen.collect();
    check_values(&frozen)?;
    let finals = frozen.iter().filter(|variable| variable.source.is_final);
    let finals = finals.map(|Frozen { name, kind, source, .. }| {
        let Source { scope, id, path, .. } = source.clone();
        (*kind, *name, Link { scope, id, path })
    });
    keeps_finals(made_of, finals)?;
    check_size(&frozen)?;
    Ok(frozen)
}

/// What an outer scope has kept from before a value like it was refused would keep every program of the workspace from starting.
fn check_values(frozen: &[Frozen<'_>]) -> Result<(), Vec<FieldError>> {
    let wrong = frozen.iter().filter_map(|Frozen { name, kind, value, source }| {
        let error = check_value(*kind, name, value.expose()).err()?;
        let Source { scope, id, path, .. } = source.clone();
        Some(FieldError::new("variables", format!("'{name}' of the {} {error}", Link { scope, id, path })))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What a workspace is made of is nearer to it than any scope: it sets no variable that one of them has made final.
pub(super) fn keeps_finals<'a>(
    made_of: &WorkspaceSpec,
    finals: impl Iterator<Item = (VariableKind, &'a str, Link)>,
) -> Result<(), Vec<FieldError>> {
    let set: BTreeSet<_> = made_of.containers.iter().flat_map(ContainerSpec::sets).collect();
    let of_environment = finals.filter(|(kind, ..)| *kind == VariableKind::Environment);
    let wrong = of_environment.filter(|(_, name, _)| set.contains(name)).map(|(_, name, by)| {
        FieldError::new(
            "variables",
            format!("'{name}', which the devfile sets for a container, is final in the {by}"),
        )
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What each scope may hold alone may be too much together.
pub(super) fn check_size(frozen: &[Frozen<'_>]) -> Result<(), Vec<FieldError>> {
    let total: usize =
        frozen.iter().map(|variable| variable.name.len() + variable.value.expose().len()).sum();
    let inherited = frozen.iter().filter(|variable| variable.source.scope != Scope::Workspace).count();
    let message = if frozen.len() > MAX_COUNT {
        let count = frozen.len();
        format!("with the {inherited} inherited ones these are {count}, at most {MAX_COUNT} are allowed")
    } else if total > MAX_TOTAL_BYTES {
        format!(
            "with the {inherited} inherited ones they hold {total} bytes, at most {MAX_TOTAL_BYTES} are allowed"
        )
    } else {
        return Ok(());
    };
    Err(vec![FieldError::new("variables", message)])
}
