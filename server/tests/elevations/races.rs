//! What two do at the same moment.

use berth_schema::access::Role;
use berth_schema::elevations::{Elevation, ElevationState};
use reqwest::Method;
use serde_json::json;

use super::{Person, found};
use crate::audit::records;
use crate::support::{App, Requests, send};

const ROUNDS: usize = 8;

#[tokio::test]
async fn of_two_who_decide_at_once_one_does() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let one = Person::join(app, &owner, "Grace", Role::Owner).await;
        let other = Person::join(app, &owner, "Linus", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        for round in 0..ROUNDS {
            let asked = ada.asks(app, "", Role::Maintainer).await;
            let second = if round % 2 == 0 { "approve" } else { "refuse" };
            let (first, second) =
                tokio::join!(one.decides(app, &asked, "approve"), other.decides(&replica, &asked, second));
            let mut both = [first.status, second.status];
            both.sort_unstable();
            assert_eq!(both, [200, 409], "{} {}", first.text, second.text);
            let end = found(&owner, &asked).await;
            if end.state == ElevationState::Active {
                ada.decides(app, &asked, "end").await.expect::<Elevation>(200);
            }
        }
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn whoever_is_suspended_at_that_moment_has_nothing_afterwards() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let member = owner.path(&format!("/members/{}", ada.id));
        for _ in 0..ROUNDS {
            let asked = ada.asks(app, "", Role::Maintainer).await;
            let suspend = owner.request(Method::PATCH, &member).json(&json!({"suspended": true}));
            let (suspended, approved) =
                tokio::join!(send(suspend), boss.decides(&replica, &asked, "approve"));
            assert_eq!(suspended.status, 200, "{}", suspended.text);
            assert!(matches!(approved.status, 200 | 409), "{}", approved.text);
            let state = found(&owner, &asked).await.state;
            assert!(matches!(state, ElevationState::Ended | ElevationState::Withdrawn), "{state:?}");
            let again = owner.request(Method::PATCH, &member).json(&json!({"suspended": false}));
            assert_eq!(send(again).await.status, 200);
            assert_eq!(ada.sets_variable(app).await, 403);
        }
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn nothing_done_by_a_role_is_on_record_behind_its_end() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        for _ in 0..ROUNDS {
            let asked = ada.asks(app, "", Role::Maintainer).await;
            boss.decides(app, &asked, "approve").await.expect::<Elevation>(200);
            let sets = futures::future::join_all((0..5).map(|_| ada.sets_variable(&replica)));
            let (ended, set) = tokio::join!(boss.decides(app, &asked, "end"), sets);
            assert_eq!(ended.status, 200, "{}", ended.text);
            assert!(set.iter().all(|status| matches!(status, 200 | 403 | 503)), "{set:?}");
        }
        let mut ended = Vec::new();
        for record in records(&owner).await {
            assert!(record.elevation.is_none_or(|by| !ended.contains(&by.to_string())), "{record:?}");
            if record.action.as_str() == "elevation.end" {
                ended.extend(record.resource.id().map(str::to_owned));
            }
        }
        assert_eq!(ended.len(), ROUNDS);
        replica.stop().await;
    })
    .await;
}
