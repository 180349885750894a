//! Making and checking tokens. Only SHA-256 hashes of them are kept.

use berth_db::NewToken;
use berth_schema::access::{Role, TokenScope};
use berth_schema::token::SECRET_BYTES;
use berth_schema::{AccessToken, AgentId, AgentToken, OrganizationId, TokenId};
use jiff::Timestamp;
use ring::digest;
use ring::rand::SecureRandom;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::Error;

/// What is stored of a token's text. A fast hash is enough: the text holds 256 random bits.
pub fn hash(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

/// Whether two hashes are one, in a time that does not tell how much of them is.
pub fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}

/// A new access token with every right, and what to store of it.
pub fn new_access_token(
    organization: OrganizationId,
    name: &str,
    expires_at: Option<Timestamp>,
    random: &dyn SecureRandom,
) -> Result<(AccessToken, NewToken), Error> {
    let token = access_token_of(organization, TokenId::random(), random)?;
    let stored = NewToken {
        id: token.token_id(),
        name: name.to_owned(),
        scope: TokenScope::Full,
        created_by: None,
        subject: None,
        role: Role::Owner,
        secret_hash: hash(token.expose()),
        expires_at,
    };
    Ok((token, stored))
}

/// A new secret of an access token.
pub fn access_token_of(
    organization: OrganizationId,
    id: TokenId,
    random: &dyn SecureRandom,
) -> Result<AccessToken, Error> {
    Ok(AccessToken::new(organization, id, &*random_secret(random)?))
}

pub fn new_agent_token(
    organization: OrganizationId,
    agent: AgentId,
    random: &dyn SecureRandom,
) -> Result<AgentToken, Error> {
    Ok(AgentToken::new(organization, agent, &*random_secret(random)?))
}

pub(super) fn random_secret(random: &dyn SecureRandom) -> Result<Zeroizing<[u8; SECRET_BYTES]>, Error> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    random
        .fill(secret.as_mut())
        .map_err(|_| Error::internal("no random numbers can be had from the system"))?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_its_own_hash_alone() {
        let random = ring::rand::SystemRandom::new();
        let organization = OrganizationId::random();
        let (token, stored) = new_access_token(organization, "a", None, &random).expect("a token");
        let (other, _) = new_access_token(organization, "b", None, &random).expect("another");
        assert!(same(&hash(token.expose()), &stored.secret_hash));
        assert!(!same(&hash(other.expose()), &stored.secret_hash));
        assert_eq!(token.token_id(), stored.id);
    }
}
