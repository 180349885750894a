//! Organisations, and the first one.

use berth_db::{Database, constraints};
use berth_schema::{AccessToken, OrganizationId, OrganizationName};
use jiff::Timestamp;
use ring::rand::SecureRandom;

use super::tokens;
use crate::Error;

const FIRST_TOKEN: &str = "first administrator";

/// Creates an organisation and its first administrator's token, which is shown by whoever calls, once.
pub async fn create(
    database: &Database,
    name: &OrganizationName,
    now: Timestamp,
    random: &dyn SecureRandom,
) -> Result<AccessToken, Error> {
    let id = OrganizationId::random();
    let (token, stored) = tokens::new_access_token(id, FIRST_TOKEN, None, random)?;
    let result = database
        .transaction(id, "create_organization", async |conn| {
            conn.organizations().create(name, now).await?;
            conn.tokens().insert(&stored, now).await
        })
        .await;
    match result {
        Ok(_) => Ok(token),
        Err(error) if error.violates(constraints::ORGANIZATION_NAME) => {
            Err(Error::NameTaken { what: "an organization", name: name.to_string() })
        }
        Err(error) => Err(error.into()),
    }
}

/// What the organisation of a new installation is called.
pub fn first_name() -> OrganizationName {
    OrganizationName::new("default").expect("it is a name")
}

/// Makes the organisation `default` on an empty database. `None` when there is one already; of several servers that start
/// together one gets the token.
pub async fn create_first(
    database: &Database,
    now: Timestamp,
    random: &dyn SecureRandom,
) -> Result<Option<AccessToken>, Error> {
    if !berth_db::is_empty(database).await? {
        return Ok(None);
    }
    let name = first_name();
    let id = OrganizationId::random();
    let (token, stored) = tokens::new_access_token(id, FIRST_TOKEN, None, random)?;
    let won = berth_db::bootstrap(database, id, &name, &stored, now).await?;
    Ok(won.then_some(token))
}
