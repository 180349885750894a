//! What is under a data key, as a digest that is bound into the wrapped key: every row, with all that decides where its secret
//! goes. A row that was changed, added, moved or removed makes another digest, and a digest that was put beside the key
//! does not open it.

use std::collections::BTreeSet;

use berth_db::{DataKey, GitCredentialRow, ScopeVariableRow, SealedVariable};
use berth_schema::git::GitHost;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::aad::join;
use super::envelope::CryptoError;

/// The digest of rows, whose order does not matter.
fn digest(purpose: &[u8], mut rows: Vec<Vec<u8>>) -> [u8; SHA256_OUTPUT_LEN] {
    rows.sort_unstable();
    let mut context = Context::new(&SHA256);
    let mut parts = vec![purpose];
    parts.extend(rows.iter().map(Vec::as_slice));
    context.update(&join(&parts));
    let mut digest = [0; SHA256_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// What is under a workspace's key: its variables.
pub fn of_workspace<'a>(variables: impl IntoIterator<Item = &'a SealedVariable>) -> Vec<u8> {
    let rows = variables.into_iter().map(|row| {
        join(&[
            row.kind.as_str().as_bytes(),
            row.name.as_bytes(),
            row.data_key_id.as_bytes(),
            &row.version.to_be_bytes(),
            &row.nonce,
            &row.ciphertext,
        ])
    });
    digest(b"berth-variables/1", rows.collect()).to_vec()
}

/// What is under the key of a scope: its variables, in one digest, and after it one of each Git credential with host, scheme, user
/// name and audience, so that a host that was changed takes no other along.
pub fn of_scope(variables: &[ScopeVariableRow], git: &[GitCredentialRow]) -> Vec<u8> {
    let hosts: BTreeSet<_> = git.iter().map(of_git).collect();
    [of_variables(variables)].into_iter().chain(hosts).collect::<Vec<_>>().concat()
}

fn of_variables(variables: &[ScopeVariableRow]) -> [u8; SHA256_OUTPUT_LEN] {
    let rows = variables.iter().map(|row| {
        join(&[
            row.kind.as_str().as_bytes(),
            row.name.as_bytes(),
            row.data_key_id.as_bytes(),
            &row.version.to_be_bytes(),
            &[u8::from(row.is_final)],
            &row.nonce,
            &row.ciphertext,
        ])
    });
    digest(b"berth-scope-variables/1", rows.collect())
}

fn of_git(row: &GitCredentialRow) -> [u8; SHA256_OUTPUT_LEN] {
    // That there is none is another thing than an empty one.
    let optional = |bytes: Option<&[u8]>| bytes.map_or_else(Vec::new, |bytes| join(&[bytes]));
    let parts = join(&[
        row.host.as_str().as_bytes(),
        &[u8::from(row.plain_http)],
        row.username.as_bytes(),
        &optional(row.audience.as_deref().map(str::as_bytes)),
        &optional(row.data_key_id.as_ref().map(|id| id.as_bytes().as_slice())),
        &row.version.to_be_bytes(),
        &optional(row.nonce.as_deref()),
        &optional(row.ciphertext.as_deref()),
    ]);
    digest(b"berth-git-credential/1", vec![parts])
}

/// Whether these are the variables that were bound into a workspace's key. A key of before, into which nothing was bound, says
/// nothing about them; here and below the key itself has to open besides, since what stands beside it proves nothing.
pub fn check_workspace(key: &DataKey, rows: &[SealedVariable]) -> Result<(), CryptoError> {
    same(key.contents.as_deref(), &of_workspace(rows))
}

/// Whether these are the variables that were bound into a scope's key.
pub fn check_variables(key: &DataKey, rows: &[ScopeVariableRow]) -> Result<(), CryptoError> {
    let bound = key.contents.as_deref().map(|bound| bound.get(..SHA256_OUTPUT_LEN).unwrap_or_default());
    same(bound, &of_variables(rows))
}

fn same(bound: Option<&[u8]>, found: &[u8]) -> Result<(), CryptoError> {
    if bound.is_none_or(|bound| bound == found) { Ok(()) } else { Err(CryptoError::Contents) }
}

/// How Git credentials differ from those that were bound into a scope's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitChanges {
    /// Hosts whose rows were not stored like this.
    pub changed: BTreeSet<GitHost>,
    /// Whether something that was stored is not there: a row that was removed, or what a changed one was before.
    pub missing: bool,
}

impl GitChanges {
    pub fn check(&self) -> Result<(), CryptoError> {
        if *self == Self::default() { Ok(()) } else { Err(CryptoError::Contents) }
    }
}

