//! Variables of the organisation, of groups, projects and members: set, listed without their values, deleted; and where a
//! workspace's come from.

use std::collections::BTreeSet;

use berth_db::{Changed, OrganizationConn, ScopeVariableRow};
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::scope::{ScopeId, ScopeVariable, SetVariable, VariableOrigin};
use berth_schema::spec::ContainerSpec;
use berth_schema::variables::{
    MAX_COUNT, MAX_TOTAL_BYTES, SecretValue, VariableKind, check_name, check_value,
};
use berth_schema::{FieldError, ResourceKind};
use tracing::info;

use super::scope_key::{self, ScopeKey, Trust};
use super::scopes;
use crate::crypto::{KeyRing, Label, SealedValue, TAG_LEN};
use crate::identity::Member;
use crate::{Error, Op};

/// Sets one variable. Workspaces that exist keep what they have; those that are created later get it.
pub async fn set(op: &Op<Member>, form: SetVariable) -> Result<ScopeVariable, Error> {
    let is_final = form.is_final;
    let input = form.into_input();
    let value = check(&input).map_err(Error::Invalid)?;
    let (kind, name) = (input.kind, input.name);
    let (of, now) = (scopes::asked(op)?, op.now);
    let row = op
        .change("set_variable", async |conn| {
            let chain = scopes::around(conn, of).await?;
            scopes::may_set(conn, chain, kind, &name).await?;
            // 1. The key of the scope, made with its first variable, and what is there: the version goes on from it.
            let (ring, random) = (op.context.keys.current(), op.context.random.as_ref());
            let scope = ScopeKey::lock(&ring, random, conn, (of, Trust::Bound, now)).await?;
            let (key, others) = (&scope.key, &scope.variables);
            let before = others.iter().find(|row| (row.kind, &row.name) == (kind, &name));
            if before.is_none() && others.len() >= MAX_COUNT {
                let message = format!("at most {MAX_COUNT} variables are allowed; delete one first");
                return Err(Error::field("name", message));
            }
            let kept = others.iter().filter(|row| (row.kind, &row.name) != (kind, &name)).map(size);
            let total = kept.sum::<usize>() + name.len() + value.expose().len();
            if total > MAX_TOTAL_BYTES
                && before.is_none_or(|row| size(row) < name.len() + value.expose().len())
            {
                let message =
                    format!("with the others these are {total} bytes, at most {MAX_TOTAL_BYTES} are allowed");
                return Err(Error::field("value", message));
            }
            let version = before.map_or(1, |row| row.version + 1);
            // 2. Sealed to its place, stored, bound into the key.
            let label = Label { name: &name, kind: kind.as_str(), version };
            let sealed = key.seal(label, &value, random).map_err(Error::internal)?;
            let row = ScopeVariableRow {
                kind,
                name: name.clone(),
                data_key_id: key.id(),
                version,
                nonce: sealed.nonce,
                ciphertext: sealed.ciphertext,
                is_final,
                updated_at: now,
            };
            conn.scope_variables(of).put(&row).await?;
            scope.bind(&ring, random, conn).await?;
            let details = Details::VariableSet { version, is_final, of };
            Ok(Changed::So(row, Event::new(told(of, kind, &name), details)))
        })
        .await?;
    info!(on = %told(of, kind, &name), version = row.version, is_final, of = %of.scope(), "variable set");
    Ok(show(row))
}

/// How much of a workspace's room it takes.
fn size(row: &ScopeVariableRow) -> usize {
    row.name.len() + row.ciphertext.len().saturating_sub(TAG_LEN)
}

/// What is on record and in the log as changed. What somebody's own variables are called is nobody else's to read.
fn told(of: ScopeId, kind: VariableKind, name: &str) -> Resource {
    match of {
        ScopeId::User(user) => Resource::user(user),
        ScopeId::Organization | ScopeId::Group(_) | ScopeId::Project(_) => Resource::variable(kind, name),
    }
}

fn check(input: &berth_schema::api::VariableInput) -> Result<SecretValue, Vec<FieldError>> {
    let mut errors = Vec::new();
    if let Err(error) = check_name(input.kind, &input.name) {
        errors.push(FieldError::new("name", error.to_string()));
    }
    let value = input.decode().map_err(|message| errors.push(FieldError::new("value", message))).ok();
    if let Some(value) = &value {
        if let Err(error) = check_value(input.kind, &input.name, value.expose()) {
            errors.push(FieldError::new("value", error.to_string()));
        }
        if input.name.len() + value.expose().len() > MAX_TOTAL_BYTES {
            let message = format!("at most {MAX_TOTAL_BYTES} bytes are allowed");
            errors.push(FieldError::new("value", message));
        }
    }
    value.filter(|_| errors.is_empty()).ok_or(errors)
}

