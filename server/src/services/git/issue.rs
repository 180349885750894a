//! What a workspace gets of its organisation's Git hosts, each time its variables are sent.

use berth_db::{GitCredentialRow, OrganizationConn};
use berth_schema::kubernetes::GIT_CREDENTIAL_HELPER;
use berth_schema::scope::Scope;
use berth_schema::variables::{SecretValue, VariableBundle};
use jiff::{SignedDuration, Timestamp};
use tracing::error;
use zeroize::Zeroizing;

use super::source::{Credential, GitCredentialSource, Holder, SignedToken, StoredToken};
use crate::crypto::{CryptoError, DataKey, Owner};
use crate::{Context, Error};

/// How often a workspace asks again even if nothing of it expires: that is how it hears of hosts that were set or deleted.
const RENEWAL: SignedDuration = SignedDuration::from_mins(30);

/// The organisation's hosts, ready to issue for any of its workspaces.
#[derive(Debug)]
pub struct Issued<'a> {
    context: &'a Context,
    rows: Vec<GitCredentialRow>,
    key: Option<DataKey>,
}

/// Loads the hosts of the organisation.
pub async fn issue<'a>(
    context: &'a Context,
    conn: &OrganizationConn<'_>,
) -> Result<Issued<'a>, Error> {
    let rows = conn.git_credentials().list().await?;
    let mut key = None;
    if rows.iter().any(|row| row.ciphertext.is_some())
        && let Some(wrapped) = conn.scope_variables(Scope::Organization).data_key().await?
    {
        let owner = Owner::of_organization(conn.organization());
        // Without the key its hosts are left out, and the log says so for each.
        key = DataKey::unwrap(&context.keys.current(), owner, &wrapped).ok();
    }
    Ok(Issued { context, rows, key })
}

impl Issued<'_> {
    /// Adds to a workspace's variables what git needs: the helper, who commits, and a file for each host. A host whose
    /// credential cannot be had is left out: it stops no workspace.
    pub fn add_to(&self, bundle: &mut VariableBundle, holder: Holder, now: Timestamp) {
        let mut renew_at = now + RENEWAL;
        for row in &self.rows {
            match self.credential(row, holder, now) {
                Ok(credential) => {
                    if let Some(expires_at) = credential.expires_at {
                        // Half of its life is left for the way into the pod, and for trying again.
                        let half = expires_at.duration_since(now) / 2;
                        renew_at = renew_at.min(now + half);
                    }
                    bundle.files.insert(row.host.file_name(), file(&credential));
                }
                Err(cause) => error!(host = %row.host, %cause, "no git credential for a workspace"),
            }
        }
        configure(bundle);
        bundle.renew_at = Some(renew_at);
    }

    fn credential(
        &self,
        row: &GitCredentialRow,
        holder: Holder,
        now: Timestamp,
    ) -> Result<Credential, CryptoError> {
        let Context { signer, random, .. } = self.context;
        let stored = StoredToken { row, key: self.key.as_ref() };
        let signed = SignedToken { row, signer: signer.as_deref(), random: random.as_ref() };
        let source: &dyn GitCredentialSource = if row.audience.is_some() { &signed } else { &stored };
        source.issue(holder, now)
    }
}

/// As git's credential protocol has it; the helper passes it on.
fn file(credential: &Credential) -> SecretValue {
    let mut text = Zeroizing::new(Vec::with_capacity(64 + credential.username.len() + credential.password.expose().len()));
    text.extend_from_slice(b"username=");
    text.extend_from_slice(credential.username.as_bytes());
    text.extend_from_slice(b"\npassword=");
    text.extend_from_slice(credential.password.expose());
    if let Some(expires_at) = credential.expires_at {
        text.extend_from_slice(format!("\npassword_expiry_utc={}", expires_at.as_second()).as_bytes());
    }
    text.push(b'\n');
    SecretValue::new(std::mem::take(&mut *text))
}

/// Git's configuration by environment: it needs no file in an image that is not ours.
fn configure(bundle: &mut VariableBundle) {
    let helper = SecretValue::new(GIT_CREDENTIAL_HELPER.as_bytes().to_vec());
    let mut settings = vec![("credential.helper", helper)];
    for (variable, setting) in [(USER_NAME, "user.name"), (USER_EMAIL, "user.email")] {
        if let Some(value) = bundle.environment.remove(variable) {
            settings.push((setting, value));
        }
    }
    let mut set = |name: String, value| bundle.environment.insert(name, value);
    set("GIT_CONFIG_COUNT".to_owned(), SecretValue::new(settings.len().to_string().into_bytes()));
    for (number, (setting, value)) in settings.into_iter().enumerate() {
        set(format!("GIT_CONFIG_KEY_{number}"), SecretValue::new(setting.as_bytes().to_vec()));
        set(format!("GIT_CONFIG_VALUE_{number}"), value);
    }
}

/// Variables of a workspace that become settings of git.
pub(crate) const USER_NAME: &str = "BERTH_GIT_USER_NAME";
pub(crate) const USER_EMAIL: &str = "BERTH_GIT_USER_EMAIL";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &SecretValue) -> String {
        String::from_utf8_lossy(value.expose()).into_owned()
    }

    #[test]
    fn git_is_told_of_the_helper_and_of_who_commits() {
        let mut bundle = VariableBundle::default();
        bundle.environment.insert(USER_NAME.to_owned(), SecretValue::new("Ünal \"U\"".as_bytes().to_vec()));
        bundle.environment.insert(USER_EMAIL.to_owned(), SecretValue::new(b"u@example.com".to_vec()));
        configure(&mut bundle);
        let seen: Vec<_> = bundle.environment.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        let expected = [
            ("GIT_CONFIG_COUNT", "3"),
            ("GIT_CONFIG_KEY_0", "credential.helper"),
            ("GIT_CONFIG_KEY_1", "user.name"),
            ("GIT_CONFIG_KEY_2", "user.email"),
            ("GIT_CONFIG_VALUE_0", GIT_CREDENTIAL_HELPER),
            ("GIT_CONFIG_VALUE_1", "Ünal \"U\""),
            ("GIT_CONFIG_VALUE_2", "u@example.com"),
        ];
        assert_eq!(seen, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_credential_is_written_as_git_reads_it() {
        let credential = |expires_at| Credential {
            username: "berth".to_owned(),
            password: SecretValue::new(b"t0ken".to_vec()),
            expires_at,
        };
        assert_eq!(text(&file(&credential(None))), "username=berth\npassword=t0ken\n");
        let expires = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(90);
        let expected = "username=berth\npassword=t0ken\npassword_expiry_utc=90\n";
        assert_eq!(text(&file(&credential(Some(expires)))), expected);
    }
}
