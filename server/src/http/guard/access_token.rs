//! An access token as it is shown: signed, or an opaque one of before.

use berth_db::{SecretHash, TokenRow};
use berth_schema::{OpaqueAccessToken, OrganizationId, SubjectId, TokenId};
use jiff::Timestamp;
use tracing::debug;
use zeroize::Zeroizing;

use super::{is_one_of, refused};
use crate::edge::Admission;
use crate::error::Unproven;
use crate::services::tokens::hash;
use crate::{Context, Error};

/// What somebody shows, and nothing of it is proven.
pub(super) enum AccessToken {
    Signed(Zeroizing<String>),
    Opaque(OpaqueAccessToken),
}

impl AccessToken {
    pub(super) fn expose(&self) -> &str {
        match self {
            Self::Signed(text) => text,
            Self::Opaque(token) => token.expose(),
        }
    }

    /// Which row it belongs to. What is signed is believed by its signature alone, and by nobody before; what is opaque only says where to
    /// look. Nothing is asked of the database.
    pub(super) fn belongs(
        &self,
        context: &Context,
        admission: &Admission,
        now: Timestamp,
    ) -> Result<Belongs, Error> {
        let hash = hash(self.expose());
        match self {
            Self::Opaque(token) => Ok(Belongs {
                organization: token.organization(),
                token: token.token_id(),
                subject: None,
                hash,
            }),
            Self::Signed(text) => {
                let said = context.issuer.personal(text, now).map_err(|rejected| {
                    debug!(%rejected, "a signed access token is not believed");
                    refused(admission, Unproven::UnknownToken)
                })?;
                let subject = Some(said.subject);
                Ok(Belongs { organization: said.organization, token: said.token, subject, hash })
            }
        }
    }
}

/// The row of an access token, and what has to be in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Belongs {
    pub(super) organization: OrganizationId,
    pub(super) token: TokenId,
    /// Whose it says that it is, where it is signed.
    subject: Option<SubjectId>,
    /// Of the whole text.
    pub(super) hash: SecretHash,
}

impl Belongs {
    /// Whether a secret of that row, which opens now, is the one that was shown.
    pub(super) fn is_secret_of(&self, row: Option<&TokenRow>, now: Timestamp) -> bool {
        let stored = row.map(|row| row.secrets(now)).unwrap_or_default();
        let is_theirs = row.zip(self.subject).is_none_or(|(row, subject)| row.subject_id == subject);
        is_one_of(&self.hash, stored) && is_theirs
    }
}
