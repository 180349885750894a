//! Whom an organisation has people signed in by: set, listed, deleted. The secret of the client is under the organisation's data key.

use berth_db::{Changed, IdentityProviderRow, OrganizationConn};
use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::identity_providers::{
    IdentityProvider, IdentityProviderName, MAX_ID, MAX_PROVIDERS, SetIdentityProvider,
};
use berth_schema::scope::{ScopeId, Secret};
use berth_schema::variables::SecretValue;
use berth_schema::{FieldError, IdentityProviderId, ResourceKind};
use tracing::info;

use super::members::{able_owners, is_above};
use super::scope_key::{ScopeKey, Trust};
use crate::crypto::{CLIENT_SECRET, CryptoError, DataKey, KeyRing, Label, Owner, SealedValue};
use crate::identity::Member;
use crate::{Error, Op};

/// More than an organisation may have.
const ALL: i64 = 1_000;

/// Where people and their provider find this server.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a>(pub &'a str);

impl Addresses<'_> {
    pub fn begin(self, provider: IdentityProviderId) -> String {
        format!("{}/sign-in/with/{provider}", self.0)
    }

    pub fn redirect(self, provider: IdentityProviderId) -> String {
        format!("{}/sign-in/callback/{provider}", self.0)
    }

    pub fn backchannel_logout(self, provider: IdentityProviderId) -> String {
        format!("{}/sign-in/backchannel-logout/{provider}", self.0)
    }

    pub fn signed_out(self) -> String {
        format!("{}/signed-out", self.0)
    }
}

/// Sets one, in place of what is called so. It is asked first: what is configured is what answers.
///
/// # Errors
/// The fields that are wrong, `issuer` where the provider is of no use as well.
pub async fn set(
    op: &Op<Member>,
    name: &str,
    form: SetIdentityProvider,
    at: Addresses<'_>,
) -> Result<IdentityProvider, Error> {
    let name = check(op, name, &form)?;
    let asked = op.context.openid.try_out(&form.issuer).await;
    asked.map_err(|fault| Error::field("issuer", format!("cannot be used: {}", told(&fault))))?;
    let new_id = IdentityProviderId::random();
    let row = op
        .change("set_identity_provider", async |conn| {
            // From here on nobody else changes the list.
            conn.organizations().lock().await?;
            let before = conn.identity_providers().find_by_name(name.as_str()).await?;
            if before.is_none() && conn.identity_providers().count().await? >= MAX_PROVIDERS {
                let message = format!("at most {MAX_PROVIDERS} are allowed; delete one first");
                return Err(Error::field("provider", message));
            }
            let mut row = IdentityProviderRow {
                organization_id: op.organization(),
                id: before.as_ref().map_or(new_id, |before| before.id),
                name: name.clone(),
                issuer: form.issuer.clone(),
                client_id: form.client_id.clone(),
                data_key_id: None,
                version: before.as_ref().map_or(1, |before| before.version + 1),
                nonce: None,
                ciphertext: None,
                settings: Some(form.settings()),
                updated_at: op.now,
            };
            let is_same = |before: &IdentityProviderRow| {
                before.issuer == row.issuer && before.client_id == row.client_id
            };
            // A secret is never shown to another issuer than the one that it was given for.
            let kept = before.as_ref().filter(|before| is_same(before));
            if form.client_secret.is_none() && kept.is_some_and(|kept| kept.settings == row.settings) {
                return Ok(Changed::Not(kept.cloned().unwrap_or(row)));
            }
            let is_another = before.is_some() && kept.is_none();
            seal(op, conn, &mut row, (form.client_secret.as_ref(), kept)).await?;
            conn.identity_providers().put(&row).await?;
            let details = Details::IdentityProviderSet {
                provider: row.id,
                is_new: before.is_none(),
                is_another,
                new_secret: form.client_secret.is_some(),
            };
            let event = Event::new(Resource::identity_provider(row.id), details);
            Ok(Changed::So(row, event))
        })
        .await?;
    info!(provider = %row.id, "an identity provider is set");
    Ok(show(row, at))
}

/// The form, or everything that is wrong with it.
fn check(op: &Op<Member>, name: &str, form: &SetIdentityProvider) -> Result<IdentityProviderName, Error> {
    let mut errors = Vec::new();
    let parsed = name.parse::<IdentityProviderName>();
    if let Err(error) = &parsed {
        errors.push(FieldError::new("provider", error.to_string()));
    }
    let reachable = op.context.openid.fetcher().reachable();
    if form.issuer.len() > MAX_ID {
        errors.push(FieldError::new("issuer", format!("must have at most {MAX_ID} characters")));
    } else if let Err(refused) = berth_oidc::Metadata::address(&form.issuer, reachable) {
        errors.push(FieldError::new("issuer", refused.to_string()));
    }
    errors.extend(form.check());
    // Whoever sets a provider could sign in by it as whatever its rules give.
    let mine = op.who.role;
    let by_domain = (!form.admission.email_domains.is_empty()).then_some(Role::Developer);
    let by_default = form.admission.default_role.or(by_domain);
    let given = form.admission.roles.iter().map(|rule| rule.role).chain(by_default);
    if let Some(above) = given.into_iter().find(|role| is_above(*role, mine)) {
        let message = format!("gives {above}, which is more than whoever asks ({mine})");
        errors.push(FieldError::new("admission", message));
    }
    parsed.ok().filter(|_| errors.is_empty()).ok_or(Error::Invalid(errors))
}

