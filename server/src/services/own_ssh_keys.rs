//! Public keys that people register, to be let in by plain `ssh`. See decision 0092.
//!
//! A key is a session of its own, that nobody holds a secret of: what ends a session ends what is open by the key, and the key with it.

use berth_db::{
    AccountEvent, Changed, DbErrorKind, DeviceOf, NewSession, NewSshKey, OrganizationConn, SessionClient,
    SessionRow, SshKeyRow, constraints,
};
use berth_schema::api::account::{AddSshKey, SshKey};
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::ssh::user_key::{UserKey, fingerprint};
use berth_schema::text::check_plain;
use berth_schema::{Action, SessionId, SshKeyId};
use jiff::Timestamp;
use ring::digest;
use tracing::info;

use super::sign_in::SessionRules;
use super::tokens::random_secret;
use super::{login, sessions};
use crate::error::Unproven;
use crate::identity::Person;
use crate::{Error, Op};

/// The most of one person that open something.
const MOST: usize = 20;
/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// One's own that open something, the oldest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(op: &Op<Person>) -> Result<Vec<SshKey>, Error> {
    let rules = &op.context.sessions;
    op.read("list_ssh_keys", async |conn| {
        let all = conn.ssh_keys().list().await?.into_iter();
        let open = all.filter(|(_, session)| sessions::goes_on(session, rules, op.now));
        open.map(|(key, session)| show(key, &session, rules)).collect()
    })
    .await
}

fn show(key: SshKeyRow, session: &SessionRow, rules: &SessionRules) -> Result<SshKey, Error> {
    let (ends_at, expires_at) = sessions::ends(session, rules);
    let public_key = UserKey::of_blob(&key.public_key).map_err(Error::internal)?.line();
    Ok(SshKey {
        id: key.id,
        name: key.name,
        public_key,
        fingerprint: key.fingerprint,
        created_at: key.created_at,
        last_used_at: (session.last_used_at > session.created_at).then_some(session.last_used_at),
        ends_at,
        expires_at,
    })
}

/// Registers one, which lets its person in for as long as a command line's login would last.
///
/// # Errors
/// [`Error::Invalid`] where it is none that is taken, is theirs already, or they have too many; [`Error::Forbidden`] where they have proven
/// who they are too long ago, or something was taken from what asks since.
pub async fn add(op: &Op<Person>, asked: &AddSshKey) -> Result<SshKey, Error> {
    let name = asked.name.trim();
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return Err(Error::field("name", format!("must be 1 to {MAX_NAME} characters")));
    }
    check_plain(name).map_err(|error| Error::field("name", error.to_string()))?;
    let key = UserKey::parse(&asked.public_key);
    let key = key.map_err(|refused| Error::field("public_key", refused.to_string()))?;
    // It lets in without whoever registers it, as a command line does.
    login::check_session(op).await?;
    let new = NewSshKey {
        id: SshKeyId::random(),
        session: SessionId::random(),
        name: name.to_owned(),
        public_key: key.blob().to_vec(),
        fingerprint: fingerprint(digest::digest(&digest::SHA256, key.blob()).as_ref()),
    };
    let secret_hash = *random_secret(op.context.random.as_ref())?;
    let rules = &op.context.sessions;
    let added = op.change("add_ssh_key", async |conn| {
        // One of them at a time, so that they are counted; and what adds it has not ended.
        let by = conn.sessions().find_locked(op.who.session).await?;
        let by = by.ok_or(Error::Unauthenticated(Unproven::NoSession))?;
        sessions::demand_recent(conn, op, Action::AddSshKey).await?;
        make_room(conn, &new.fingerprint, (rules, op.now)).await?;
        let session = begin(&new, &by, (secret_hash, rules), op);
        conn.sessions().insert(&session, op.now).await?;
        // Whom a provider vouches for goes on by its word alone: its sign-out ends the key.
        conn.session_proofs().copy(by.id, new.session).await?;
        conn.ssh_keys().insert(&new, op.now).await.map_err(|error| match &error.kind {
            DbErrorKind::UniqueViolation { constraint } if constraint == constraints::SSH_KEY => theirs(),
            _ => error.into(),
        })?;
        let all = conn.ssh_keys().list().await?;
        let stored = all.into_iter().find(|(key, _)| key.id == new.id);
        let (key, session) = stored.ok_or_else(|| Error::internal("what was stored is not there"))?;
        let event = about(new.session, (new.id, &new.fingerprint));
        Ok::<_, Error>(Changed::So(show(key, &session, rules)?, event))
    });
    let added = added.await?;
    info!(account = %op.who.account, key = %added.id, by = %op.who.session, "an SSH key was registered");
    Ok(added)
}

