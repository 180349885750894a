//! The way to a provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_db::{NewSignInAttempt, OrganizationConn, Reach};
use berth_schema::IdentityProviderId;
use berth_schema::audit::Internal as Kind;
use jiff::Timestamp;
use ring::digest;
use tracing::{debug, warn};
use url::Url;

use super::{AttemptSecret, Provider};
use crate::identity::Origin;
use crate::services::attempts;
use crate::services::identity_providers::{Addresses, told};
use crate::services::tokens::hash;
use crate::{Context, Error};

/// So many providers are on the page.
const MAX_LISTED: i64 = 100;

/// A browser on its way.
#[derive(Debug)]
pub struct Begun {
    pub location: Url,
    /// Stays in the browser.
    pub secret: AttemptSecret,
}

/// A provider on the page that signs people in.
#[derive(Clone, Debug)]
pub struct Listed {
    pub id: IdentityProviderId,
    pub name: String,
    /// The issuer's.
    pub host: String,
}

/// Those that everybody may see, by name.
///
/// # Errors
/// Where the database fails.
pub async fn listed(context: &Context) -> Result<Vec<Listed>, Error> {
    let list = async |conn: &OrganizationConn<'_>| {
        conn.identity_providers().list(MAX_LISTED).await.map_err(Error::from)
    };
    let rows = context.database.read(Reach::installation(), "list_providers_to_sign_in", list).await?;
    let listed = rows.into_iter().filter(|row| row.settings.as_ref().is_some_and(|settings| settings.listed));
    let host = |issuer: &str| issuer.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned));
    let listed = listed.map(|row| Listed {
        id: row.id,
        name: row.name.to_string(),
        host: host(&row.issuer).unwrap_or_default(),
    });
    Ok(listed.collect())
}

/// Sends a browser to a provider.
///
/// # Errors
/// Where there is none of that id, it is of no use, or too many are on their way.
pub async fn begin(
    context: &Context,
    id: IdentityProviderId,
    at: Addresses<'_>,
    address: Option<String>,
    (origin, now): (Origin, Timestamp),
) -> Result<Begun, Error> {
    let provider = Provider::find(context, id).await?;
    let metadata = match context.openid.metadata(&provider.row.issuer).await {
        Ok(metadata) => metadata,
        Err(fault) => {
            warn!(provider = %id, fault = told(&fault), "an identity provider cannot be used");
            provider.note_denial(context, (Kind::SignIn, "provider-unavailable"), (origin, now)).await;
            return Err(Error::ProviderUnavailable);
        }
    };
    let secret = AttemptSecret::draw(context.random.as_ref())?;
    let state = secret.state();
    let attempt = NewSignInAttempt {
        state_hash: hash(&state),
        provider: Some((provider.row.organization_id, id)),
        session: None,
        address,
        expires_at: attempts::end(now),
    };
    attempts::begin(context, &attempt, now).await?;
    debug!(provider = %id, "a browser is sent to an identity provider");
    let mut location = metadata.authorization_endpoint.clone();
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, secret.verifier().as_bytes()));
    let settings = &provider.settings;
    let scope = std::iter::once("openid").chain(settings.scopes.iter().map(String::as_str));
    let scope = scope.collect::<Vec<_>>().join(" ");
    {
        let mut query = location.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.row.client_id)
            .append_pair("redirect_uri", &at.redirect(id))
            .append_pair("scope", &scope)
            .append_pair("state", &state)
            .append_pair("nonce", &secret.nonce())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if !settings.evidence.acr.is_empty() {
            query.append_pair("acr_values", &settings.evidence.acr.join(" "));
        }
        if let Some(age) = settings.evidence.max_age_seconds {
            query.append_pair("max_age", &age.to_string());
        }
    }
    Ok(Begun { location, secret })
}
