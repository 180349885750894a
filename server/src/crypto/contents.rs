//! What is under a data key, as a digest that is bound into the wrapped key: every row, with all that decides where its secret
//! goes. A row that was changed, added, moved or removed makes another digest, and a digest that was put beside the key
//! does not open it.

use berth_db::{DataKey, GitCredentialRow, ScopeVariableRow, SealedVariable};
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

/// What is under the key of a scope: its variables, and its Git credentials with host, scheme, user name and audience.
pub fn of_scope(variables: &[ScopeVariableRow], git: &[GitCredentialRow]) -> Vec<u8> {
    [of_variables(variables), of_git(git)].concat()
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

fn of_git(git: &[GitCredentialRow]) -> [u8; SHA256_OUTPUT_LEN] {
    // That there is none is another thing than an empty one.
    let optional = |bytes: Option<&[u8]>| bytes.map_or_else(Vec::new, |bytes| join(&[bytes]));
    let rows = git.iter().map(|row| {
        join(&[
            row.host.as_str().as_bytes(),
            &[u8::from(row.plain_http)],
            row.username.as_bytes(),
            &optional(row.audience.as_deref().map(str::as_bytes)),
            &optional(row.data_key_id.as_ref().map(|id| id.as_bytes().as_slice())),
            &row.version.to_be_bytes(),
            &optional(row.nonce.as_deref()),
            &optional(row.ciphertext.as_deref()),
        ])
    });
    digest(b"berth-git-credentials/1", rows.collect())
}

/// A part of what a scope's key holds.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Workspace(&'a [SealedVariable]),
    Variables(&'a [ScopeVariableRow]),
    Git(&'a [GitCredentialRow]),
}

/// Whether these rows are what was bound into the key. A key of before, into which nothing was bound, says nothing about them; the
/// key itself has to open besides, since what stands beside it proves nothing.
pub fn check(key: &DataKey, part: Part<'_>) -> Result<(), CryptoError> {
    let Some(bound) = key.contents.as_deref() else { return Ok(()) };
    let (place, found) = match part {
        Part::Workspace(rows) => (bound, of_workspace(rows)),
        Part::Variables(rows) => {
            (bound.get(..SHA256_OUTPUT_LEN).unwrap_or_default(), of_variables(rows).to_vec())
        }
        Part::Git(rows) => (bound.get(SHA256_OUTPUT_LEN..).unwrap_or_default(), of_git(rows).to_vec()),
    };
    if place == found { Ok(()) } else { Err(CryptoError::Contents) }
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
            assert_ne!(of_git(&[row]), of_git(&[git()]));
        }
        assert_ne!(of_git(&[]), of_git(&[git()]));
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
