//! What signs this installation's tokens, and says whether a token is one of them.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use berth_issuer::{
    Audience, Claims, Expected, Jwks, Kind, Rejected, Signed, SigningError, SigningKey, SigningKeys,
    VerifyingKeys,
};
use berth_schema::{AccountId, OrganizationId, SessionId, SubjectId, TokenId};
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
    /// How else servers of the installation are or were called.
    names: Vec<String>,
}

/// Below it, an organisation's address is the audience of its access tokens.
const ORGANIZATIONS: &str = "/api/v1/organizations/";

/// Which access token of an organisation one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Personal {
    pub organization: OrganizationId,
    /// Whose it is.
    pub subject: SubjectId,
    /// The row that it hangs on.
    pub token: TokenId,
    /// Of this one secret: a rotation makes another.
    pub id: Uuid,
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
        Self { name: name.into(), ring: RwLock::new(Arc::new(Ring::of(Vec::new(), Vec::new()))) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on these sign and verify, the first signs; and access tokens are believed that were issued under one of these names.
    pub fn take_up(&self, keys: Vec<Arc<SigningKey>>, names: Vec<String>) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ring::of(keys, names));
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
        self.ring().signing.sign(kind, claims).map(|signed| signed.token)
    }

    /// An access token that ends then, to the second above.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_personal(
        &self,
        of: Personal,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Signed, SigningError> {
        let begun = i64::from(until.subsec_nanosecond() > 0);
        let claims = Claims {
            iss: self.name.to_string(),
            sub: format!("subject/{}", of.subject),
            aud: format!("{}{ORGANIZATIONS}{}", self.name, of.organization),
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: until.as_second().saturating_add(begun),
            jti: of.id.to_string(),
            sid: Some(of.token.to_string()),
        };
        self.ring().signing.sign(Kind::Personal, &claims)
    }

    /// Which access token that is, by its signature and what it says.
    ///
    /// # Errors
    /// Why it is none of ours.
    pub fn personal(&self, token: &str, now: Timestamp) -> Result<Personal, Rejected> {
        let ring = self.ring();
        let issuers: Vec<&str> =
            std::iter::once(self.name()).chain(ring.names.iter().map(String::as_str)).collect();
        let expected = Expected {
            kind: Kind::Personal,
            issuers: &issuers,
            audience: Audience::Below(ORGANIZATIONS),
            now: now.as_second(),
        };
        let claims = ring.verifying.verify(token, expected)?;
        let personal = || {
            Some(Personal {
                organization: one_text(claims.is_for_below(ORGANIZATIONS)?)?,
                subject: one_text(claims.sub.strip_prefix("subject/")?)?,
                token: one_text(claims.sid.as_deref()?)?,
                id: one_text(&claims.jti)?,
            })
        };
        personal().ok_or(Rejected::Claims)
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
        let claims = self.claims((kind, &self.audience(kind)), token, now)?;
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
        let audience = Audience::Exactly(audience);
        let expected = Expected { kind, issuers: &[&self.name], audience, now: now.as_second() };
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
    fn of(keys: Vec<Arc<SigningKey>>, names: Vec<String>) -> Self {
        let opened = keys.iter().map(|key| (key.kid().to_owned(), Arc::clone(key))).collect();
        let signing = SigningKeys::new(keys);
        Self { verifying: signing.verifying(), signing, opened, names }
    }
}

