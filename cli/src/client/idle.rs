//! Rules of idleness.

use berth_schema::api::Workspace;
use berth_schema::idle::{IdleRule, IdleView};
use url::Url;

use super::tree::At;
use super::{Call, Organization};
use crate::error::Error;
use crate::names::WorkspaceRef;

/// Whose rule is meant.
#[derive(Clone, Debug)]
pub(crate) enum Idle {
    /// `None`: the organisation's.
    Place(Option<At>),
    Workspace(WorkspaceRef),
}

impl Organization {
    fn idle_url(&self, at: Option<&At>) -> Url {
        match at.map(At::parts) {
            Some((kind, which)) => self.url([kind, which, "idle"]),
            None => self.url(["idle"]),
        }
    }

    pub(crate) async fn idle_rule(&self, at: Option<&At>) -> Result<IdleView, Error> {
        self.client.send(Call::get("get the rule of idleness", self.idle_url(at))).await
    }

    pub(crate) async fn set_idle_rule(&self, at: Option<&At>, rule: &IdleRule) -> Result<IdleView, Error> {
        self.client.send(Call::put("set the rule of idleness", self.idle_url(at)).body(rule)?).await
    }

    pub(crate) async fn set_idle_rule_of_workspace(
        &self,
        workspace: &WorkspaceRef,
        rule: &IdleRule,
    ) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "idle"]);
        let call = Call::put(format!("set the rule of idleness of workspace '{workspace}'"), url);
        self.client.send(call.body(rule)?).await
    }
}
