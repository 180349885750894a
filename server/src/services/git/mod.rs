//! Credentials of Git hosts: set, listed, deleted; and issued into workspaces.

mod issue;
mod nearest;
mod source;

pub use issue::{Issued, Issuer};
pub(super) use nearest::nearest;
pub use source::{Credential, GitCredentialSource, Holder, SignedToken, Signer, StoredToken};

use berth_db::{Changed, GitCredentialRow};
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::git::{
    DEFAULT_USERNAME, GitCredential, GitHost, GitMethod, MAX_AUDIENCE, MAX_HOSTS, MAX_TOKEN, MAX_USERNAME,
    SetGitCredential, token_audience,
};
use berth_schema::scope::{ScopeId, Secret};
use berth_schema::variables::SecretValue;
use berth_schema::{FieldError, OrganizationId, ResourceKind};
use jiff::Timestamp;
use ring::rand::SecureRandom;
use tracing::info;

use crate::crypto::{CryptoError, GIT_TOKEN, Label};
use crate::identity::Member;
use crate::services::scope_key::{ScopeKey, Trust};
use crate::services::scopes;
use crate::{Error, Op};

/// What a form asks for, found right.
struct Checked {
    host: GitHost,
    username: String,
    plain_http: bool,
    wanted: Wanted,
}

enum Wanted {
    Token(SecretValue),
    Signed { audience: String },
}

/// Sets where a host's credential comes from. Workspaces that run get it at once.
pub async fn set(op: &Op<Member>, host: &str, form: SetGitCredential) -> Result<GitCredential, Error> {
    let checked = check(host, form, op.context.signer.is_some()).map_err(Error::Invalid)?;
    let (of, now) = (scopes::asked(op)?, op.now);
    let row = op
        .change("set_git_credential", async |conn| {
            // From here on nobody else changes the list.
            let version = conn.git_credentials().change().await?;
            scopes::around(conn, of).await?;
            let (ring, random) = (op.context.keys.current(), op.context.random.as_ref());
            let scope = ScopeKey::lock(&ring, random, conn, (of, Trust::Bound, now)).await?;
            let row = row(&scope, random, &checked, version, now)?;
            conn.scope_git_credentials(of).put(&row).await?;
            scope.bind(&ring, random, conn).await?;
            let before = scope.git.iter().find(|before| before.host == row.host);
            let details = Details::GitCredentialSet {
                method: method(&row),
                version: row.version,
                replaced: before.map(method),
                of,
            };
            let event = Event::new(told(of, &row.host), details);
            Ok::<_, Error>(Changed::So(row, event))
        })
        .await?;
    info!(on = %told(of, &row.host), of = %of.scope(), method = method(&row).as_str(), "git credential set");
    Ok(show(row, op.organization(), of))
}

/// What is on record and in the log as changed. Where somebody logs in themselves is nobody else's to read.
fn told(of: ScopeId, host: &GitHost) -> Resource {
    match of {
        ScopeId::User(user) => Resource::user(user),
        ScopeId::Organization | ScopeId::Group(_) | ScopeId::Project(_) => Resource::git_credential(host),
    }
}

/// The row as it is to be, with the token sealed to its place.
fn row(
    scope: &ScopeKey,
    random: &dyn SecureRandom,
    checked: &Checked,
    version: i64,
    now: Timestamp,
) -> Result<GitCredentialRow, Error> {
    let before = &scope.git;
    if before.len() >= MAX_HOSTS && !before.iter().any(|row| row.host == checked.host) {
        let message = format!("at most {MAX_HOSTS} Git hosts are allowed; delete one first");
        return Err(Error::field("host", message));
    }
    let mut row = GitCredentialRow {
        host: checked.host.clone(),
        plain_http: checked.plain_http,
        username: checked.username.clone(),
        audience: None,
        data_key_id: None,
        version,
        nonce: None,
        ciphertext: None,
        updated_at: now,
    };
    match &checked.wanted {
        Wanted::Signed { audience } => row.audience = Some(audience.clone()),
        Wanted::Token(token) => {
            let key = &scope.key;
            let label = Label { name: row.host.as_str(), kind: GIT_TOKEN, version };
            let sealed = key.seal(label, token, random).map_err(Error::internal)?;
            row.data_key_id = Some(key.id());
            row.nonce = Some(sealed.nonce.to_vec());
            row.ciphertext = Some(sealed.ciphertext);
        }
    }
    Ok(row)
}