fn theirs() -> Error {
    Error::field("public_key", "is one of yours already: berth ssh-keys list shows it")
}

/// Forgets those that open nothing any more, and looks whether there is room.
async fn make_room(
    conn: &OrganizationConn<'_>,
    fingerprint: &str,
    (rules, now): (&SessionRules, Timestamp),
) -> Result<(), Error> {
    let all = conn.ssh_keys().list().await?;
    let (open, over): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, session)| sessions::goes_on(session, rules, now));
    conn.ssh_keys().remove(&over.iter().map(|(key, _)| key.id).collect::<Vec<_>>()).await?;
    if open.iter().any(|(key, _)| key.fingerprint == fingerprint) {
        return Err(theirs());
    }
    if open.len() >= MOST {
        let message = format!("cannot be added: you have {MOST} already; remove one first");
        return Err(Error::field("public_key", message));
    }
    Ok(())
}

/// The session that a key is. It has proven what the one has that adds it, but no second factor: who has a key's file has all of it.
fn begin(
    new: &NewSshKey,
    by: &SessionRow,
    (secret_hash, rules): ([u8; 32], &SessionRules),
    op: &Op<Person>,
) -> NewSession {
    NewSession {
        id: new.session,
        // Nobody has it: no cookie opens such a session.
        secret_hash,
        method: by.method.clone(),
        authenticated_at: by.proven_at(),
        verified_at: None,
        expires_at: berth_db::stored_time(op.now.saturating_add(rules.login).unwrap_or(op.now)),
        idle_seconds: rules.login_idle.as_secs(),
        address: op.origin.peer.map(|peer| peer.to_string()),
        user_agent: Some(new.name.clone()),
        device: DeviceOf::Same(by.id),
        client: SessionClient::SshKey,
    }
}

/// Removes one, and ends what is open by it.
///
/// # Errors
/// [`Error::Invalid`] where there is none of that id; where the database fails.
pub async fn remove(op: &Op<Person>, id: SshKeyId) -> Result<SshKey, Error> {
    let removed = op.change("remove_ssh_key", async |conn| {
        let all = conn.ssh_keys().list().await?;
        let Some((key, session)) = all.into_iter().find(|(key, _)| key.id == id) else {
            return Err(Error::field("ssh_key", "is none of yours: GET /api/v1/account/ssh-keys has them"));
        };
        conn.ssh_keys().remove(&[id]).await?;
        conn.sessions().end(&[session.id], op.now).await?;
        let event = about(session.id, (id, &key.fingerprint));
        Ok(Changed::So(show(key, &session, &op.context.sessions)?, event))
    });
    let removed = removed.await?;
    info!(account = %op.who.account, key = %id, by = %op.who.session, "an SSH key was removed");
    Ok(removed)
}

/// What is on record of it, in each organisation: no name of it.
fn about(session: SessionId, (ssh_key, fingerprint): (SshKeyId, &str)) -> AccountEvent {
    let details = Details::SshKey { ssh_key, fingerprint: fingerprint.to_owned() };
    Event::new(Resource::session(session), details).into()
}
