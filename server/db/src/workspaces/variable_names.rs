//! The names of a workspace's variables as an expression, so that a list costs one statement and not two.
//!
//! Not Diesel's `sql`, since what holds that is prepared anew each time.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::Jsonb;

/// A JSON array of `VariableName`s, by kind and name, of the row of `workspaces` that it is selected with.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub struct VariableNames;

const NAMES: &str = "(SELECT coalesce(jsonb_agg(jsonb_build_object('name', v.name, 'kind', v.kind) \
    ORDER BY v.kind, v.name), '[]') FROM workspace_variables v WHERE v.organization_id = workspaces.organization_id \
    AND v.agent_id = workspaces.agent_id AND v.workspace_id = workspaces.id)";

impl Expression for VariableNames {
    type SqlType = Jsonb;
}

impl<Source> SelectableExpression<Source> for VariableNames {}
impl<Source> AppearsOnTable<Source> for VariableNames {}

impl QueryFragment<Pg> for VariableNames {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(NAMES);
        Ok(())
    }
}
