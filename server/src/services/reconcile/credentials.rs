//! The Git credentials that go with a plan: issued here, sealed to the agent's key.

use std::collections::BTreeMap;

use berth_db::OrganizationConn;
use berth_planner::{Plan, PlannedDirective};
use berth_schema::WorkspaceId;
use berth_schema::git::CredentialBundle;
use tracing::error;

use crate::identity::AgentIdentity;
use crate::services::git::Issuer;
use crate::{Error, Op};

/// Issues what directives want. Where one host's credential cannot be had, a workspace keeps all that it has until it can;
/// a new one, which has none, gets the others.
pub(super) async fn issue(
    op: &Op<AgentIdentity>,
    conn: &OrganizationConn<'_>,
    plan: &Plan,
) -> Result<BTreeMap<WorkspaceId, CredentialBundle>, Error> {
    let mut bundles = BTreeMap::new();
    let wanted: Vec<&PlannedDirective> =
        plan.directives.iter().filter(|planned| planned.credentials_wanted).collect();
    if wanted.is_empty() {
        return Ok(bundles);
    }
    let ids: Vec<WorkspaceId> = wanted.iter().map(|planned| planned.directive.workspace_id).collect();
    let hosts = Issuer::load(&op.context, conn, &ids).await?;
    if let Some(cause) = hosts.broken() {
        op.context.metrics.failed_git_credential();
        error!(organization = %op.organization(), %cause, "no Git host is believed, workspaces keep what they have");
        return Ok(bundles);
    }
    if hosts.lacks_some() {
        op.context.metrics.failed_git_credential();
        error!(organization = %op.organization(), "a Git host was changed or removed in the database, workspaces keep what they have");
    }
    for planned in wanted {
        let workspace = planned.directive.workspace_id;
        let given = hosts.issue(workspace, op.now);
        if let Some(cause) = &given.withheld {
            op.context.metrics.failed_git_credential();
            error!(%workspace, %cause, "Git hosts of a group, a project or its user are not believed, it keeps what it has");
            continue;
        }
        for (host, cause) in &given.failed {
            op.context.metrics.failed_git_credential();
            error!(%workspace, %host, %cause, "no git credential can be had");
        }
        if (given.failed.is_empty() && !hosts.lacks_some()) || planned.variables_wanted {
            bundles.insert(workspace, given.bundle);
        }
    }
    Ok(bundles)
}
