//! What becomes of agents and of what they leave behind.

use berth_schema::WorkspaceId;
use berth_schema::agents::{AdoptWorkspaces, AllowAgent, DisallowAgent, RotateAgentToken, WorkspacesAdopted};
use berth_schema::api::{Agent, AgentCreated, AgentDisallowed, Orphan, Workspace};

use super::{Call, Organization};
use crate::error::Error;
use crate::names::{AgentRef, WorkspaceRef};

impl Organization {
    /// The server that is spoken to, as it was given.
    pub(crate) fn server(&self) -> String {
        self.client.server.to_string()
    }

    pub(crate) async fn rotate_agent_token(
        &self,
        agent: &AgentRef,
        rotate: RotateAgentToken,
    ) -> Result<AgentCreated, Error> {
        let url = self.url(["agents", agent.as_str(), "rotate-token"]);
        let call = Call::post(format!("rotate the token of agent '{agent}'"), url);
        self.client.send(call.body(&rotate)?).await
    }

    pub(crate) async fn reset_epoch(&self, agent: &AgentRef) -> Result<Agent, Error> {
        let url = self.url(["agents", agent.as_str(), "reset-epoch"]);
        self.client.send(Call::post(format!("reset the epoch of agent '{agent}'"), url)).await
    }

    pub(crate) async fn adopt(
        &self,
        agent: &AgentRef,
        adopt: &AdoptWorkspaces,
    ) -> Result<WorkspacesAdopted, Error> {
        let url = self.url(["agents", agent.as_str(), "adopt"]);
        let call = Call::post(format!("have agent '{agent}' adopt the workspaces of '{}'", adopt.from), url);
        self.client.send(call.body(adopt)?).await
    }

    pub(crate) async fn allow_agent(&self, agent: &AgentRef, allow: &AllowAgent) -> Result<Agent, Error> {
        let url = self.url(["agents", agent.as_str(), "allow"]);
        self.client.send(Call::post(format!("allow agent '{agent}'"), url).body(allow)?).await
    }

    pub(crate) async fn disallow_agent(
        &self,
        agent: &AgentRef,
        disallow: &DisallowAgent,
    ) -> Result<AgentDisallowed, Error> {
        let url = self.url(["agents", agent.as_str(), "disallow"]);
        self.client.send(Call::post(format!("disallow agent '{agent}'"), url).body(disallow)?).await
    }

    /// Takes back that an orphan may be removed.
    pub(crate) async fn keep_orphan(&self, agent: &AgentRef, orphan: WorkspaceId) -> Result<Orphan, Error> {
        let url = self.url(["agents", agent.as_str(), "orphans", &orphan.to_string(), "keep"]);
        self.client.send(Call::post(format!("keep orphan '{orphan}'"), url)).await
    }

    /// Takes a workspace of a revoked agent out of the database.
    pub(crate) async fn forget_workspace(&self, workspace: &WorkspaceRef) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "forget"]);
        self.client.send(Call::post(format!("forget workspace '{workspace}'"), url)).await
    }
}
