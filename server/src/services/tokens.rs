//! Making and checking tokens. Only SHA-256 hashes of them are kept.

use berth_db::{Holder, NewToken};
use berth_schema::access::{Role, TokenScope};
use berth_schema::token::SECRET_BYTES;
use berth_schema::{AccessToken, AgentId, AgentToken, OrganizationId, SubjectId, TokenId};
use jiff::Timestamp;
use ring::digest;
use ring::rand::SecureRandom;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Error;
use crate::issuer::{Issuer, Personal};

/// What is stored of a token's text. A fast hash is enough: the text holds 256 random bits, or a signature and an id of 122.
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
///
/// # Errors
/// Where nothing can be signed.
pub fn new_access_token(
    issuer: &Issuer,
    (organization, holder): (OrganizationId, Holder),
    name: &str,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<(AccessToken, NewToken), Error> {
    let id = TokenId::random();
    let whose = (organization, holder.id(), id);
    let (token, signed_by) = access_token_of(issuer, whose, (now, expires_at))?;
    let stored = NewToken {
        id,
        name: name.to_owned(),
        scope: TokenScope::Full,
        created_by: None,
        subject: holder,
        role: Role::Owner,
        secret_hash: hash(token.expose()),
        signed_by: Some(signed_by),
        expires_at: Some(expires_at),
    };
    Ok((token, stored))
}

/// A new secret of an access token, and which key signed it.
///
/// # Errors
/// Where nothing can be signed.
pub fn access_token_of(
    issuer: &Issuer,
    (organization, subject, token): (OrganizationId, SubjectId, TokenId),
    times: (Timestamp, Timestamp),
) -> Result<(AccessToken, String), Error> {
    let of = Personal { organization, subject, token, id: Uuid::new_v4() };
    let signed = issuer.sign_personal(of, times).map_err(Error::internal)?;
    Ok((AccessToken::signed(organization, token, signed.token), signed.kid))
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
    use berth_issuer::SigningKey;
    use jiff::SignedDuration;
    use std::sync::Arc;

    #[test]
    fn a_token_matches_its_own_hash_alone_and_is_what_its_row_says() {
        let issuer = Issuer::new("https://a.example");
        let key = SigningKey::generate(&ring::rand::SystemRandom::new()).expect("a key").0;
        issuer.take_up(vec![Arc::new(key)], Vec::new());
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let whose = (OrganizationId::random(), Holder::New(SubjectId::random()));
        let until = now + SignedDuration::from_hours(1);
        let (token, stored) = new_access_token(&issuer, whose, "a", (now, until)).expect("a token");
        let (other, _) = new_access_token(&issuer, whose, "a", (now, until)).expect("another");
        assert!(same(&hash(token.expose()), &stored.secret_hash));
        assert!(!same(&hash(other.expose()), &stored.secret_hash));
        let said = issuer.personal(token.expose(), now).expect("ours");
        assert_eq!((said.organization, said.subject, said.token), (whose.0, whose.1.id(), stored.id));
        let read: AccessToken = token.expose().parse().expect("a token");
        assert_eq!((read.organization(), read.token_id()), (token.organization(), token.token_id()));
    }
}
