//! The ports of a workspace, and whom they are shared with.

use berth_schema::ports::{ClosePort, OpenPort, Ports, PublishPort, SharePort, UnsharePort};
use serde::Serialize;

use super::{Call, Organization};
use crate::error::Error;
use crate::names::WorkspaceRef;

impl Organization {
    pub(crate) async fn ports(&self, workspace: &WorkspaceRef) -> Result<Ports, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "ports"]);
        self.client.send(Call::get(format!("list the ports of workspace '{workspace}'"), url)).await
    }

    pub(crate) async fn share_port(
        &self,
        workspace: &WorkspaceRef,
        share: &SharePort,
    ) -> Result<Ports, Error> {
        self.change_ports(workspace, ("share", share.port), share).await
    }

    pub(crate) async fn publish_port(
        &self,
        workspace: &WorkspaceRef,
        publish: &PublishPort,
    ) -> Result<Ports, Error> {
        self.change_ports(workspace, ("publish", publish.port), publish).await
    }

    pub(crate) async fn unshare_port(
        &self,
        workspace: &WorkspaceRef,
        unshare: &UnsharePort,
    ) -> Result<Ports, Error> {
        self.change_ports(workspace, ("unshare", unshare.port), unshare).await
    }

    pub(crate) async fn open_port(&self, workspace: &WorkspaceRef, open: &OpenPort) -> Result<Ports, Error> {
        self.change_ports(workspace, ("open", open.port), open).await
    }

    pub(crate) async fn close_port(
        &self,
        workspace: &WorkspaceRef,
        close: ClosePort,
    ) -> Result<Ports, Error> {
        self.change_ports(workspace, ("close", close.port), &close).await
    }

    async fn change_ports(
        &self,
        workspace: &WorkspaceRef,
        (how, port): (&'static str, u16),
        body: &(impl Serialize + Sync),
    ) -> Result<Ports, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "ports", how]);
        let call = Call::post(format!("{how} port {port} of workspace '{workspace}'"), url);
        self.client.send(call.body(body)?).await
    }
}
