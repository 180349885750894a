//! Signing in by an organisation's identity provider (OpenID Connect): the way there, the way back, and out again. See decision 0060.
//!
//! A browser that is sent away keeps one secret; state, nonce and verifier are made of it, so that only this browser can come back,
//! and a dump of the database lets nobody.

mod begin;
mod finish;
mod logout;

pub use begin::{Begun, Listed, begin, listed};
pub use finish::{Returned, finish};
pub use logout::{backchannel, sign_out_at};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_db::{Acting, IdentityProviderRow, OrganizationConn, Reach};
use berth_schema::audit::{Internal as Kind, Resource, What, Who};
use berth_schema::identity_providers::ProviderSettings;
use berth_schema::token::SECRET_BYTES;
use berth_schema::{IdentityProviderId, ResourceKind};
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use super::tokens::random_secret;
use crate::denials::{Denial, Whose};
use crate::identity::Origin;
use crate::{Context, Error};

/// How somebody has signed in, on record and in their list of sessions.
pub(in crate::services) const METHOD: &str = "openid";
/// How long a person may take at their provider.
pub(crate) const ATTEMPT_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// What the browser keeps of an attempt, and everything that is made of it.
pub struct AttemptSecret(Zeroizing<String>);

impl std::fmt::Debug for AttemptSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AttemptSecret")
    }
}

impl AttemptSecret {
    fn draw(random: &dyn SecureRandom) -> Result<Self, Error> {
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*random_secret(random)?))))
    }

    /// As a cookie holds it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).ok()?;
        (bytes.len() == SECRET_BYTES).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// 43 characters, from which nothing else of the attempt follows.
    fn derive(&self, purpose: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, purpose.as_bytes()))
    }

    /// Comes back from the provider: a stranger's answer does not fit.
    fn state(&self) -> String {
        self.derive("berth-openid-state/1")
    }

    /// Stands in the ID token: a token of another request does not fit.
    fn nonce(&self) -> String {
        self.derive("berth-openid-nonce/1")
    }

    /// Shown with the code (RFC 7636): a stolen code is of no use.
    fn verifier(&self) -> String {
        self.derive("berth-openid-verifier/1")
    }
}

/// A provider whose rules this version can follow.
struct Provider {
    row: IdentityProviderRow,
    settings: ProviderSettings,
}

impl Provider {
    /// # Errors
    /// Where there is none of that id.
    async fn find(context: &Context, id: IdentityProviderId) -> Result<Self, Error> {
        let find =
            async |conn: &OrganizationConn<'_>| conn.identity_providers().find(id).await.map_err(Error::from);
        let row = context.database.read(Reach::installation(), "find_identity_provider", find).await?;
        let row = row.ok_or_else(|| Error::missing(ResourceKind::IdentityProvider, &id))?;
        let settings = row.settings.clone();
        let settings = settings.ok_or_else(|| Error::internal("a later version has set this provider"))?;
        Ok(Self { row, settings })
    }

    /// Puts on the organisation's record that somebody was not let in, or that a provider's message was not believed.
    async fn note_denial(
        &self,
        context: &Context,
        (kind, reason): (Kind, &str),
        (origin, now): (Origin, Timestamp),
    ) {
        let provider = self.row.id;
        let denial = Denial {
            whose: Whose::Organization(self.row.organization_id),
            who: Acting::Known(Who::Provider { provider }),
            action: What::Internal(kind),
            reason: reason.to_owned().into(),
            resource: Some(Resource::identity_provider(provider)),
            origin,
        };
        context.denials.note(context, denial, now).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    #[test]
    fn what_is_made_of_a_secret_is_its_own_and_tells_nothing_of_the_rest() {
        let random = SystemRandom::new();
        let (one, other) =
            (AttemptSecret::draw(&random).expect("one"), AttemptSecret::draw(&random).expect("other"));
        let all = [&one, &other].map(|secret| [secret.state(), secret.nonce(), secret.verifier()]).concat();
        let unique: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(unique.len(), 6);
        assert!(all.iter().all(|text| text.len() == 43));
        let again = AttemptSecret::parse(one.expose()).expect("the same");
        assert_eq!(again.state(), one.state());
        for none in ["", "AAAA", &one.expose()[1..], &format!("{}A", one.expose()), "!"] {
            assert!(AttemptSecret::parse(none).is_none(), "{none}");
        }
        assert!(!format!("{one:?}").contains(one.expose()));
    }
}
