//! Users, who do what the scenario says and believe what they are told.

use std::rc::Rc;
use std::time::Duration;

use berth_schema::WorkspaceSpec;

use super::World;
use crate::faults::Talk;
use crate::network::{NoAnswer, Sender};
use crate::runtime::Owner;
use crate::scenario::{Image, UserDeed};
use crate::server::{New, UserError, change, create};
use crate::store::Row;

/// How long a user waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a creation is tried: it is idempotent by its id.
const CREATIONS: u32 = 3;

type Answer = Result<Result<Row, UserError>, NoAnswer>;

impl World {
    pub(super) fn user(self: &Rc<Self>, place: usize, deed: UserDeed) {
        let world = Rc::clone(self);
        self.env.runtime.spawn(Owner::WORLD, async move {
            match deed {
                UserDeed::Create { image } => {
                    for attempt in 0..CREATIONS {
                        // Users are quiet too when faults have ended.
                        if attempt > 0 && world.quiet.get() {
                            return;
                        }
                        if let Ok(answer) = world.create(place, image).await {
                            return world.told(place, deed, Ok(answer));
                        }
                    }
                }
                UserDeed::Wish { .. } => {
                    let answer = world.wish(place, deed).await;
                    world.told(place, deed, answer);
                }
            }
        });
    }

    async fn create(&self, number: usize, image: Image) -> Answer {
        let place = &self.places[number];
        let new = New {
            agent: self.agents[place.agent],
            id: place.id,
            name: place.name.clone(),
            namespace: place.namespace.clone(),
            spec: spec(image),
        };
        self.network.call(SENDER, move |server| create(server, new.clone())).await
    }

    async fn wish(&self, number: usize, deed: UserDeed) -> Answer {
        let UserDeed::Wish { wish, image, insists } = deed else { return Err(NoAnswer) };
        let place = &self.places[number];
        let (id, seen) = (place.id, place.seen.get().filter(|_| insists));
        self.network.call(SENDER, move |server| change(server, id, wish, spec(image), seen)).await
    }

    fn told(&self, number: usize, deed: UserDeed, answer: Answer) {
        self.env.trace.say("user", || {
            let told = answer.as_ref().map(|answer| {
                let stored =
                    answer.as_ref().map(|row| (row.workspace.desired_state, row.workspace.generation));
                stored.map_err(ToString::to_string)
            });
            format!("workspace {number}: {deed:?}: {told:?}")
        });
        if let Ok(Ok(row)) = answer {
            self.places[number].seen.set(Some(row.workspace.generation));
            self.env.watchdog.promised(&row);
        }
    }
}

const SENDER: Sender = Sender { talk: Talk::User, owner: Owner::WORLD, patience: PATIENCE };

fn spec(image: Image) -> WorkspaceSpec {
    WorkspaceSpec::from_image(image.as_str())
}
