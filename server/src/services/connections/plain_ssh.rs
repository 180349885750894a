//! Who gets into a workspace by plain `ssh`, with a key that they have registered. See decision 0092.

use berth_db::Changed;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::connection::{OpenBySsh, OpenedBySsh, SshEntry, SshHostKey, Why};
use berth_schema::kubernetes::SSH_PORT;
use berth_schema::ssh::PublicKey;
use berth_schema::{AccountId, Action, SshKeyId, WorkspaceId};
use tracing::info;
use uuid::Uuid;

use super::judge::judge;
use super::programs::certify;
use super::tokens::Way;
use super::{Target, denied, goes_on, opened, stamp};
use crate::crypto;
use crate::identity::ProxyIdentity;
use crate::issuer::Bearer;
use crate::services::{sessions, ssh_keys};
use crate::{Error, Op};

/// By what this agent's proxies are known to `ssh`: the same for all of its copies, and stored nowhere.
///
/// # Errors
/// Where the organisation's data key does not open; where the database fails.
pub async fn ssh_host_key(op: &Op<ProxyIdentity>) -> Result<SshHostKey, Error> {
    op.round("read_ssh_host_key", async |conn| {
        let root = ssh_keys::root(&op.context, conn, op.now).await?.map_err(Error::internal)?;
        let seed = crypto::ssh_proxy_seed(&root, op.who.agent).map_err(Error::internal)?;
        Ok::<_, Error>((SshHostKey { seed }, Vec::new()))
    })
    .await
}

/// Somebody has shown the proxy that a key is theirs: whether it lets them into that workspace, and what gets the proxy there. Whatever
/// is wrong, the answer is one and the same: there is no such workspace, it is somebody else's, or the key is none of theirs.
///
/// # Errors
/// [`Error::Invalid`] where the connection's own key is none; where the database fails.
pub async fn open_by_key(op: &Op<ProxyIdentity>, asked: &OpenBySsh) -> Result<OpenedBySsh, Error> {
    let none = |opened| Ok(OpenedBySsh { opened, entry: None });
    let own: PublicKey = asked
        .ssh_public_key
        .parse()
        .map_err(|wrong: berth_schema::ssh::NoPublicKey| Error::field("ssh_public_key", wrong.to_string()))?;
    let Some((workspace, (key, bearer))) = whose(op, asked).await? else {
        return none(denied(Why::Session));
    };
    let port = Target { workspace, name: asked.name.clone(), port: SSH_PORT };
    let allowed = match judge(op, (bearer, Way::Begins), &port).await? {
        Ok(allowed) => allowed,
        Err(refusal) => return none(refusal.told(op, &port)),
    };
    let (context, session) = (&op.context, &allowed.session.session);
    if !allowed.session.is_known {
        sessions::bring(&context.database, &allowed.session, op.now).await?;
    }
    sessions::note_use_of(&context.database, bearer.account, session, op.now).await?;
    context.uses.note(op.organization(), (*session.id.as_uuid()).into(), op.now);
    let details = Details::ConnectionOpened {
        agent: op.who.agent,
        port: port.port,
        until: allowed.until,
        shared: false,
        ssh_key: Some(key),
    };
    let stamp = stamp(op, &allowed, Action::OpenConnectionByKey);
    let whose = (op.organization(), bearer.account);
    let entry = context.database.change(whose, "open_connection_by_key", stamp, async |conn| {
        let root = ssh_keys::root(context, conn, op.now).await?.map_err(Error::internal)?;
        let id = allowed.session.membership.id.to_string();
        let ssh = certify(context, &root, (workspace, own, &id), op.now)?;
        let event = Event::new(Resource::workspace(workspace), details.clone());
        Ok::<_, Error>(Changed::So(SshEntry { workspace, ssh }, event))
    });
    let entry = entry.await?;
    let mut opened = opened(allowed.decision());
    let (grant, until) = goes_on(op, (bearer, &allowed), &port)?;
    (opened.grant, opened.grant_until) = (Some(grant), Some(until));
    info!(%workspace, session = %bearer.session, %key, "somebody is let in by an SSH key");
    Ok(OpenedBySsh { opened, entry: Some(entry) })
}

/// The workspace of that name, if it is this agent's and whoever made it has registered that key; and the session that the key is.
async fn whose(
    op: &Op<ProxyIdentity>,
    asked: &OpenBySsh,
) -> Result<Option<(WorkspaceId, (SshKeyId, Bearer))>, Error> {
    let found = op.read("find_owner_by_name", async |conn| {
        let Some(owned) = conn.workspaces().owned_by_name(&asked.name).await? else { return Ok(None) };
        let user = conn.subjects().user(owned.owner).await?;
        Ok::<_, Error>(user.map(|user| (owned.id, user.account)))
    });
    // Of nobody there are no keys, and to find that out takes as long.
    let (workspace, account) = found.await?.unwrap_or((WorkspaceId::random(), AccountId::random()));
    let reach = (op.organization(), account);
    let found = op.context.database.read(reach, "find_ssh_key", async |conn| {
        conn.ssh_keys().find(&asked.fingerprint).await.map_err(Error::from)
    });
    Ok(found.await?.map(|(key, session)| (workspace, (key, Bearer { account, session, id: Uuid::new_v4() }))))
}
