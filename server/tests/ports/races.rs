//! Somebody comes in while it is taken back: behind that nothing of theirs is on record.

use std::collections::HashMap;

use berth_schema::Action;
use berth_schema::audit::{Outcome, Record, What};
use serde_json::{Value, json};

use super::World;
use crate::audit::records;
use crate::support::App;

/// At least so many, and then until somebody was overtaken: without that nothing is shown.
const ROUNDS: usize = 6;
const MOST_ROUNDS: usize = 120;

#[tokio::test]
async fn nobody_is_let_in_on_record_behind_the_end_of_what_was_shared_with_them() {
    App::run(async |app| {
        let replica = app.replica().await;
        let world = World::new(app).await;
        let mut outcomes: HashMap<u16, usize> = HashMap::new();
        let mut was_in = 0;
        for round in 0..MOST_ROUNDS {
            if round >= ROUNDS && outcomes.contains_key(&503) {
                break;
            }
            world.share(app, json!({"user": world.bob.id})).await;
            let code = world.proxy.body(&world.bob.browser, &world.workspace).await;
            let unshare = json!({"port": 8080});
            let (opened, _) = tokio::join!(world.proxy.open(app, &code), world.unshare(&replica, unshare));
            *outcomes.entry(opened.status).or_default() += 1;
            let opened: Option<Value> = (opened.status == 200).then(|| opened.expect(200));
            if let Some(opened) = opened.filter(|opened| opened["decision"] == "allowed") {
                was_in += 1;
                let later = world.decides(app, Some(&opened["grant"]), 8080).await;
                assert_eq!(later["decision"], "denied", "it is taken back");
            }
        }
        let mut is_shared = false;
        for record in records(&world.owner).await {
            let is = |action| record.action == What::Action(action) && record.outcome == Outcome::Done;
            let is_his = |record: &Record| record.who.subject() == Some(world.bob.id);
            if is(Action::SharePort) {
                is_shared = true;
            } else if is(Action::UnsharePort) {
                is_shared = false;
            } else if is(Action::OpenConnection) && is_his(&record) {
                assert!(is_shared, "{record:?}");
            }
        }
        assert!(outcomes.contains_key(&503), "none was overtaken, so that nothing is shown: {outcomes:?}");
        assert!(outcomes.keys().all(|status| matches!(status, 200 | 503)), "{outcomes:?}");
        assert!(was_in <= outcomes[&200]);
        replica.stop().await;
    })
    .await;
}
