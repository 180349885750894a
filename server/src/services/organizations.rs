//! Organisations, and the first one.

use berth_db::{Database, constraints};
use berth_schema::{AccessToken, OrganizationId, OrganizationName};
use ring::rand::SecureRandom;

use super::tokens;
use crate::Error;
use crate::identity::Run;

const FIRST_TOKEN: &str = "first administrator";

/// Creates an organisation and its first administrator's token, which is shown by whoever calls, once.
pub async fn create(
    run: &Run<Database>,
    name: &OrganizationName,
    random: &dyn SecureRandom,
) -> Result<AccessToken, Error> {
    let id = OrganizationId::random();
    let (token, stored) = tokens::new_access_token(id, FIRST_TOKEN, None, random)?;
    let op = run.within(id);
    let result = op
        .transaction("create_organization", async |conn| {
            conn.organizations().create(name, op.now).await?;
            conn.tokens().insert(&stored, op.now).await
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
    run: &Run<Database>,
    random: &dyn SecureRandom,
) -> Result<Option<AccessToken>, Error> {
    if !berth_db::is_empty(&run.context).await? {
        return Ok(None);
    }
    let name = first_name();
    let id = OrganizationId::random();
    let (token, stored) = tokens::new_access_token(id, FIRST_TOKEN, None, random)?;
    let won = berth_db::bootstrap(&run.context, id, &name, &stored, run.now).await?;
    Ok(won.then_some(token))
}
