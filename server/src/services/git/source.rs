//! Where a credential for a Git host comes from.

use std::fmt;
use std::sync::Arc;

use berth_db::GitCredentialRow;
use berth_issuer::{Claims, Kind};
use berth_schema::git::token_audience;
use berth_schema::scope::ScopeId;
use berth_schema::variables::SecretValue;
use berth_schema::{OrganizationId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SecureRandom;
use uuid::Builder;

use crate::crypto::{CryptoError, DataKey, GIT_TOKEN, Label, SealedValue};
use crate::issuer::Issuer;

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
    /// From now on; `None`: it does not expire that we know of.
    pub lifetime: Option<SignedDuration>,
}

/// Gives credentials for one Git host.
pub trait GitCredentialSource {
    fn issue(&self, holder: Holder, now: Timestamp) -> Result<Credential, CryptoError>;
}

/// A token that somebody stored.
#[derive(Debug)]
pub struct StoredToken<'a> {
    pub row: &'a GitCredentialRow,
    pub key: &'a Result<DataKey, CryptoError>,
}

impl GitCredentialSource for StoredToken<'_> {
    fn issue(&self, _holder: Holder, _now: Timestamp) -> Result<Credential, CryptoError> {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        if Some(key.id()) != self.row.data_key_id {
            return Err(CryptoError::DataKey);
        }
        let label = Label { name: self.row.host.as_str(), kind: GIT_TOKEN, version: self.row.version };
        let nonce = self.row.nonce.as_deref().and_then(|nonce| nonce.try_into().ok());
        let (nonce, ciphertext) = nonce.zip(self.row.ciphertext.clone()).ok_or(CryptoError::Value)?;
        let password = key.open(label, &SealedValue { nonce, ciphertext })?;
        Ok(Credential { username: self.row.username.clone(), password, lifetime: None })
    }
}

/// How signed tokens are made.
#[derive(Debug)]
pub struct Signer {
    pub issuer: Arc<Issuer>,
    /// How long a token lives.
    pub lifetime: SignedDuration,
}

/// A token of minutes that the server signs itself, for a host that trusts its published keys.
pub struct SignedToken<'a> {
    pub username: &'a str,
    /// What was set, without the organisation.
    pub audience: &'a str,
    /// Who has set it.
    pub of: ScopeId,
    pub signer: Option<&'a Signer>,
    pub random: &'a dyn SecureRandom,
}

impl fmt::Debug for SignedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedToken").field("audience", &self.audience).finish_non_exhaustive()
    }
}

/// The host's clock may be behind the server's.
const LEEWAY: i64 = 30;

impl GitCredentialSource for SignedToken<'_> {
    fn issue(&self, holder: Holder, now: Timestamp) -> Result<Credential, CryptoError> {
        let signer = self.signer.ok_or(CryptoError::NoIssuer)?;
        let mut id = [0; 16];
        self.random.fill(&mut id).map_err(|_| CryptoError::Random)?;
        let seconds = now.as_second();
        let claims = Claims {
            iss: signer.issuer.name().to_owned(),
            sub: format!("organization/{}/workspace/{}", holder.organization, holder.workspace),
            aud: token_audience(self.audience, holder.organization, self.of),
            iat: seconds,
            nbf: seconds.saturating_sub(LEEWAY),
            exp: seconds.saturating_add(signer.lifetime.as_secs()),
            jti: Builder::from_random_bytes(id).into_uuid().to_string(),
            sid: None,
        };
        let token = signer.issuer.sign(Kind::Git, &claims)?;
        let password = SecretValue::new(token.as_bytes().to_vec());
        Ok(Credential { username: self.username.to_owned(), password, lifetime: Some(signer.lifetime) })
    }
}