/// A fault with what is behind it, where that says more. No further: how exactly an address does not answer would tell of a network.
pub(crate) fn told(fault: &(dyn std::error::Error + 'static)) -> String {
    let (told, cause) = (fault.to_string(), fault.source().map(ToString::to_string));
    match cause.filter(|cause| !told.contains(cause)) {
        Some(cause) => format!("{told}: {cause}"),
        None => told,
    }
}

/// Seals the secret that was given, or the one that is kept, as that of this version.
async fn seal(
    op: &Op<Member>,
    conn: &OrganizationConn<'_>,
    row: &mut IdentityProviderRow,
    (given, kept): (Option<&Secret>, Option<&IdentityProviderRow>),
) -> Result<(), Error> {
    let kept = kept.filter(|kept| kept.ciphertext.is_some());
    if given.is_none() && kept.is_none() {
        return Ok(());
    }
    let (ring, random) = (op.context.keys.current(), op.context.random.as_ref());
    let scope = ScopeKey::lock(&ring, random, conn, (ScopeId::Organization, Trust::Bound, op.now)).await?;
    let secret = match (given, kept) {
        (Some(Secret(given)), _) => SecretValue::new(given.as_bytes().to_vec()),
        (None, Some(kept)) => opened(&scope.key, kept).map_err(Error::internal)?,
        (None, None) => return Ok(()),
    };
    let name = label(row);
    let label = Label { name: &name, kind: CLIENT_SECRET, version: row.version };
    let sealed = scope.key.seal(label, &secret, random).map_err(Error::internal)?;
    row.data_key_id = Some(scope.key.id());
    row.nonce = Some(sealed.nonce.to_vec());
    row.ciphertext = Some(sealed.ciphertext);
    Ok(())
}

/// What the secret belongs to. None of the parts holds a space.
fn label(row: &IdentityProviderRow) -> String {
    format!("{} {} {}", row.id, row.issuer, row.client_id)
}

fn opened(key: &DataKey, row: &IdentityProviderRow) -> Result<SecretValue, CryptoError> {
    let (Some(nonce), Some(ciphertext)) = (&row.nonce, &row.ciphertext) else {
        return Err(CryptoError::Value);
    };
    let nonce = nonce.as_slice().try_into().map_err(|_| CryptoError::Value)?;
    let name = label(row);
    let label = Label { name: &name, kind: CLIENT_SECRET, version: row.version };
    key.open(label, &SealedValue { nonce, ciphertext: ciphertext.clone() })
}

/// The client's secret; `None`: it has none.
///
/// # Errors
/// Where it does not open.
pub(super) async fn secret(
    ring: &KeyRing,
    conn: &OrganizationConn<'_>,
    row: &IdentityProviderRow,
) -> Result<Option<SecretValue>, Error> {
    if row.ciphertext.is_none() {
        return Ok(None);
    }
    let wrapped = conn.scope_variables(ScopeId::Organization).data_key().await?;
    let wrapped = wrapped.ok_or_else(|| Error::internal(CryptoError::Gone))?;
    let owner = Owner::of_organization(conn.organization());
    let key = DataKey::unwrap(ring, owner, &wrapped).map_err(Error::internal)?;
    opened(&key, row).map(Some).map_err(Error::internal)
}

/// By name.
///
/// # Errors
/// Where the database fails.
pub async fn list(op: &Op<Member>, at: Addresses<'_>) -> Result<Paged<IdentityProvider>, Error> {
    let rows = op.read("list_identity_providers", async |conn| conn.identity_providers().list(ALL).await);
    let items = rows.await?.into_iter().map(|row| show(row, at)).collect();
    Ok(Paged { items, next: None })
}

/// Nobody signs in by it any more, and the sessions that it has proven end in the organisation.
///
/// # Errors
/// Where there is none of that name.
pub async fn delete(op: &Op<Member>, name: &str, at: Addresses<'_>) -> Result<IdentityProvider, Error> {
    let row = op
        .change("delete_identity_provider", async |conn| {
            let missing = || Error::missing(ResourceKind::IdentityProvider, name);
            conn.organizations().lock().await?;
            let row = conn.identity_providers().find_by_name(name).await?.ok_or_else(missing)?;
            conn.session_proofs().revoke_tokens(row.id, op.now).await?;
            conn.identity_providers().delete(row.id).await?;
            if able_owners(conn, op.now).await?.is_empty() {
                return Err(Error::LastOwner);
            }
            let details = Details::IdentityProviderDeleted { provider: row.id };
            Ok::<_, Error>(Changed::So(row.clone(), Event::new(Resource::identity_provider(row.id), details)))
        })
        .await?;
    info!(provider = %row.id, "an identity provider is deleted");
    Ok(show(row, at))
}

fn show(row: IdentityProviderRow, at: Addresses<'_>) -> IdentityProvider {
    let settings = row.settings.unwrap_or_default();
    IdentityProvider {
        id: row.id,
        name: row.name,
        issuer: row.issuer,
        client_id: row.client_id,
        has_secret: row.ciphertext.is_some(),
        scopes: settings.scopes,
        listed: settings.listed,
        admission: settings.admission,
        evidence: settings.evidence,
        redirect_uri: at.redirect(row.id),
        backchannel_logout_uri: at.backchannel_logout(row.id),
        post_logout_redirect_uri: at.signed_out(),
        sign_in_uri: at.begin(row.id),
        updated_at: row.updated_at,
    }
}
