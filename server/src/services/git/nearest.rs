//! The credential that one look into a repository takes: of what would be around the workspace that it is for.

use berth_db::{OrganizationConn, ProjectRow};
use berth_schema::WorkspaceId;
use berth_schema::git::GitHost;
use tracing::error;

use super::issue::Hosts;
use super::{Credential, Holder};
use crate::identity::Member;
use crate::services::scopes;
use crate::{Error, Op};

/// A credential that is there and cannot be had; the log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::services) struct NotIssued;

/// What a workspace of whoever asks would be given for that host; `None`: nothing is set for it.
pub(in crate::services) async fn nearest(
    op: &Op<Member>,
    conn: &OrganizationConn<'_>,
    (workspace, project): (WorkspaceId, Option<&ProjectRow>),
    (host, plain_http): (&GitHost, bool),
) -> Result<Result<Option<Credential>, NotIssued>, Error> {
    let holder = Holder { organization: op.organization(), workspace };
    let chain = scopes::of_workspace(conn, project, op.who.subject).await?;
    for (scope, _) in chain.into_iter().rev() {
        let hosts = Hosts::load(&op.context, conn, scope).await?;
        let withheld = if scope.is_organization() { None } else { hosts.withheld() };
        let issued = match (withheld, hosts.rows.iter().find(|row| row.host == *host)) {
            (Some(cause), _) => Err(cause),
            (None, None) => continue,
            // What is set for one scheme is never sent by the other.
            (None, Some(row)) if row.plain_http != plain_http => return Ok(Ok(None)),
            (None, Some(row)) => hosts.issue(&op.context, (scope, row), holder, op.now),
        };
        return Ok(issued.map(Some).map_err(|cause| {
            error!(%host, of = %scope.scope(), %cause, "a Git credential cannot be had");
            NotIssued
        }));
    }
    Ok(Ok(None))
}
