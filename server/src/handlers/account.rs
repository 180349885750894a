//! `/api/v1/account`: a person, outside of organisations.

use actix_web::web;
use berth_schema::SshKeyId;
use berth_schema::api::Paged;
use berth_schema::api::account::{Account, AccountOrganization, AccountSession, AddSshKey, SshKey};
use serde::Deserialize;

use crate::http::answer::Created;
use crate::http::body::Json;
use crate::identity::Person;
use crate::services::{elevations, own_ssh_keys};
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

pub(crate) async fn list_ssh_keys(op: Op<Person>, (): ()) -> Result<web::Json<Paged<SshKey>>, Error> {
    let items = own_ssh_keys::list(&op).await?;
    Ok(web::Json(Paged { items, next: None }))
}

pub(crate) async fn add_ssh_key(
    op: Op<Person>,
    body: Json<AddSshKey>,
) -> Result<Created<web::Json<SshKey>>, Error> {
    let added = own_ssh_keys::add(&op, &body.value).await?;
    let location = format!("/api/v1/account/ssh-keys/{}", added.id);
    Ok(Created { location, answer: web::Json(added) })
}

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    ssh_key: SshKeyId,
}

pub(crate) async fn remove_ssh_key(
    op: Op<Person>,
    path: web::Path<Path>,
) -> Result<web::Json<SshKey>, Error> {
    own_ssh_keys::remove(&op, path.ssh_key).await.map(web::Json)
}
