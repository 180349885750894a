//! The credentials of one workspace for all Git hosts of what is around it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use berth_db::{GitCredentialRow, OrganizationConn};
use berth_schema::git::{CredentialBundle, GitHost};
use berth_schema::scope::ScopeId;
use berth_schema::variables::SecretValue;
use berth_schema::{OrganizationId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::source::{Credential, GitCredentialSource, Holder, SignedToken, StoredToken};
use crate::crypto::{CryptoError, DataKey, GitChanges, Owner};
use crate::services::scope_key::{self, GitCredentials};
use crate::services::scopes;
use crate::{Context, Error};

/// The hosts of what is around some workspaces, ready to issue for each of them.
#[derive(Debug)]
pub struct Issuer<'a> {
    context: &'a Context,
    organization: OrganizationId,
    version: i64,
    /// Of everything that is around any of the workspaces.
    hosts: HashMap<ScopeId, Hosts>,
    /// What each workspace is given by beside the organisation, the outermost first.
    chains: HashMap<WorkspaceId, Vec<ScopeId>>,
}

/// The hosts of one scope.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) rows: Vec<GitCredentialRow>,
    key: Result<DataKey, CryptoError>,
    changes: GitChanges,
    /// Why nothing may be issued at all: the key that says what was stored is gone or does not open.
    broken: Option<CryptoError>,
}

impl Hosts {
    pub(super) async fn load(
        context: &Context,
        conn: &OrganizationConn<'_>,
        scope: ScopeId,
    ) -> Result<Self, Error> {
        let owner = Owner::of_scope(conn.organization(), scope);
        let open = |wrapped: &berth_db::DataKey| {
            context.keys.with_newest(|ring| DataKey::unwrap(ring, owner, wrapped))
        };
        let GitCredentials { rows, key } = scope_key::git(open, conn, scope).await?;
        Ok(match key {
            Ok((key, changes)) => Self { rows, key: key.ok_or(CryptoError::DataKey), changes, broken: None },
            Err(cause) => {
                Self { rows, key: Err(cause.clone()), changes: GitChanges::default(), broken: Some(cause) }
            }
        })
    }

    /// Why nothing of an outer scope may be given in the place of what is here: it may have been taken away.
    pub(super) fn withheld(&self) -> Option<CryptoError> {
        self.broken.clone().or(self.changes.missing.then_some(CryptoError::Contents))
    }

    /// The credential of one of its rows.
    pub(super) fn issue(
        &self,
        context: &Context,
        (of, row): (ScopeId, &GitCredentialRow),
        holder: Holder,
        now: Timestamp,
    ) -> Result<Credential, CryptoError> {
        if let Some(cause) = &self.broken {
            return Err(cause.clone());
        }
        if self.changes.changed.contains(&row.host) {
            return Err(CryptoError::Contents);
        }
        match &row.audience {
            Some(audience) => SignedToken {
                username: &row.username,
                audience,
                of,
                signer: context.signer.as_deref(),
                random: context.random.as_ref(),
            }
            .issue(holder, now),
            None => StoredToken { row, key: &self.key }.issue(holder, now),
        }
    }
}

/// What could be issued, and what could not.
#[derive(Debug)]
pub struct Issued {
    pub bundle: CredentialBundle,
    pub failed: Vec<(GitHost, CryptoError)>,
    /// Why nothing is believed that is nearer than the organisation: then nothing is given at all, since it may be a nearer one's place
    /// that an outer one would take.
    pub withheld: Option<CryptoError>,
}

impl<'a> Issuer<'a> {
    pub async fn load(
        context: &'a Context,
        conn: &OrganizationConn<'_>,
        workspaces: &[WorkspaceId],
    ) -> Result<Self, Error> {
        // Before the rows: a change in between makes them newer than their version, and then they are asked for again.
        let version = conn.git_credentials().version().await?;
        let chains = scopes::of_workspaces(conn, workspaces).await?;
        let nearer: BTreeSet<ScopeId> = chains.values().flatten().copied().collect();
        let mut hosts = HashMap::new();
        for scope in std::iter::once(ScopeId::Organization).chain(nearer) {
            hosts.insert(scope, Hosts::load(context, conn, scope).await?);
        }
        Ok(Self { context, organization: conn.organization(), version, hosts, chains })
    }

    fn of_organization(&self) -> Option<&Hosts> {
        self.hosts.get(&ScopeId::Organization)
    }

    /// Why no host of the organisation is believed.
    pub fn broken(&self) -> Option<&CryptoError> {
        self.of_organization()?.broken.as_ref()
    }

    /// Whether a host of the organisation that was stored is not there any more: nothing that a workspace has is taken from it then.
    pub fn lacks_some(&self) -> bool {
        self.of_organization().is_some_and(|hosts| hosts.changes.missing)
    }

    /// Of each host what is nearest to the workspace. One that fails takes no other along.
    pub fn issue(&self, workspace: WorkspaceId, now: Timestamp) -> Issued {
        let holder = Holder { organization: self.organization, workspace };
        let mut bundle = CredentialBundle { version: self.version, ..CredentialBundle::default() };
        let (mut failed, mut withheld) = (Vec::new(), None);
        let mut nearest: BTreeMap<&GitHost, (ScopeId, &Hosts, &GitCredentialRow)> = BTreeMap::new();
        let nearer = self.chains.get(&workspace).into_iter().flatten().copied();
        for scope in std::iter::once(ScopeId::Organization).chain(nearer) {
            let Some(hosts) = self.hosts.get(&scope) else { continue };
            if !scope.is_organization() && withheld.is_none() {
                withheld = hosts.withheld();
            }
            nearest.extend(hosts.rows.iter().map(|row| (&row.host, (scope, hosts, row))));
        }
        for (host, (scope, hosts, row)) in nearest {
            match hosts.issue(self.context, (scope, row), holder, now) {
                Ok(credential) => {
                    let renewal = credential.lifetime.map(renew_after);
                    bundle.renew_after_seconds = bundle.renew_after_seconds.into_iter().chain(renewal).min();
                    bundle.files.insert(host.file_name(row.plain_http), file(&credential, now));
                }
                Err(cause) => failed.push((host.clone(), cause)),
            }
        }
        Issued { bundle, failed, withheld }
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
