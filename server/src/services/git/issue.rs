//! The credentials of one workspace for all of its organisation's Git hosts.

use berth_db::{GitCredentialRow, OrganizationConn};
use berth_schema::git::{CredentialBundle, GitHost};
use berth_schema::variables::SecretValue;
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::source::{Credential, GitCredentialSource, Holder, SignedToken, StoredToken};
use crate::crypto::{CryptoError, DataKey, GitChanges, Owner};
use crate::services::scope_key::{self, GitCredentials};
use crate::{Context, Error};

/// The organisation's hosts, ready to issue for any of its workspaces.
#[derive(Debug)]
pub struct Issuer<'a> {
    context: &'a Context,
    version: i64,
    rows: Vec<GitCredentialRow>,
    key: Result<DataKey, CryptoError>,
    changes: GitChanges,
    /// Why nothing may be issued at all: the key that says what was stored is gone or does not open.
    broken: Option<CryptoError>,
}

/// What could be issued, and what could not.
#[derive(Debug)]
pub struct Issued {
    pub bundle: CredentialBundle,
    pub failed: Vec<(GitHost, CryptoError)>,
}

impl<'a> Issuer<'a> {
    pub async fn load(context: &'a Context, conn: &OrganizationConn<'_>) -> Result<Self, Error> {
        // Before the rows: a change in between makes them newer than their version, and then they are asked for again.
        let version = conn.git_credentials().version().await?;
        let owner = Owner::of_organization(conn.organization());
        let open = |wrapped: &berth_db::DataKey| {
            context.keys.with_newest(|ring| DataKey::unwrap(ring, owner, wrapped))
        };
        let GitCredentials { rows, key } = scope_key::git(open, conn).await?;
        Ok(match key {
            Ok((key, changes)) => {
                let key = key.ok_or(CryptoError::DataKey);
                Self { context, version, rows, key, changes, broken: None }
            }
            Err(cause) => {
                let changes = GitChanges::default();
                Self { context, version, rows, key: Err(cause.clone()), changes, broken: Some(cause) }
            }
        })
    }

    /// Why no host of the organisation is believed.
    pub const fn broken(&self) -> Option<&CryptoError> {
        self.broken.as_ref()
    }

    /// Whether a host that was stored is not there any more: nothing that a workspace has is taken from it then.
    pub const fn lacks_some(&self) -> bool {
        self.changes.missing
    }

    /// One that fails takes no other along.
    pub fn issue(&self, holder: Holder, now: Timestamp) -> Issued {
        let mut bundle = CredentialBundle { version: self.version, ..CredentialBundle::default() };
        let mut failed = Vec::new();
        for row in &self.rows {
            let issued = match &self.broken {
                Some(cause) => Err(cause.clone()),
                None if self.changes.changed.contains(&row.host) => Err(CryptoError::Contents),
                None => self.source(row).issue(holder, now),
            };
            match issued {
                Ok(credential) => {
                    let renewal = credential.lifetime.map(renew_after);
                    bundle.renew_after_seconds = bundle.renew_after_seconds.into_iter().chain(renewal).min();
                    bundle.files.insert(row.host.file_name(row.plain_http), file(&credential, now));
                }
                Err(cause) => failed.push((row.host.clone(), cause)),
            }
        }
        Issued { bundle, failed }
    }

    fn source<'b>(&'b self, row: &'b GitCredentialRow) -> Box<dyn GitCredentialSource + 'b> {
        let Context { signer, random, .. } = self.context;
        match &row.audience {
            Some(audience) => Box::new(SignedToken {
                username: &row.username,
                audience,
                signer: signer.as_deref(),
                random: random.as_ref(),
            }),
            None => Box::new(StoredToken { row, key: &self.key }),
        }
    }
}

/// Half of its life is left for the way into the pod, which is the kubelet's minute and a half, and for trying again.
fn renew_after(lifetime: SignedDuration) -> u64 {
    u64::try_from(lifetime.as_secs() / 2).unwrap_or(0)
}

/// As git's credential protocol has it; the helper passes it on.
fn file(credential: &Credential, now: Timestamp) -> SecretValue {
    let Credential { username, password, lifetime } = credential;
    let mut text = Zeroizing::new(Vec::with_capacity(96 + username.len() + password.expose().len()));
    text.extend_from_slice(b"username=");
    text.extend_from_slice(username.as_bytes());
    text.extend_from_slice(b"\npassword=");
    text.extend_from_slice(password.expose());
    if let Some(lifetime) = lifetime {
        let expires = now.as_second().saturating_add(lifetime.as_secs());
        text.extend_from_slice(format!("\npassword_expiry_utc={expires}").as_bytes());
    }
    text.push(b'\n');
    SecretValue::new(std::mem::take(&mut *text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lifetime: Option<SignedDuration>) -> String {
        let credential = Credential {
            username: "berth".to_owned(),
            password: SecretValue::new(b"t0ken".to_vec()),
            lifetime,
        };
        String::from_utf8_lossy(file(&credential, Timestamp::UNIX_EPOCH).expose()).into_owned()
    }

    #[test]
    fn a_credential_is_written_as_git_reads_it() {
        assert_eq!(text(None), "username=berth\npassword=t0ken\n");
        let expected = "username=berth\npassword=t0ken\npassword_expiry_utc=90\n";
        assert_eq!(text(Some(SignedDuration::from_secs(90))), expected);
    }
}
