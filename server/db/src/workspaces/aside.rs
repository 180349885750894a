//! The names of a workspace's variables, its project, who made it and when something happened in it, as expressions, so that a list costs one statement and not three.
//!
//! Not Diesel's `sql`, since what holds that is prepared anew each time.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Jsonb, Nullable, Timestamptz};

/// A JSON array of `VariableName`s, by kind and name, of the row of `workspaces` that it is selected with.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub struct VariableNames;

const NAMES: &str = "(SELECT coalesce(jsonb_agg(jsonb_build_object('name', v.name, 'kind', v.kind) \
    ORDER BY v.kind, v.name), '[]') FROM workspace_variables v WHERE v.organization_id = workspaces.organization_id \
    AND v.agent_id = workspaces.agent_id AND v.workspace_id = workspaces.id)";

/// A `ProjectRef`, or null, of the row of `workspaces` that it is selected with.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub struct BelongsTo;

const PROJECT: &str = "(SELECT jsonb_build_object('id', p.id, 'path', p.path) FROM projects p \
    WHERE p.organization_id = workspaces.organization_id AND p.id = workspaces.project_id)";

/// A `MemberRef`, or null, of the row of `workspaces` that it is selected with.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub struct MadeBy;

const CREATOR: &str = "(SELECT jsonb_build_object('id', s.id, 'name', s.name) FROM subjects s \
    WHERE s.organization_id = workspaces.organization_id \
    AND s.id = coalesce(workspaces.created_by_subject, workspaces.created_by))";

/// When something happened in it last, or null, of the row of `workspaces` that it is selected with.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub struct LastActive;

const ACTIVE: &str = "(SELECT a.last_active_at FROM workspace_activity a \
    WHERE a.organization_id = workspaces.organization_id AND a.agent_id = workspaces.agent_id \
    AND a.workspace_id = workspaces.id)";

macro_rules! expression {
    ($Type:ident, $Sql:ty, $text:ident) => {
        impl Expression for $Type {
            type SqlType = $Sql;
        }

        impl<Source> SelectableExpression<Source> for $Type {}
        impl<Source> AppearsOnTable<Source> for $Type {}

        impl QueryFragment<Pg> for $Type {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql($text);
                Ok(())
            }
        }
    };
}

expression!(VariableNames, Jsonb, NAMES);
expression!(BelongsTo, Nullable<Jsonb>, PROJECT);
expression!(MadeBy, Nullable<Jsonb>, CREATOR);
expression!(LastActive, Nullable<Timestamptz>, ACTIVE);
