//! `/api/v1/account`: a person, outside of organisations.

use actix_web::web;
use berth_schema::api::account::{Account, AccountOrganization, AccountSession};

use crate::identity::Person;
use crate::services::elevations;
use crate::{Error, Op};

pub(crate) async fn get(op: Op<Person>, (): ()) -> Result<web::Json<Account>, Error> {
    let memberships = elevations::memberships(&op).await?.into_iter();
    let organizations = memberships.map(|(organization, membership, elevations)| AccountOrganization {
        elevations,
        id: organization.id,
        name: organization.name,
        role: membership.role,
        suspended: membership.suspended_at.is_some(),
        member_id: Some(membership.id),
    });
    Ok(web::Json(Account {
        id: op.who.account,
        session: AccountSession { id: op.who.session, expires_at: op.who.session_ends_at },
        organizations: organizations.collect(),
        new_device_at: op.who.new_device_at,
        name: op.who.name,
    }))
}
