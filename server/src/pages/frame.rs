//! What stands around every page of an organisation: who looks, and where they may go from there.

use berth_policy::Resource;
use berth_schema::Action;

use super::times::at;
use crate::Op;
use crate::identity::Member;

pub(super) struct Frame<'a> {
    pub(super) person: &'a str,
    pub(super) organization: &'a str,
    pub(super) places: Vec<Place>,
    /// What they are for a time.
    pub(super) elevated: Vec<ForATime>,
    /// Since when there is a device of which they are told.
    pub(super) new_device: Option<String>,
}

/// A role for a time, with a button that ends it.
pub(super) struct ForATime {
    pub(super) id: String,
    pub(super) what: String,
    pub(super) until: String,
}

/// A page that the navigation leads to.
pub(super) struct Place {
    pub(super) name: &'static str,
    /// Below the organisation's own.
    pub(super) path: &'static str,
    pub(super) is_here: bool,
}

/// Each with the action that somebody has to be allowed to be led there.
const PLACES: [(&str, &str, Action); 9] = [
    ("Workspaces", "/workspaces", Action::ListWorkspaces),
    ("Groups", "/groups", Action::ListGroups),
    ("Projects", "/projects", Action::ListProjects),
    ("Variables", "/variables", Action::ListVariables),
    ("Yours", "/me", Action::ListOwnVariables),
    ("Agents", "/agents", Action::ListAgents),
    ("Members", "/members", Action::ListMembers),
    ("Elevations", "/elevations", Action::ListElevations),
    ("Audit", "/audit", Action::ListAudit),
];

impl<'a> Frame<'a> {
    /// `here`: below which place the page is.
    pub(super) fn of(op: &'a Op<Member>, here: &str) -> Self {
        let places = PLACES.into_iter().filter(|(.., action)| may(op, *action));
        let places = places.map(|(name, path, _)| Place { name, path, is_here: path == here });
        let elevated = op.who.elevations.iter().map(|elevated| ForATime {
            id: elevated.id.to_string(),
            what: format!("{}{}", elevated.role, elevated.place.words()),
            until: at(elevated.ends_at),
        });
        Self {
            elevated: elevated.collect(),
            new_device: op.who.new_device_at.map(at),
            person: &op.who.token_name,
            organization: op.who.organization_name.as_str(),
            places: places.collect(),
        }
    }
}

/// Whether somebody may do that to their organisation. It is asked once more when they do it: this only keeps pages from offering it.
pub(super) fn may(op: &Op<Member>, action: Action) -> bool {
    may_to(op, action, &Resource::organization(op.organization()))
}

/// The same of something in it.
pub(super) fn may_to(op: &Op<Member>, action: Action, resource: &Resource) -> bool {
    op.who.authority.decide(action, resource).allowed
}
