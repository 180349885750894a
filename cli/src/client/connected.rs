//! Who is connected to a workspace.

use berth_schema::ActualState;
use berth_schema::api::Workspace;
use berth_schema::connected::{AllConnected, ConnectionsEnded, EndConnections};

use super::api::add_query;
use super::{Call, Listing, Organization};
use crate::error::Error;
use crate::names::WorkspaceRef;

impl Organization {
    pub(crate) async fn connected(&self, workspace: &WorkspaceRef) -> Result<AllConnected, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "connections"]);
        self.client.send(Call::get(format!("list who is connected to workspace '{workspace}'"), url)).await
    }

    /// Who is connected to what whoever asks has made and what runs of it.
    pub(crate) async fn connected_to_own(&self) -> Result<AllConnected, Error> {
        let mut url = self.url(["workspaces"]);
        add_query(&mut url, "owner", Some("me".to_owned()));
        add_query(&mut url, "actual_state", Some(ActualState::Running.to_string()));
        let everything = Listing { limit: None, after: None };
        let running = self.list::<Workspace>("list your workspaces", &url, &everything).await?;
        let mut all = AllConnected { items: Vec::new(), next: None };
        for workspace in running.items {
            all.items.extend(self.connected(&workspace.id.into()).await?.items);
        }
        Ok(all)
    }

    pub(crate) async fn end_connections(
        &self,
        workspace: &WorkspaceRef,
        which: EndConnections,
    ) -> Result<ConnectionsEnded, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "connections", "end"]);
        let call = Call::post(format!("end connections to workspace '{workspace}'"), url);
        self.client.send(call.body(&which)?).await
    }
}
