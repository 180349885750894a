//! What signs this installation's tokens, and says whether a token is one of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use berth_issuer::{
    Claims, Expected, Jwks, Kind, Rejected, SigningError, SigningKey, SigningKeys, VerifyingKeys,
};
use berth_schema::{AccountId, SessionId};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use zeroize::Zeroizing;

/// How long an access token lives. What it hangs on is looked at with every request; this bounds how long a copy of one is worth
/// anything to whoever verifies tokens elsewhere.
pub const ACCESS_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Its keys are in the database, and taken up by a task while the server runs.
pub struct Issuer {
    /// As tokens name it: an origin.
    name: Arc<str>,
    ring: RwLock<Arc<Ring>>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("name", &self.name)
            .field("keys", &self.ring().signing)
            .finish_non_exhaustive()
    }
}

struct Ring {
    /// The first signs.
    signing: SigningKeys,
    verifying: VerifyingKeys,
    opened: BTreeMap<String, Arc<SigningKey>>,
}

/// Whose session a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub account: AccountId,
    pub session: SessionId,
    /// The token's own id.
    pub id: Uuid,
}

impl Issuer {
    /// Without a key, until it is given some.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), ring: RwLock::new(Arc::new(Ring::of(Vec::new()))) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on these sign and verify, the first signs.
    pub fn take_up(&self, keys: Vec<Arc<SigningKey>>) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ring::of(keys));
    }

    /// A key that is in use, by its id: it need not be opened again.
    pub fn opened(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.ring().opened.get(kid).cloned()
    }

    /// The public halves, for everybody.
    pub fn published(&self) -> Jwks {
        self.ring().signing.published()
    }

    /// # Errors
    /// Where there is no key, or no random numbers can be had.
    pub fn sign(&self, kind: Kind, claims: &Claims) -> Result<Zeroizing<String>, SigningError> {
        self.ring().signing.sign(kind, claims)
    }

    /// A token of a session: [`Kind::Access`], or [`Kind::Refresh`] until the session ends.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_for(
        &self,
        kind: Kind,
        bearer: Bearer,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Zeroizing<String>, SigningError> {
        let claims = Claims {
            iss: self.name.to_string(),
            sub: format!("account/{}", bearer.account),
            aud: self.audience(kind),
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: until.as_second(),
            jti: bearer.id.to_string(),
            sid: Some(bearer.session.to_string()),
        };
        self.sign(kind, &claims)
    }

    /// Whose token that is, by its signature and what it says.
    ///
    /// # Errors
    /// Why it is none of ours.
    pub fn verify(&self, kind: Kind, token: &str, now: Timestamp) -> Result<Bearer, Rejected> {
        let audience = self.audience(kind);
        let expected = Expected { kind, issuer: &self.name, audience: &audience, now: now.as_second() };
        let claims = self.ring().verifying.verify(token, expected)?;
        let account = claims.sub.strip_prefix("account/").and_then(|id| id.parse().ok());
        let session = claims.sid.and_then(|id| id.parse().ok());
        let id = claims.jti.parse().ok();
        match (account, session, id) {
            (Some(account), Some(session), Some(id)) => Ok(Bearer { account, session, id }),
            _ => Err(Rejected::Claims),
        }
    }

    /// What a token of that kind says that is for that audience.
    ///
    /// # Errors
    /// Why it is none of ours.
    pub fn claims(
        &self,
        (kind, audience): (Kind, &str),
        token: &str,
        now: Timestamp,
    ) -> Result<Claims, Rejected> {
        let expected = Expected { kind, issuer: &self.name, audience, now: now.as_second() };
        self.ring().verifying.verify(token, expected)
    }

    /// Whom a token of that kind is shown to: one each.
    fn audience(&self, kind: Kind) -> String {
        let path = if kind == Kind::Refresh { "/oauth/token" } else { "/api/v1" };
        format!("{}{path}", self.name)
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn of(keys: Vec<Arc<SigningKey>>) -> Self {
        let opened = keys.iter().map(|key| (key.kid().to_owned(), Arc::clone(key))).collect();
        let signing = SigningKeys::new(keys);
        Self { verifying: signing.verifying(), signing, opened }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    fn key() -> Arc<SigningKey> {
        Arc::new(SigningKey::generate(&SystemRandom::new()).expect("a key").0)
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time")
    }

    #[test]
    fn a_token_of_one_kind_opens_nothing_of_another_and_none_opens_elsewhere() {
        let (ours, other) = (Issuer::new("https://a.example"), Issuer::new("https://b.example"));
        let keys = vec![key()];
        ours.take_up(keys.clone());
        other.take_up(keys);
        let bearer =
            Bearer { account: AccountId::random(), session: SessionId::random(), id: Uuid::new_v4() };
        let times = (now(), now() + ACCESS_LIFE);
        for kind in [Kind::Access, Kind::Refresh] {
            let token = ours.sign_for(kind, bearer, times).expect("signed");
            assert_eq!(ours.verify(kind, &token, now()), Ok(bearer));
            let another = if kind == Kind::Access { Kind::Refresh } else { Kind::Access };
            assert_eq!(ours.verify(another, &token, now()), Err(Rejected::Kind));
            assert_eq!(other.verify(kind, &token, now()), Err(Rejected::Issuer));
            assert_eq!(ours.verify(kind, &token, now() + ACCESS_LIFE * 2), Err(Rejected::Expired));
        }
    }

    #[test]
    fn a_key_that_was_taken_away_signs_and_opens_nothing_more() {
        let issuer = Issuer::new("https://a.example");
        let bearer =
            Bearer { account: AccountId::random(), session: SessionId::random(), id: Uuid::new_v4() };
        let times = (now(), now() + ACCESS_LIFE);
        assert!(issuer.sign_for(Kind::Access, bearer, times).is_err());
        let (old, new) = (key(), key());
        issuer.take_up(vec![Arc::clone(&old)]);
        let token = issuer.sign_for(Kind::Access, bearer, times).expect("signed");
        issuer.take_up(vec![Arc::clone(&new), Arc::clone(&old)]);
        assert!(issuer.verify(Kind::Access, &token, now()).is_ok());
        assert!(issuer.opened(old.kid()).is_some());
        issuer.take_up(vec![new]);
        assert_eq!(issuer.verify(Kind::Access, &token, now()), Err(Rejected::Key));
    }
}