pub fn compare_git(key: &DataKey, rows: &[GitCredentialRow]) -> GitChanges {
    let Some(bound) = key.contents.as_deref() else { return GitChanges::default() };
    let hosts = bound.get(SHA256_OUTPUT_LEN..).unwrap_or_default();
    let mut missing: BTreeSet<&[u8]> = hosts.chunks(SHA256_OUTPUT_LEN).collect();
    let unknown = rows.iter().filter(|row| !missing.remove(of_git(row).as_slice()));
    GitChanges { changed: unknown.map(|row| row.host.clone()).collect(), missing: !missing.is_empty() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::variables::VariableKind;
    use jiff::Timestamp;
    use uuid::Uuid;

    fn git() -> GitCredentialRow {
        GitCredentialRow {
            host: "git.example.com".parse().expect("a host"),
            plain_http: false,
            username: "berth".to_owned(),
            audience: None,
            data_key_id: Some(Uuid::nil()),
            version: 1,
            nonce: Some(vec![1; 12]),
            ciphertext: Some(vec![2; 16]),
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn variable() -> ScopeVariableRow {
        ScopeVariableRow {
            kind: VariableKind::Environment,
            name: "A".to_owned(),
            data_key_id: Uuid::nil(),
            version: 1,
            nonce: [1; 12],
            ciphertext: vec![2; 16],
            is_final: false,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn everything_that_decides_where_a_git_token_goes_is_in_it() {
        let changes: [fn(&mut GitCredentialRow); 8] = [
            |row| row.host = "git.evil.example".parse().expect("a host"),
            |row| row.plain_http = true,
            |row| row.username = "other".to_owned(),
            |row| row.audience = Some(String::new()),
            |row| row.data_key_id = None,
            |row| row.version = 2,
            |row| row.nonce = Some(vec![3; 12]),
            |row| row.ciphertext = None,
        ];
        for change in changes {
            let mut row = git();
            change(&mut row);
            assert_ne!(of_git(&row), of_git(&git()));
        }
    }

    fn key(git: &[GitCredentialRow]) -> DataKey {
        DataKey {
            id: Uuid::nil(),
            kek_id: "k".to_owned(),
            salt: [0; 32],
            wrapped_key: Vec::new(),
            commitment: [0; 32],
            contents: Some(of_scope(&[variable()], git)),
        }
    }

    #[test]
    fn a_git_host_that_was_changed_takes_no_other_along_and_one_that_is_gone_is_missed() {
        let other = GitCredentialRow { host: "git.other".parse().expect("a host"), ..git() };
        let evil = GitCredentialRow { plain_http: true, ..git() };
        let stored = key(&[git(), other.clone()]);
        assert_eq!(compare_git(&stored, &[other.clone(), git()]).check(), Ok(()));
        let changes = compare_git(&stored, &[evil, other.clone()]);
        assert_eq!((changes.changed, changes.missing), (BTreeSet::from([git().host]), true));
        let changes = compare_git(&stored, std::slice::from_ref(&other));
        assert_eq!((changes.changed, changes.missing), (BTreeSet::new(), true));
        let changes = compare_git(&key(&[git()]), &[git(), other]);
        assert_eq!((changes.changed.len(), changes.missing), (1, false));
        assert!(changes.check().is_err());
    }

    #[test]
    fn the_parts_of_a_scopes_key_do_not_hide_each_other() {
        let key = key(&[git()]);
        assert_eq!(check_variables(&key, &[variable()]), Ok(()));
        assert_eq!(check_variables(&key, &[]), Err(CryptoError::Contents));
        assert_eq!(compare_git(&key, &[git()]), GitChanges::default());
        assert_eq!(check_variables(&DataKey { contents: None, ..key }, &[]), Ok(()), "wrapped before");
    }

    #[test]
    fn everything_that_decides_where_a_variable_goes_is_in_it_and_their_order_is_not() {
        let changes: [fn(&mut ScopeVariableRow); 7] = [
            |row| row.kind = VariableKind::File,
            |row| row.name = "B".to_owned(),
            |row| row.data_key_id = Uuid::max(),
            |row| row.version = 2,
            |row| row.nonce = [3; 12],
            |row| row.ciphertext = vec![2; 17],
            |row| row.is_final = true,
        ];
        for change in changes {
            let mut row = variable();
            change(&mut row);
            assert_ne!(of_variables(std::slice::from_ref(&row)), of_variables(&[variable()]));
            let both = [row.clone(), variable()];
            assert_eq!(of_variables(&both), of_variables(&[variable(), row]));
        }
    }
}
