//! Whether a browser may let something in that goes on without it: a command line, the first passkey of its person.
//!
//! A command line is another session, which nobody has ended anything of and which is idle nowhere. So whoever has to prove anew who
//! they are before their browser goes on has to do it before this as well: else a browser that was kept out lets itself in again.

use std::net::IpAddr;

use berth_db::{MembershipRow, OrganizationRow, OrganizationSession};
use berth_schema::{AccountId, SessionId};
use jiff::Timestamp;

use crate::error::DenyReason;
use crate::identity::Person;
use crate::services::permission;
use crate::{Context, Error, Op};

/// # Errors
/// [`Error::Forbidden`] where they have to prove it anew in one of their organisations.
pub(crate) async fn check(op: &Op<Person>) -> Result<(), Error> {
    let whose = (op.who.account, op.who.session);
    let Some(by_provider) = kept_out(&op.context, whose, (op.origin.peer, op.now)).await? else {
        return Ok(());
    };
    let action = op.action.ok_or_else(|| Error::internal("whoever lets in does something"))?;
    Err(Error::denied(action, DenyReason::step_up(by_provider)))
}

/// Whether a session is kept out of one of its account's organisations until it was proven anew, and if so, whether it is a provider that
/// proves it there.
pub(super) async fn kept_out(
    context: &Context,
    (account, session): (AccountId, SessionId),
    at: (Option<IpAddr>, Timestamp),
) -> Result<Option<bool>, Error> {
    let memberships = context.database.read(account, "list_memberships", async |conn| {
        conn.accounts().memberships().await.map_err(Error::from)
    });
    for (organization, membership) in memberships.await? {
        let reach = (organization.id, account);
        let found = context.database.read(reach, "look_at_own_session", async |conn| {
            let found = conn.sessions().find_in(session, &organization.id.to_string()).await?;
            Ok::<_, Error>((found, conn.open_connections().must_prove_since(session).await?))
        });
        let (Some(found), ended_at) = found.await? else { continue };
        let whose = (&organization, &membership);
        if is_taken_back(&found, ended_at) || is_idle(context, whose, &found, at).await? {
            return Ok(Some(membership.is_provided));
        }
    }
    Ok(None)
}

/// Whether somebody has ended something of it there since it was proven, or took all of it.
fn is_taken_back(found: &OrganizationSession, ended_at: Option<Timestamp>) -> bool {
    found.is_revoked() || ended_at.is_some_and(|at| found.session.proven_at() <= at)
}

async fn is_idle(
    context: &Context,
    whose: (&OrganizationRow, &MembershipRow),
    found: &OrganizationSession,
    (address, now): (Option<IpAddr>, Timestamp),
) -> Result<bool, Error> {
    let circumstances = permission::by_session(found, &context.uses, address, now);
    let authority = permission::authority(context, whose, (circumstances, Vec::new())).await?;
    Ok(authority.policies.keeps_out_as_idle(&authority.asker))
}