pub async fn list(op: &Op<Member>) -> Result<Paged<ScopeVariable>, Error> {
    let of = scopes::asked(op)?;
    let rows = op.read("list_variables", async |conn| conn.scope_variables(of).list().await).await?;
    Ok(Paged { items: rows.into_iter().map(show).collect(), next: None })
}

/// Deletes one variable. Workspaces that have it keep it.
pub async fn delete(op: &Op<Member>, kind: VariableKind, name: &str) -> Result<ScopeVariable, Error> {
    let unknown = || Error::missing(ResourceKind::Variable, name);
    // What is no name names nothing.
    check_name(kind, name).map_err(|_| unknown())?;
    let of = scopes::asked(op)?;
    let deleted = op
        .change("delete_variable", async |conn| {
            let (ring, random) = (op.context.keys.current(), op.context.random.as_ref());
            scopes::around(conn, of).await?;
            let variables = conn.scope_variables(of);
            if variables.data_key().await?.is_none() {
                return Ok(Changed::Not(None));
            }
            let scope = ScopeKey::lock(&ring, random, conn, (of, Trust::Bound, op.now)).await?;
            let Some(deleted) = variables.delete(kind, name).await? else { return Ok(Changed::Not(None)) };
            scope.bind(&ring, random, conn).await?;
            let details = Details::VariableDeleted { version: deleted.version, of };
            Ok::<_, Error>(Changed::So(Some(deleted), Event::new(told(of, kind, name), details)))
        })
        .await?;
    let row = deleted.ok_or_else(unknown)?;
    info!(on = %told(of, kind, name), of = %of.scope(), "variable deleted");
    Ok(show(row))
}

/// Where each of a workspace's variables comes from. That somebody looks is on record: it tells which secrets there are.
pub async fn explain(op: &Op<Member>, workspace: &str) -> Result<Paged<VariableOrigin>, Error> {
    let origins = op
        .change("explain_variables", async |conn| {
            let view = super::workspaces::find(conn, workspace).await?;
            let (id, created_at) = (view.workspace.id, view.workspace.created_at);
            let containers = &view.workspace.spec.containers;
            let set = containers.iter().flat_map(ContainerSpec::sets).map(str::to_owned).collect();
            let origins = conn.variables().origins(view.workspace.agent_id, id).await?;
            let details = Details::VariablesExplained { count: origins.len() as u64 };
            let event = Event::new(Resource::workspace(id), details);
            Ok::<_, Error>(Changed::So((origins, created_at, set), event))
        })
        .await?;
    let (rows, created_at, set): (_, _, BTreeSet<String>) = origins;
    let items = rows.into_iter().map(|row| VariableOrigin {
        is_set_by_devfile: row.kind == VariableKind::Environment && set.contains(&row.name),
        name: row.name,
        kind: row.kind,
        scope: row.source,
        scope_id: row.source_id,
        path: row.source_path,
        version: row.source_version.unwrap_or(row.version),
        set_at: row.source_set_at.or(row.taken_at).unwrap_or(created_at),
        frozen_at: row.taken_at.unwrap_or(created_at),
        is_final: row.source_final,
        overrides: row.overrides,
    });
    Ok(Paged { items: items.collect(), next: None })
}

/// A scope's variable with its value, for a workspace that is being created.
pub(super) struct Opened {
    pub row: ScopeVariableRow,
    pub value: SecretValue,
}

/// A scope's variables, opened.
pub(super) async fn open(
    keys: &KeyRing,
    conn: &OrganizationConn<'_>,
    scope: ScopeId,
) -> Result<Vec<Opened>, Error> {
    let (key, rows) = scope_key::variables(keys, conn, scope).await?.map_err(Error::internal)?;
    let Some(key) = key else { return Ok(Vec::new()) };
    let opened = rows.into_iter().map(|row| {
        let label = Label { name: &row.name, kind: row.kind.as_str(), version: row.version };
        let sealed = SealedValue { nonce: row.nonce, ciphertext: row.ciphertext.clone() };
        let value = key.open(label, &sealed).map_err(Error::internal)?;
        Ok(Opened { row, value })
    });
    opened.collect()
}

fn show(row: ScopeVariableRow) -> ScopeVariable {
    ScopeVariable {
        name: row.name,
        kind: row.kind,
        version: row.version,
        is_final: row.is_final,
        updated_at: row.updated_at,
    }
}
