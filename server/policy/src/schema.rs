//! The schema of rules, made from the actions and kinds there are.

use std::fmt::Write as _;

use berth_schema::{Action, ResourceKind};

use crate::place::{Place, effect_group};

/// The type of an entity that is acted on.
pub(crate) const fn entity_type(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Account => "Account",
        ResourceKind::Session => "Session",
        ResourceKind::Organization => "Organization",
        ResourceKind::Token => "Token",
        ResourceKind::Agent => "Agent",
        ResourceKind::Orphan => "Orphan",
        ResourceKind::Member => "Member",
        ResourceKind::Invitation => "Invitation",
        ResourceKind::Variable => "Variable",
        ResourceKind::GitCredential => "GitCredential",
        ResourceKind::IdentityProvider => "IdentityProvider",
        ResourceKind::Workspace => "Workspace",
        ResourceKind::Group => "Group",
        ResourceKind::Project => "Project",
        ResourceKind::Elevation => "Elevation",
    }
}

pub(crate) const SUBJECT: &str = "Subject";
pub(crate) const ACTION: &str = "Action";

/// Whether things of that kind are somebody's.
pub(crate) const fn has_owner(kind: ResourceKind) -> bool {
    matches!(kind, ResourceKind::Token | ResourceKind::Workspace | ResourceKind::Elevation)
}

fn entity(kind: ResourceKind) -> String {
    let name = entity_type(kind);
    match kind {
        ResourceKind::Organization => format!("entity {name};"),
        ResourceKind::Agent => {
            format!("entity {name} in [Organization] = {{ organization: Organization }};")
        }
        ResourceKind::Orphan => format!("entity {name} in [Organization, Agent];"),
        // Also in the groups that those are in.
        ResourceKind::Group | ResourceKind::Project => format!("entity {name} in [Organization, Group];"),
        // Also in the project that it belongs to, and in the groups that this is in.
        ResourceKind::Workspace => {
            format!("entity {name} in [Organization, Group, Project] = {{ owner: {SUBJECT} }};")
        }
        // A role for a time: whose, which, for how long, and where: "organization", "group" or "project", which it is in.
        ResourceKind::Elevation => format!(
            "entity {name} in [Organization, Group, Project] = {{ owner: {SUBJECT}, role: String, seconds: Long, at: String }};"
        ),
        kind if has_owner(kind) => format!("entity {name} in [Organization] = {{ owner: {SUBJECT} }};"),
        _ => format!("entity {name} in [Organization];"),
    }
}

/// What the platform's rules are checked against.
pub fn platform() -> String {
    schema(Place::is_in_organizations)
}

/// What an organisation's rules are checked against: without the actions that are not theirs to decide.
pub fn organization() -> String {
    schema(Place::is_the_organizations)
}

fn schema(holds: impl Fn(Place) -> bool) -> String {
    let mut text = String::from(
        "// Somebody who acts: a person or a service of the organisation.\n\
         entity Subject in [Organization] = {\n    \
             organization: Organization,\n    \
             // \"user\" or \"service\"\n    kind: String,\n    \
             // \"owner\", \"maintainer\", \"developer\", \"viewer\", \"auditor\"; \"unknown\": of a later version\n    role: String,\n    \
             suspended: Bool,\n};\n",
    );
    let outside = |kind: &&ResourceKind| matches!(kind, ResourceKind::Account | ResourceKind::Session);
    for kind in ResourceKind::ALL.iter().filter(|kind| !outside(kind)) {
        let _ = writeln!(text, "{}", entity(*kind));
    }
    text.push_str(
        "\n// How it is asked.\n\
         type Circumstances = {\n    \
             // \"token\" or \"session\"\n    by: String,\n    \
             // of the token: \"full\", \"read-only\"; of a session \"full\"\n    scope: String,\n    \
             // how long ago they signed in\n    session_age_seconds?: Long,\n    \
             // how long ago they did something in the organisation that they may, by that session\n    session_idle_seconds?: Long,\n    \
             mfa: Bool,\n    \
             // what they are there: in the organisation, and at the group or project and those that it is in\n    roles: Set<String>,\n    \
             // some of those, or their role, are theirs for a time
             elevated: Bool,\n    \
             address?: ipaddr,\n    \
             // a token that is to be made shall be somebody else's\n    for_another: Bool,\n    \
             // what is to be opened is a port that its workspace's owner shares with them\n    shared: Bool,\n};\n\n",
    );
    for group in ["reads", "changes"] {
        let _ = writeln!(text, "action \"{group}\";");
    }
    for place in Place::ALL.into_iter().filter(|place| holds(*place)) {
        let _ = writeln!(text, "action \"{}\";", place.group());
    }
    text.push('\n');
    for action in Action::ALL {
        let place = Place::of(*action);
        if holds(place) {
            let by = if place.is_for_agents() { entity_type(ResourceKind::Agent) } else { SUBJECT };
            let _ = writeln!(
                text,
                "action \"{action}\" in [\"{}\", \"{}\"] appliesTo {{ principal: {by}, resource: {}, context: Circumstances }};",
                place.group(),
                effect_group(action.effect()),
                entity_type(action.resource()),
            );
        }
    }
    text
}
