//! The variables that a new workspace gets, from itself and from what is around it.

use berth_db::Source;
use berth_planner::inheritance::{Given, inherit};
use berth_schema::FieldError;
use berth_schema::scope::Scope;
use berth_schema::variables::{MAX_COUNT, MAX_TOTAL_BYTES, SecretValue, VariableKind, check_value};
use jiff::Timestamp;

use super::form::Variable;
use crate::services::variables::Opened;

/// One variable of the workspace, as it stays.
#[derive(Debug)]
pub(super) struct Frozen<'a> {
    pub(super) name: &'a str,
    pub(super) kind: VariableKind,
    pub(super) value: &'a SecretValue,
    pub(super) source: Source,
}

#[derive(Clone, Copy)]
struct Offer<'a> {
    name: &'a str,
    secret: &'a SecretValue,
    version: Option<i64>,
    set_at: Option<Timestamp>,
}

/// What the workspace gets; or everything that it may not have, by the fields of the form.
pub(super) fn freeze<'a>(
    organization: &'a [Opened],
    own: &'a [Variable],
) -> Result<Vec<Frozen<'a>>, Vec<FieldError>> {
    let outer = organization.iter().map(|Opened { row, value }| {
        let (version, set_at) = (Some(row.version), Some(row.updated_at));
        let value = Offer { name: &row.name, secret: value, version, set_at };
        Given { name: row.name.clone(), kind: row.kind, is_final: row.is_final, value }
    });
    let inner = own.iter().map(|variable| {
        let secret = &variable.value;
        let value = Offer { name: &variable.name, secret, version: None, set_at: None };
        Given { name: variable.name.clone(), kind: variable.kind, is_final: false, value }
    });
    let chain = vec![(Scope::Organization, outer.collect()), (Scope::Workspace, inner.collect())];
    let inherited = inherit(chain).map_err(|errors| {
        let wrong = errors.into_iter().map(|error| {
            let same = |variable: &Variable| (variable.kind, &variable.name) == (error.kind, &error.name);
            let index = own.iter().position(same).unwrap_or_default();
            FieldError::new(format!("variables[{index}].name"), format!("'{}' {error}", error.name))
        });
        wrong.collect::<Vec<_>>()
    })?;
    let frozen = inherited.into_iter().map(|inherited| {
        let Given { kind, is_final, value, .. } = inherited.given;
        let (scope, overrides) = (inherited.scope, inherited.overrides);
        let source = Source { scope, version: value.version, set_at: value.set_at, is_final, overrides };
        Frozen { name: value.name, kind, value: value.secret, source }
    });
    let frozen: Vec<_> = frozen.collect();
    check_values(&frozen)?;
    check_size(&frozen)?;
    Ok(frozen)
}

/// What an outer scope has kept from before a value like it was refused would keep every program of the workspace from starting.
fn check_values(frozen: &[Frozen<'_>]) -> Result<(), Vec<FieldError>> {
    let wrong = frozen.iter().filter_map(|Frozen { name, kind, value, source }| {
        let error = check_value(*kind, name, value.expose()).err()?;
        Some(FieldError::new("variables", format!("'{name}' of the {} {error}", source.scope)))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What each scope may hold alone may be too much together.
fn check_size(frozen: &[Frozen<'_>]) -> Result<(), Vec<FieldError>> {
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
