//! What a path names.

use actix_web::HttpRequest;
use berth_schema::Action;
use serde::Deserialize;

use crate::services::permission::Named;

/// The parameters of paths that name what an action is done to: see [`ResourceKind::path_parameters`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameters {
    agent: Option<String>,
    elevation: Option<String>,
    group: Option<String>,
    host: Option<String>,
    invitation: Option<String>,
    kind: Option<String>,
    member: Option<String>,
    name: Option<String>,
    orphan: Option<String>,
    project: Option<String>,
    provider: Option<String>,
    token: Option<String>,
    workspace: Option<String>,
}

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "agent" => self.agent.as_deref(),
            "elevation" => self.elevation.as_deref(),
            "group" => self.group.as_deref(),
            "host" => self.host.as_deref(),
            "invitation" => self.invitation.as_deref(),
            "kind" => self.kind.as_deref(),
            "member" => self.member.as_deref(),
            "name" => self.name.as_deref(),
            "orphan" => self.orphan.as_deref(),
            "project" => self.project.as_deref(),
            "provider" => self.provider.as_deref(),
            "token" => self.token.as_deref(),
            "workspace" => self.workspace.as_deref(),
            _ => None,
        }
    }
}

/// What the path names. What cannot be read names nothing that there is.
pub(super) fn named(request: &HttpRequest, action: Action) -> Named {
    let parameters: Parameters = request.match_info().load().unwrap_or_default();
    Named::of(action.resource(), |name| parameters.get(name))
}
