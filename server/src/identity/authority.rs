//! What somebody who was proven may do.

use std::sync::Arc;

use berth_db::MembershipRow;
use berth_policy::{Asker, Decision, Policies, Reach, Resource, Who};
use berth_schema::Action;

/// Somebody with what is known of them, and the rules of their organisation as they were when they were proven.
#[derive(Clone, Debug)]
pub struct Authority {
    pub asker: Asker,
    pub policies: Arc<Policies>,
    /// Of the organisation's rules; 0: the built-in ones, of which none was ever set.
    pub version: i64,
}

/// What authority depends on. Once it is another one, what goes on by it must be decided anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub who: Who,
    /// Of the organisation's rules.
    pub version: i64,
}

impl Standing {
    pub fn new(membership: &MembershipRow, version: Option<i64>) -> Self {
        let MembershipRow { id, kind, role, suspended_at, is_provided: _, role_is_kept: _ } = *membership;
        let who = Who::Subject { id, kind, role, suspended: suspended_at.is_some() };
        Self { who, version: version.unwrap_or(0) }
    }
}

impl Authority {
    pub const fn standing(&self) -> Standing {
        Standing { who: self.asker.who, version: self.version }
    }

    pub fn decide(&self, action: Action, resource: &Resource) -> Decision {
        self.policies.decide(&self.asker, action, resource)
    }

    /// Of which things of a kind.
    pub fn reach(&self, action: Action) -> Reach {
        self.policies.reach(&self.asker, action)
    }
}
