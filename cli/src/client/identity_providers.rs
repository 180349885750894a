//! Whom an organisation has people signed in by.

use berth_schema::api::Paged;
use berth_schema::identity_providers::{IdentityProvider, IdentityProviderName, SetIdentityProvider};

use super::{Call, Organization};
use crate::error::Error;

impl Organization {
    pub(crate) async fn set_identity_provider(
        &self,
        name: &IdentityProviderName,
        set: &SetIdentityProvider,
    ) -> Result<IdentityProvider, Error> {
        let url = self.url(["identity-providers", name.as_str()]);
        self.client.send(Call::put(format!("set the identity provider '{name}'"), url).body(set)?).await
    }

    pub(crate) async fn identity_providers(&self) -> Result<Paged<IdentityProvider>, Error> {
        let url = self.url(["identity-providers"]);
        self.client.send(Call::get("list the identity providers", url)).await
    }

    pub(crate) async fn delete_identity_provider(
        &self,
        name: &IdentityProviderName,
    ) -> Result<IdentityProvider, Error> {
        let url = self.url(["identity-providers", name.as_str()]);
        self.client.send(Call::delete(format!("delete the identity provider '{name}'"), url)).await
    }
}