/// An id as we write it, and no other way.
fn one_text<T: FromStr + Display>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|id| id.to_string() == text)
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
        ours.take_up(keys.clone(), Vec::new());
        other.take_up(keys, Vec::new());
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
        issuer.take_up(vec![Arc::clone(&old)], Vec::new());
        let token = issuer.sign_for(Kind::Access, bearer, times).expect("signed");
        issuer.take_up(vec![Arc::clone(&new), Arc::clone(&old)], Vec::new());
        assert!(issuer.verify(Kind::Access, &token, now()).is_ok());
        assert!(issuer.opened(old.kid()).is_some());
        issuer.take_up(vec![new], Vec::new());
        assert_eq!(issuer.verify(Kind::Access, &token, now()), Err(Rejected::Key));
    }

    fn personal() -> Personal {
        Personal {
            organization: OrganizationId::random(),
            subject: SubjectId::random(),
            token: TokenId::random(),
            id: Uuid::new_v4(),
        }
    }

    #[test]
    fn an_access_token_is_of_its_organisation_until_it_ends_and_opens_nothing_of_a_login() {
        let issuer = Issuer::new("https://a.example");
        issuer.take_up(vec![key()], Vec::new());
        let (of, until) = (personal(), now() + SignedDuration::from_hours(24));
        let signed = issuer.sign_personal(of, (now(), until)).expect("signed");
        assert!(issuer.opened(&signed.kid).is_some());
        assert_eq!(issuer.personal(&signed.token, now()), Ok(of));
        assert_eq!(issuer.personal(&signed.token, until + ACCESS_LIFE), Err(Rejected::Expired));
        for kind in [Kind::Access, Kind::Refresh] {
            assert_eq!(issuer.verify(kind, &signed.token, now()), Err(Rejected::Kind));
        }
        // A token that ends within the second it was made in is one.
        let brief =
            issuer.sign_personal(of, (now(), now() + SignedDuration::from_millis(1))).expect("signed");
        assert_eq!(issuer.personal(&brief.token, now()), Ok(of));
    }

    #[test]
    fn an_access_token_goes_on_when_the_installation_is_called_otherwise() {
        let (before, now_called) = (Issuer::new("https://a.example"), Issuer::new("https://b.example"));
        let keys = vec![key()];
        before.take_up(keys.clone(), Vec::new());
        let of = personal();
        let token = before.sign_personal(of, (now(), now() + ACCESS_LIFE)).expect("signed").token;
        now_called.take_up(keys.clone(), Vec::new());
        assert_eq!(now_called.personal(&token, now()), Err(Rejected::Issuer));
        now_called.take_up(keys, vec!["https://a.example".to_owned()]);
        assert_eq!(now_called.personal(&token, now()), Ok(of));
        // Logins end with the name.
        let bearer =
            Bearer { account: AccountId::random(), session: SessionId::random(), id: Uuid::new_v4() };
        let login = before.sign_for(Kind::Access, bearer, (now(), now() + ACCESS_LIFE)).expect("signed");
        assert_eq!(now_called.verify(Kind::Access, &login, now()), Err(Rejected::Issuer));
    }

    #[test]
    fn an_access_token_names_everything_in_one_way() {
        let issuer = Issuer::new("https://a.example");
        issuer.take_up(vec![key()], Vec::new());
        let of = personal();
        let good = Claims {
            iss: "https://a.example".to_owned(),
            sub: format!("subject/{}", of.subject),
            aud: format!("https://a.example/api/v1/organizations/{}", of.organization),
            iat: now().as_second(),
            nbf: now().as_second(),
            exp: now().as_second() + 60,
            jti: of.id.to_string(),
            sid: Some(of.token.to_string()),
        };
        let read = |claims: &Claims| {
            let token = issuer.sign(Kind::Personal, claims).expect("signed");
            issuer.personal(&token, now())
        };
        assert_eq!(read(&good), Ok(of));
        let simple = of.organization.as_uuid().simple();
        for wrong in [
            Claims { sub: of.subject.to_string(), ..good.clone() },
            Claims { sub: format!("account/{}", of.subject), ..good.clone() },
            Claims { sub: format!("subject/{}", of.subject.as_uuid().simple()), ..good.clone() },
            Claims { aud: "https://a.example/api/v1/organizations/acme".to_owned(), ..good.clone() },
            Claims { aud: format!("https://a.example/api/v1/organizations/{simple}"), ..good.clone() },
            Claims { jti: "1".to_owned(), ..good.clone() },
            Claims { sid: None, ..good.clone() },
            Claims { sid: Some("x".to_owned()), ..good.clone() },
        ] {
            assert_eq!(read(&wrong), Err(Rejected::Claims), "{wrong:?}");
        }
        let elsewhere = Claims { aud: "https://a.example/api/v1".to_owned(), ..good };
        assert_eq!(read(&elsewhere), Err(Rejected::Audience));
    }
}
