//! Keys that let somebody in by plain `ssh`.

use berth_schema::SshKeyId;
use berth_schema::api::Paged;
use berth_schema::api::account::{AddSshKey, SshKey};
use url::Url;

use super::{Call, Client};
use crate::error::Error;

impl Client {
    fn ssh_keys_url(&self) -> Url {
        self.server.join(["api", "v1", "account", "ssh-keys"])
    }

    pub(crate) async fn ssh_keys(&self) -> Result<Paged<SshKey>, Error> {
        self.send(Call::get("list your SSH keys", self.ssh_keys_url())).await
    }

    pub(crate) async fn add_ssh_key(&self, add: &AddSshKey) -> Result<SshKey, Error> {
        let call = Call::post(format!("add SSH key '{}'", add.name), self.ssh_keys_url());
        self.send(call.body(add)?).await
    }

    pub(crate) async fn remove_ssh_key(&self, id: SshKeyId) -> Result<SshKey, Error> {
        let url = self.server.join(["api", "v1", "account", "ssh-keys", &id.to_string()]);
        self.send(Call::delete(format!("remove SSH key {id}"), url)).await
    }
}
