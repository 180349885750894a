//! Whether a browser may let a command line in.
//!
//! What it lets in is another session, which nobody has ended anything of and which is idle nowhere. So whoever has to prove anew who
//! they are before their browser goes on has to do it before this as well: else a browser that was kept out lets itself in again.

use berth_db::{MembershipRow, OrganizationRow, OrganizationSession};
use jiff::Timestamp;

use crate::error::DenyReason;
use crate::identity::Person;
use crate::services::{permission, sessions};
use crate::{Error, Op};

/// # Errors
/// [`Error::Forbidden`] where they have to prove it anew in one of their organisations.
pub(super) async fn check(op: &Op<Person>) -> Result<(), Error> {
    for (organization, membership) in sessions::memberships(op).await? {
        let (session, reach) = (op.who.session, (organization.id, op.who.account));
        let found = op.context.database.read(reach, "look_at_own_session", async |conn| {
            let found = conn.sessions().find_in(session, &organization.id.to_string()).await?;
            Ok::<_, Error>((found, conn.open_connections().must_prove_since(session).await?))
        });
        let (Some(found), ended_at) = found.await? else { continue };
        let is_kept_out =
            is_taken_back(&found, ended_at) || is_idle(op, (&organization, &membership), &found).await?;
        if is_kept_out {
            let reason =
                if membership.is_provided { DenyReason::StepUpByProvider } else { DenyReason::StepUp };
            let action = op.action.ok_or_else(|| Error::internal("whoever lets in does something"))?;
            return Err(Error::denied(action, reason));
        }
    }
    Ok(())
}

/// Whether somebody has ended something of it there since it was proven, or took all of it.
fn is_taken_back(found: &OrganizationSession, ended_at: Option<Timestamp>) -> bool {
    let proven_at = sessions::proven_at(&found.session);
    ended_at.max(found.revoked_at).is_some_and(|at| proven_at <= at)
}

async fn is_idle(
    op: &Op<Person>,
    whose: (&OrganizationRow, &MembershipRow),
    found: &OrganizationSession,
) -> Result<bool, Error> {
    let circumstances = permission::by_session(found, &op.context.uses, op.origin.peer, op.now);
    let authority = permission::authority(&op.context, whose, (circumstances, Vec::new())).await?;
    Ok(authority.policies.keeps_out_as_idle(&authority.asker))
}