/// The form, or everything that is wrong with it.
fn check(host: &str, form: SetGitCredential, signs: bool) -> Result<Checked, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: String| errors.push(FieldError::new(field, message));
    let printable = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let rule = |most: usize| format!("must be 1 to {most} printable ASCII characters without spaces");
    let host = host.parse::<GitHost>().map_err(|error| wrong("host", error.to_string())).ok();
    let username = form.username.unwrap_or_else(|| DEFAULT_USERNAME.to_owned());
    if !printable(&username, MAX_USERNAME) {
        wrong("username", rule(MAX_USERNAME));
    }
    let wanted = match (form.token, form.audience) {
        (Some(Secret(token)), None) if printable(&token, MAX_TOKEN) => {
            Ok(Wanted::Token(SecretValue::new(token.as_bytes().to_vec())))
        }
        (Some(_), None) => Err(("token", rule(MAX_TOKEN))),
        (None, Some(_)) if !signs => {
            Err(("audience", format!("cannot be signed for: {}", CryptoError::NoIssuer)))
        }
        (None, Some(audience)) if printable(&audience, MAX_AUDIENCE) => Ok(Wanted::Signed { audience }),
        (None, Some(_)) => Err(("audience", rule(MAX_AUDIENCE))),
        (None, None) => Err(("token", "one of 'token' and 'audience' is needed".to_owned())),
        (Some(_), Some(_)) => Err(("audience", "cannot be given together with 'token'".to_owned())),
    };
    let wanted = wanted.map_err(|(field, message)| wrong(field, message)).ok();
    match (host, wanted) {
        (Some(host), Some(wanted)) if errors.is_empty() => {
            Ok(Checked { host, username, plain_http: form.plain_http, wanted })
        }
        _ => Err(errors),
    }
}

pub async fn list(op: &Op<Member>) -> Result<Paged<GitCredential>, Error> {
    let of = scopes::asked(op)?;
    let rows =
        op.read("list_git_credentials", async |conn| conn.scope_git_credentials(of).list().await).await?;
    Ok(Paged { items: rows.into_iter().map(|row| show(row, op.organization(), of)).collect(), next: None })
}

/// Workspaces lose it at once, those that are stopped as well.
pub async fn delete(op: &Op<Member>, host: &str) -> Result<GitCredential, Error> {
    let missing = || Error::missing(ResourceKind::GitCredential, host);
    let parsed: GitHost = host.parse().map_err(|_| missing())?;
    let of = scopes::asked(op)?;
    let row = op
        .change("delete_git_credential", async |conn| {
            conn.git_credentials().change().await?;
            scopes::around(conn, of).await?;
            let (ring, random) = (op.context.keys.current(), op.context.random.as_ref());
            let scope = ScopeKey::lock(&ring, random, conn, (of, Trust::Bound, op.now)).await?;
            let row = conn.scope_git_credentials(of).delete(&parsed).await?.ok_or_else(missing)?;
            scope.bind(&ring, random, conn).await?;
            let details = Details::GitCredentialDeleted { method: method(&row), version: row.version, of };
            let event = Event::new(told(of, &row.host), details);
            Ok::<_, Error>(Changed::So(row, event))
        })
        .await?;
    info!(on = %told(of, &row.host), of = %of.scope(), "git credential deleted");
    Ok(show(row, op.organization(), of))
}

const fn method(row: &GitCredentialRow) -> GitMethod {
    if row.audience.is_some() { GitMethod::Jwt } else { GitMethod::Token }
}

fn show(row: GitCredentialRow, organization: OrganizationId, of: ScopeId) -> GitCredential {
    GitCredential {
        method: method(&row),
        host: row.host,
        username: row.username,
        token_audience: row.audience.as_deref().map(|audience| token_audience(audience, organization, of)),
        audience: row.audience,
        plain_http: row.plain_http,
        updated_at: row.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(host: &str, form: serde_json::Value) -> Vec<String> {
        let form = serde_json::from_value(form).expect("a form");
        let errors = check(host, form, true).err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_server_without_a_key_says_so_before_a_workspace_needs_a_token() {
        let form = serde_json::from_value(serde_json::json!({"audience": "a"})).expect("a form");
        let errors = check("a", form, false).err().expect("wrong");
        assert!(errors[0].field == "audience" && errors[0].message.contains("--issuer"), "{errors:?}");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_no_token_is_repeated() {
        use serde_json::json;
        assert_eq!(fields("git.example.com", json!({"token": "t"})), [""; 0]);
        assert_eq!(fields("git.example.com", json!({"audience": "a"})), [""; 0]);
        assert_eq!(fields("Git/x", json!({"username": "a b"})), ["host", "username", "token"]);
        assert_eq!(fields("a", json!({"token": "t", "audience": "a"})), ["audience"]);
        assert_eq!(fields("a", json!({"audience": ""})), ["audience"]);
        // A line's end would be another line of git's protocol.
        for token in ["hunter2\nprotocol=http", "", "hünter2", &"x".repeat(MAX_TOKEN + 1)] {
            let form = serde_json::from_value(json!({"token": token})).expect("a form");
            let errors = check("a", form, true).err().expect("wrong");
            assert_eq!(errors.len(), 1);
            assert!(!errors[0].message.contains("hunter2") && errors[0].field == "token");
        }
    }
}
