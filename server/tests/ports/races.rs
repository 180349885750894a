//! Somebody comes in while what lets them in ends: behind that nothing of theirs is on record.

use std::collections::HashMap;

use berth_schema::audit::{Details, Outcome, Record, What};
use berth_schema::{Action, SubjectId};
use serde_json::{Value, json};

use super::World;
use crate::audit::records;
use crate::elevations::Person;
use crate::support::App;

/// At least so many, and then until somebody was overtaken: without that nothing is shown.
const ROUNDS: usize = 6;
const MOST_ROUNDS: usize = 120;

/// What came of those who came in, by status.
#[derive(Default)]
struct Outcomes {
    by_status: HashMap<u16, usize>,
    was_in: usize,
}

impl Outcomes {
    /// Whether enough has been tried.
    fn suffice(&self, round: usize) -> bool {
        round >= ROUNDS && self.by_status.contains_key(&503)
    }

    /// Somebody comes to a port while that ends at another server.
    async fn race(&mut self, app: &App, world: &World, (who, port): (&Person, u16), ends: impl Future) {
        let mut code = world.proxy.body(&who.browser, &world.workspace).await;
        code["port"] = json!(port);
        let (opened, _) = tokio::join!(world.proxy.open(app, &code), ends);
        *self.by_status.entry(opened.status).or_default() += 1;
        let opened: Option<Value> = (opened.status == 200).then(|| opened.expect(200));
        if let Some(opened) = opened.filter(|opened| opened["decision"] == "allowed") {
            self.was_in += 1;
            let later = world.decides(app, Some(&opened["grant"]), port).await;
            assert_eq!(later["decision"], "denied", "it has ended");
        }
    }

    async fn check(self, world: &World, who: SubjectId, port: u16, (begins, ends): (Action, Action)) {
        let mut is_open = false;
        for record in records(&world.owner).await {
            let is = |action| record.action == What::Action(action) && record.outcome == Outcome::Done;
            let at = |record: &Record| matches!(record.details, Details::ConnectionOpened { port: its, .. } if its == port);
            if is(begins) {
                is_open = true;
            } else if is(ends) {
                is_open = false;
            } else if is(Action::OpenConnection) && record.who.subject() == Some(who) && at(&record) {
                assert!(is_open, "{record:?}");
            }
        }
        let outcomes = self.by_status;
        assert!(outcomes.contains_key(&503), "none was overtaken, so that nothing is shown: {outcomes:?}");
        assert!(outcomes.keys().all(|status| matches!(status, 200 | 503)), "{outcomes:?}");
        assert!(self.was_in <= outcomes[&200]);
    }
}

#[tokio::test]
async fn nobody_is_let_in_on_record_behind_the_end_of_what_was_shared_with_them() {
    App::run(async |app| {
        let replica = app.replica().await;
        let world = World::new(app).await;
        let mut outcomes = Outcomes::default();
        for round in 0..MOST_ROUNDS {
            if outcomes.suffice(round) {
                break;
            }
            world.share(app, json!({"user": world.bob.id})).await;
            let ends = world.unshare(&replica, json!({"port": 8080}));
            outcomes.race(app, &world, (&world.bob, 8080), ends).await;
        }
        outcomes.check(&world, world.bob.id, 8080, (Action::SharePort, Action::UnsharePort)).await;
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn nobody_is_let_in_on_record_behind_the_end_of_a_port_that_they_have_opened() {
    App::run(async |app| {
        let replica = app.replica().await;
        let world = World::new(app).await;
        let mut outcomes = Outcomes::default();
        for round in 0..MOST_ROUNDS {
            if outcomes.suffice(round) {
                break;
            }
            let body = json!({"port": 3000});
            let opened = world.ada.post(app, "/workspaces/hers/ports/open", body.clone()).await;
            assert_eq!(opened.status, 200, "{}", opened.text);
            let ends = world.ada.post(&replica, "/workspaces/hers/ports/close", body);
            outcomes.race(app, &world, (&world.ada, 3000), ends).await;
        }
        outcomes.check(&world, world.ada.id, 3000, (Action::OpenPort, Action::ClosePort)).await;
        replica.stop().await;
    })
    .await;
}
