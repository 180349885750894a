//! Organisations, and the first one.

use berth_db::{AccountEvent, Changed, Database, DbError, Holder, NewOwner, OrganizationConn, constraints};
use berth_schema::access::TOKEN_LIFE;
use berth_schema::audit::{Details, Event, Internal as Kind, Resource};
use berth_schema::{AccessToken, OrganizationId, OrganizationName, SignInToken, SubjectId, TokenId};
use jiff::Timestamp;
use ring::rand::SecureRandom;

use super::sign_in::{self, FIRST_PERSON};
use super::tokens;
use crate::Error;
use crate::identity::Run;
use crate::issuer::Issuer;

const FIRST_TOKEN: &str = "first administrator";

/// What the first person of an organisation gets: it is shown once, by whoever calls.
#[derive(Debug)]
pub struct First {
    /// For the command line and for scripts.
    pub token: AccessToken,
    /// For a browser.
    pub link: SignInToken,
}

/// Creates an organisation with its first owner.
pub async fn create(
    run: &Run<Database>,
    name: &OrganizationName,
    issuer: &Issuer,
    random: &dyn SecureRandom,
) -> Result<First, Error> {
    let id = OrganizationId::random();
    let (first, owner) = first_owner(id, run.now, issuer, random)?;
    let op = run.within(id);
    let result = op
        .change_of(owner.account, "create_organization", async |conn| {
            let event = make(conn, name, (first.token.token_id(), &owner), op.now).await?;
            Ok::<_, DbError>(Changed::So((), event))
        })
        .await;
    match result {
        Ok(()) => Ok(first),
        Err(error) if error.violates(constraints::ORGANIZATION_NAME) => {
            Err(Error::NameTaken { what: "an organization", name: name.to_string() })
        }
        Err(error) => Err(error.into()),
    }
}

fn first_owner(
    organization: OrganizationId,
    now: Timestamp,
    issuer: &Issuer,
    random: &dyn SecureRandom,
) -> Result<(First, NewOwner), Error> {
    let subject = SubjectId::random();
    let end = berth_db::stored_time(now.saturating_add(TOKEN_LIFE).unwrap_or(Timestamp::MAX));
    let whose = (organization, Holder::Known(subject));
    let (token, stored) = tokens::new_access_token(issuer, whose, FIRST_TOKEN, (now, end))?;
    let (link, owner) = sign_in::new_owner(FIRST_PERSON, subject, Some(stored), now, random)?;
    Ok((First { token, link }, owner))
}

/// The organisation with its first owner, and what is on record of both: the beginning of its chain.
async fn make(
    conn: &OrganizationConn<'_>,
    name: &OrganizationName,
    (token, owner): (TokenId, &NewOwner),
    now: Timestamp,
) -> Result<AccountEvent, DbError> {
    conn.organizations().create(name, now).await?;
    conn.accounts().insert_owner(owner, now).await?;
    let (owner, link_until) = (owner.subject, owner.link.expires_at);
    let details = Details::OrganizationCreated { token, owner, link_until };
    let organization = Resource::organization(conn.organization());
    Ok(Event::internal(Kind::CreateOrganization, organization, details).into())
}

/// What the organisation of a new installation is called.
pub fn first_name() -> OrganizationName {
    OrganizationName::new("default").expect("it is a name")
}

/// Makes the organisation `default` on an empty database. `None` when there is one already; of several servers that start
/// together one gets what its first person needs.
pub async fn create_first(
    run: &Run<Database>,
    issuer: &Issuer,
    random: &dyn SecureRandom,
) -> Result<Option<First>, Error> {
    if !berth_db::is_empty(&run.context).await? {
        return Ok(None);
    }
    let (id, name) = (OrganizationId::random(), first_name());
    let (first, owner) = first_owner(id, run.now, issuer, random)?;
    let op = run.within(id);
    let won = op
        .change_of(owner.account, "bootstrap", async |conn| {
            if !conn.organizations().claim_first(op.now).await? {
                return Ok(Changed::Not(false));
            }
            let event = make(conn, &name, (first.token.token_id(), &owner), op.now).await?;
            Ok::<_, DbError>(Changed::So(true, event))
        })
        .await?;
    Ok(won.then_some(first))
}
