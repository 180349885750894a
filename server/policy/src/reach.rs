//! How far somebody sees: what a list holds for them.

use berth_schema::{Action, ResourceKind, SubjectId};
use uuid::Uuid;

use crate::engine::Policies;
use crate::facts::{Asker, At, Resource, Who};
use crate::place::Place;

/// Of which things of a kind somebody may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Whosever they are.
    All,
    /// Of what is theirs.
    Own(SubjectId),
    Nothing,
    /// The rules name single things or subjects: each must be asked about.
    Each,
}

impl Policies {
    /// How far `action` reaches, whose kind of thing has an owner. Where rules name nothing by its id, all that they can tell
    /// apart is whether a thing is the asker's own.
    pub fn reach(&self, asker: &Asker, action: Action) -> Reach {
        let Who::Subject { id, .. } = asker.who else { return Reach::Nothing };
        // What somebody is for a time at a place is of the things there.
        if self.names_ids() || asker.elevations.iter().any(|elevation| elevation.at != At::Organization) {
            return Reach::Each;
        }
        let nobody = Uuid::nil();
        let thing = Resource::new(action.resource(), nobody.to_string(), asker.organization);
        if self.decide(asker, action, &thing.clone().owned_by(SubjectId::from_uuid(nobody))).allowed {
            Reach::All
        } else if self.decide(asker, action, &thing.owned_by(id)).allowed {
            Reach::Own(id)
        } else {
            Reach::Nothing
        }
    }

    /// Whether the rules keep somebody from something in the organisation, of their own, for having done nothing there for so long.
    pub fn keeps_out_as_idle(&self, asker: &Asker) -> bool {
        let (Some(awake), Who::Subject { id, .. }) = (asker.awake(), asker.who) else { return false };
        let mut actions = Action::ALL.iter().filter(|action| Place::of(**action).is_the_organizations());
        actions.any(|action| {
            let thing = match action.resource() {
                ResourceKind::Organization => Resource::organization(asker.organization),
                kind => Resource::new(kind, Uuid::nil().to_string(), asker.organization).owned_by(id),
            };
            !self.decide(asker, *action, &thing).allowed && self.decide(&awake, *action, &thing).allowed
        })
    }
}
