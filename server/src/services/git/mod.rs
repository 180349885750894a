//! Credentials of Git hosts: set, listed, deleted; and issued into workspaces.

mod issue;
mod source;

pub use issue::{Issued, issue};
pub use source::{Credential, GitCredentialSource, Holder, SignedToken, Signer, StoredToken};

use berth_db::GitCredentialRow;
use berth_schema::FieldError;
use berth_schema::api::Paged;
use berth_schema::git::{
    DEFAULT_USERNAME, GitCredential, GitHost, GitMethod, MAX_TOKEN, SetGitCredential,
};
use berth_schema::scope::{Scope, Secret};
use berth_schema::variables::SecretValue;
use tracing::info;

use crate::crypto::{GIT, Label};
use crate::http::identity::Administrator;
use crate::services::variables::data_key;
use crate::{Context, Error, clock};

/// What a form asks for, found right.
enum Wanted {
    Token(SecretValue),
    Signed { audience: String },
}

/// Sets where a host's credential comes from. Running workspaces get it with their next renewal.
pub async fn set(
    context: &Context,
    administrator: &Administrator,
    host: &str,
    form: SetGitCredential,
) -> Result<GitCredential, Error> {
    let (host, username, wanted) = check(context, host, form).map_err(Error::Invalid)?;
    let organization = administrator.organization;
    let now = clock::now();
    let row = context
        .database
        .transaction(organization, "set_git_credential", async |conn| {
            let credentials = conn.git_credentials();
            let before = credentials.list().await?;
            let version = before.iter().find(|row| row.host == host).map_or(1, |row| row.version + 1);
            let mut row = GitCredentialRow {
                host: host.clone(),
                username: username.clone(),
                audience: None,
                data_key_id: None,
                version,
                nonce: None,
                ciphertext: None,
                updated_at: now,
            };
            match &wanted {
                Wanted::Signed { audience } => row.audience = Some(audience.clone()),
                Wanted::Token(token) => {
                    let key = data_key(context, organization, &conn.scope_variables(Scope::Organization)).await?;
                    let label = Label { name: host.as_str(), kind: GIT, version };
                    let sealed = key.seal(label, token, context.random.as_ref()).map_err(Error::internal)?;
                    row.data_key_id = Some(key.id());
                    row.nonce = Some(sealed.nonce.to_vec());
                    row.ciphertext = Some(sealed.ciphertext);
                }
            }
            credentials.put(&row).await?;
            Ok::<_, Error>(row)
        })
        .await?;
    let shown = show(row);
    info!(host = %shown.host, method = shown.method.as_str(), "git credential set");
    Ok(shown)
}

fn check(
    context: &Context,
    host: &str,
    form: SetGitCredential,
) -> Result<(GitHost, String, Wanted), Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: String| errors.push(FieldError::new(field, message));
    let host = host.parse::<GitHost>().map_err(|error| wrong("host", error.to_string())).ok();
    let username = form.username.unwrap_or_else(|| DEFAULT_USERNAME.to_owned());
    let printable = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !printable(&username, 200) {
        wrong("username", "must be 1 to 200 printable ASCII characters without spaces".to_owned());
    }
    let wanted = match (form.token, form.audience) {
        (Some(Secret(token)), None) if printable(&token, MAX_TOKEN) => {
            Some(Wanted::Token(SecretValue::new(token.as_bytes().to_vec())))
        }
        (Some(_), None) => {
            wrong("token", format!("must be 1 to {MAX_TOKEN} printable ASCII characters without spaces"));
            None
        }
        (None, Some(_)) if context.signer.is_none() => {
            wrong("audience", "this server has no signing key: it is started without --signing-key-file".to_owned());
            None
        }
        (None, Some(audience)) if printable(&audience, 500) => Some(Wanted::Signed { audience }),
        (None, Some(_)) => {
            wrong("audience", "must be 1 to 500 printable ASCII characters without spaces".to_owned());
            None
        }
        (None, None) => {
            wrong("token", "one of 'token' and 'audience' is needed".to_owned());
            None
        }
        (Some(_), Some(_)) => {
            wrong("audience", "cannot be given together with 'token'".to_owned());
            None
        }
    };
    match (host, wanted) {
        (Some(host), Some(wanted)) if errors.is_empty() => Ok((host, username, wanted)),
        _ => Err(errors),
    }
}

pub async fn list(context: &Context, administrator: &Administrator) -> Result<Paged<GitCredential>, Error> {
    let rows = context
        .database
        .read(administrator.organization, "list_git_credentials", async |conn| {
            conn.git_credentials().list().await
        })
        .await?;
    Ok(Paged { items: rows.into_iter().map(show).collect(), next: None })
}

/// Running workspaces lose it with their next renewal.
pub async fn delete(
    context: &Context,
    administrator: &Administrator,
    host: &str,
) -> Result<GitCredential, Error> {
    let missing = || Error::NotFound("git credential");
    let host: GitHost = host.parse().map_err(|_| missing())?;
    let deleted = context
        .database
        .transaction(administrator.organization, "delete_git_credential", async |conn| {
            conn.git_credentials().delete(&host).await
        })
        .await?;
    let row = deleted.ok_or_else(missing)?;
    info!(%host, "git credential deleted");
    Ok(show(row))
}

fn show(row: GitCredentialRow) -> GitCredential {
    let method = if row.audience.is_some() { GitMethod::Jwt } else { GitMethod::Token };
    GitCredential {
        host: row.host,
        method,
        username: row.username,
        audience: row.audience,
        updated_at: row.updated_at,
    }
}
