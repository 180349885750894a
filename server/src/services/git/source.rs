//! Where a credential for a Git host comes from.

use berth_db::GitCredentialRow;
use berth_schema::variables::SecretValue;
use berth_schema::{OrganizationId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SecureRandom;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::{CryptoError, DataKey, GIT, Label, SealedValue, SigningKeys};

/// Who a credential is for.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    pub organization: OrganizationId,
    pub workspace: WorkspaceId,
}

/// What git needs to log in.
#[derive(Debug)]
pub struct Credential {
    pub username: String,
    pub password: SecretValue,
    /// `None`: it does not expire that we know of.
    pub expires_at: Option<Timestamp>,
}

/// Gives credentials for one Git host.
pub trait GitCredentialSource {
    fn issue(&self, holder: Holder, now: Timestamp) -> Result<Credential, CryptoError>;
}

/// A token that somebody stored.
#[derive(Debug)]
pub struct StoredToken<'a> {
    pub row: &'a GitCredentialRow,
    pub key: Option<&'a DataKey>,
}

impl GitCredentialSource for StoredToken<'_> {
    fn issue(&self, _holder: Holder, _now: Timestamp) -> Result<Credential, CryptoError> {
        let key = self.key.filter(|key| Some(key.id()) == self.row.data_key_id).ok_or(CryptoError::DataKey)?;
        let label = Label { name: self.row.host.as_str(), kind: GIT, version: self.row.version };
        let nonce = self.row.nonce.as_deref().and_then(|nonce| nonce.try_into().ok());
        let (nonce, ciphertext) = nonce.zip(self.row.ciphertext.clone()).ok_or(CryptoError::Value)?;
        let password = key.open(label, &SealedValue { nonce, ciphertext })?;
        Ok(Credential { username: self.row.username.clone(), password, expires_at: None })
    }
}

/// How signed tokens are made.
#[derive(Debug)]
pub struct Signer {
    pub keys: SigningKeys,
    /// Who signs, as Git hosts know it.
    pub issuer: String,
    /// How long a token lives.
    pub lifetime: SignedDuration,
}

/// A token of minutes that the server signs itself, for a host that trusts its published keys.
pub struct SignedToken<'a> {
    pub row: &'a GitCredentialRow,
    pub signer: Option<&'a Signer>,
    pub random: &'a dyn SecureRandom,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

impl GitCredentialSource for SignedToken<'_> {
    fn issue(&self, holder: Holder, now: Timestamp) -> Result<Credential, CryptoError> {
        let signer = self.signer.ok_or(CryptoError::NoSigningKey)?;
        let expires_at = now.checked_add(signer.lifetime).map_err(|_| CryptoError::Cipher)?;
        let mut id = [0; 16];
        self.random.fill(&mut id).map_err(|_| CryptoError::Random)?;
        let claims = Claims {
            iss: &signer.issuer,
            sub: format!("organization/{}/workspace/{}", holder.organization, holder.workspace),
            aud: self.row.audience.as_deref().unwrap_or_default(),
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: expires_at.as_second(),
            jti: uuid::Uuid::from_bytes(id).to_string(),
        };
        let token: Zeroizing<String> = signer.keys.sign(&claims)?;
        let password = SecretValue::new(token.as_bytes().to_vec());
        Ok(Credential { username: self.row.username.clone(), password, expires_at: Some(expires_at) })
    }
}
