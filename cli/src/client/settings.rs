//! What workspaces are given: variables and credentials of Git hosts.

use berth_schema::api::Paged;
use berth_schema::git::{GitCredential, GitHost, PutGitCredential, RemoveGitCredential, SetGitCredential};
use berth_schema::scope::{RemoveVariable, ScopeVariable, SetVariable, VariableOrigin};
use berth_schema::variables::VariableKind;
use url::Url;

use super::tree::At;
use super::{Call, Organization};
use crate::error::Error;
use crate::names::WorkspaceRef;

/// Whose variables are meant.
#[derive(Clone, Debug)]
pub(crate) enum Whose {
    Organization,
    There(At),
    Mine,
}

impl Organization {
    /// The address of something that belongs to the organisation, a group, a project, or whoever asks.
    fn of<'a>(&'a self, whose: &'a Whose, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let before = match whose {
            Whose::Organization => vec![],
            Whose::There(at) => {
                let (kind, which) = at.parts();
                vec![kind, which]
            }
            Whose::Mine => vec!["me"],
        };
        self.url(before.into_iter().chain(parts))
    }

    pub(crate) async fn set_variable(
        &self,
        whose: &Whose,
        set: &SetVariable,
    ) -> Result<ScopeVariable, Error> {
        let call = Call::put(format!("set variable '{}'", set.name), self.of(whose, ["variables"]));
        self.client.send(call.body(set)?).await
    }

    pub(crate) async fn variables(&self, whose: &Whose) -> Result<Paged<ScopeVariable>, Error> {
        self.client.send(Call::get("list the variables", self.of(whose, ["variables"]))).await
    }

    pub(crate) async fn delete_variable(
        &self,
        whose: &Whose,
        kind: VariableKind,
        name: &str,
    ) -> Result<ScopeVariable, Error> {
        let doing = format!("delete variable '{name}' ({kind})");
        if matches!(whose, Whose::Organization) {
            let url = self.url(["variables", kind.as_str(), name]);
            return self.client.send(Call::delete(doing, url)).await;
        }
        let call = Call::post(doing, self.of(whose, ["variables", "remove"]));
        self.client.send(call.body(&RemoveVariable { name: name.to_owned(), kind })?).await
    }

    pub(crate) async fn explain_variables(
        &self,
        workspace: &WorkspaceRef,
    ) -> Result<Paged<VariableOrigin>, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "variables"]);
        self.client.send(Call::get(format!("ask where the variables of '{workspace}' come from"), url)).await
    }

    pub(crate) async fn set_git_credential(
        &self,
        whose: &Whose,
        host: &GitHost,
        set: SetGitCredential,
    ) -> Result<GitCredential, Error> {
        let doing = format!("set the credential of '{host}'");
        let call = if matches!(whose, Whose::Organization) {
            Call::put(doing, self.url(["git-credentials", host.as_str()])).body(&set)?
        } else {
            let put = PutGitCredential::new(host, set);
            Call::put(doing, self.of(whose, ["git-credentials"])).body(&put)?
        };
        self.client.send(call).await
    }

    pub(crate) async fn git_credentials(&self, whose: &Whose) -> Result<Paged<GitCredential>, Error> {
        self.client.send(Call::get("list the Git hosts", self.of(whose, ["git-credentials"]))).await
    }

    pub(crate) async fn delete_git_credential(
        &self,
        whose: &Whose,
        host: &GitHost,
    ) -> Result<GitCredential, Error> {
        let doing = format!("delete the credential of '{host}'");
        if matches!(whose, Whose::Organization) {
            return self.client.send(Call::delete(doing, self.url(["git-credentials", host.as_str()]))).await;
        }
        let call = Call::post(doing, self.of(whose, ["git-credentials", "remove"]));
        self.client.send(call.body(&RemoveGitCredential { host: host.to_string() })?).await
    }
}
