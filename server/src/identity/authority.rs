//! What somebody who was proven may do.

use std::sync::Arc;

use berth_db::MembershipRow;
use berth_policy::{Asker, Decision, Elevation, Policies, Reach, Resource, Who};
use berth_schema::{Action, ElevationId};
use jiff::Timestamp;

/// Somebody with what is known of them, and the rules of their organisation as they were when they were proven.
#[derive(Clone, Debug)]
pub struct Authority {
    pub asker: Asker,
    pub policies: Arc<Policies>,
    /// Of the organisation's rules; 0: the built-in ones, of which none was ever set.
    pub version: i64,
    /// A provider of the organisation vouches for them, and it alone: no passkey counts here.
    pub is_provided: bool,
}

/// What authority depends on. Once it is another one, what goes on by it must be decided anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub who: Who,
    /// Of the organisation's rules.
    pub version: i64,
    /// Another number for other roles for a time; 0 for none.
    elevations: u128,
}

impl Standing {
    pub fn new(membership: &MembershipRow, version: Option<i64>, elevations: &[Elevation]) -> Self {
        let MembershipRow { id, kind, role, suspended_at, is_provided: _, role_is_kept: _ } = *membership;
        let who = Who::Subject { id, kind, role, suspended: suspended_at.is_some() };
        Self { who, version: version.unwrap_or(0), elevations: mark(elevations) }
    }
}

fn mark(elevations: &[Elevation]) -> u128 {
    elevations.iter().fold(0, |mark, elevation| mark ^ elevation.id.as_uuid().as_u128())
}

impl Authority {
    pub fn standing(&self) -> Standing {
        Standing { who: self.asker.who, version: self.version, elevations: mark(&self.asker.elevations) }
    }

    /// The same without what they are for a time: nobody hands out by that what outlasts it.
    #[must_use]
    pub fn lasting(&self) -> Self {
        Self { asker: self.asker.lasting(), ..self.clone() }
    }

    /// Whether nothing of it is over by then.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.asker.elevated_until().is_none_or(|end| now < end)
    }

    /// By which role for a time they may, where they may not without any.
    pub fn needed_elevation(&self, action: Action, resource: &Resource) -> Option<ElevationId> {
        self.policies.needed_elevation(&self.asker, action, resource)
    }

    /// Whether they might if they proved anew who they are.
    pub fn would_step_up(&self, action: Action, resource: &Resource) -> bool {
        let asker = self.asker.stepped_up();
        asker.is_some_and(|asker| self.policies.decide(&asker, action, resource).allowed)
    }

    pub fn decide(&self, action: Action, resource: &Resource) -> Decision {
        self.policies.decide(&self.asker, action, resource)
    }

    /// Of which things of a kind.
    pub fn reach(&self, action: Action) -> Reach {
        self.policies.reach(&self.asker, action)
    }
}
