//! Organisations, and the first one.

use berth_db::{Database, NewOwner, constraints};
use berth_schema::{AccessToken, OrganizationId, OrganizationName, SignInToken};
use ring::rand::SecureRandom;

use super::sign_in::{self, FIRST_PERSON};
use super::tokens;
use crate::Error;
use crate::identity::Run;

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
    random: &dyn SecureRandom,
) -> Result<First, Error> {
    let id = OrganizationId::random();
    let (first, owner) = first_owner(run, id, random)?;
    let result = run
        .context
        .transaction((id, owner.account), "create_organization", async |conn| {
            conn.organizations().create(name, run.now).await?;
            conn.accounts().insert_owner(&owner, run.now).await
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
    run: &Run<Database>,
    organization: OrganizationId,
    random: &dyn SecureRandom,
) -> Result<(First, NewOwner), Error> {
    let (token, stored) = tokens::new_access_token(organization, FIRST_TOKEN, None, random)?;
    let (link, owner) = sign_in::new_owner(FIRST_PERSON, Some(stored), run.now, random)?;
    Ok((First { token, link }, owner))
}

/// What the organisation of a new installation is called.
pub fn first_name() -> OrganizationName {
    OrganizationName::new("default").expect("it is a name")
}

/// Makes the organisation `default` on an empty database. `None` when there is one already; of several servers that start
/// together one gets what its first person needs.
pub async fn create_first(run: &Run<Database>, random: &dyn SecureRandom) -> Result<Option<First>, Error> {
    if !berth_db::is_empty(&run.context).await? {
        return Ok(None);
    }
    let id = OrganizationId::random();
    let (first, owner) = first_owner(run, id, random)?;
    let won = berth_db::bootstrap(&run.context, id, &first_name(), &owner, run.now).await?;
    Ok(won.then_some(first))
}
