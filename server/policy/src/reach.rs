//! How far somebody sees: what a list holds for them.

use berth_schema::{Action, SubjectId};
use uuid::Uuid;

use crate::engine::Policies;
use crate::facts::{Asker, At, Resource, Who};

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
}
