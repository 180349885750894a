//! How a role for a time ends.

use berth_schema::access::Role;
use berth_schema::audit::Who;
use berth_schema::elevations::{Elevation, ElevationState};
use berth_server::clock;
use berth_server::services::elevations::record_ends;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Person, found, pass_time};
use crate::audit::records;
use crate::connections::{Proxy, workspace_of};
use crate::support::{App, Requests, send};

#[tokio::test]
async fn it_ends_by_itself_whatever_the_task_does_and_the_task_puts_it_on_record_once() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let given = ada.asks(app, "", Role::Maintainer).await;
        boss.decides(app, &given, "approve").await.expect::<Elevation>(200);
        let lapsed = ada.asks(app, "", Role::Owner).await;
        assert_eq!(ada.sets_variable(app).await, 200);
        pass_time(app, &given).await;
        let id = lapsed.id;
        app.execute(&format!("UPDATE elevations SET decide_by = now(), due_at = now() WHERE id = '{id}'"))
            .await;
        assert_eq!(ada.sets_variable(app).await, 403, "nothing has run");
        boss.decides(app, &lapsed, "approve").await.problem(409, "elevation-over");
        boss.decides(app, &given, "approve").await.problem(409, "elevation-over");
        ada.decides(app, &given, "end").await.problem(409, "elevation-over");

        let run = |app: &App| app.run_at(clock::now());
        let (here, there) = (run(app), run(&replica));
        let (one, other) =
            tokio::join!(record_ends(&here, &app.database_url), record_ends(&there, &app.database_url));
        one.and(other).expect("both have looked");
        record_ends(&here, &app.database_url).await.expect("nothing is left");
        let all = records(&owner).await;
        for word in ["elevation.expire", "elevation.lapse"] {
            let of: Vec<_> = all.iter().filter(|record| record.action.as_str() == word).collect();
            assert_eq!(of.len(), 1, "{word}");
            assert!(matches!(of[0].who, Who::Task { .. }), "{:?}", of[0]);
        }
        let states = [found(&owner, &given).await.state, found(&owner, &lapsed).await.state];
        assert_eq!(states, [ElevationState::Expired, ElevationState::Lapsed]);
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn with_a_suspension_or_a_removal_it_ends_for_good() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let given = ada.asks(app, "", Role::Maintainer).await;
        boss.decides(app, &given, "approve").await.expect::<Elevation>(200);
        let pending = ada.asks(app, "", Role::Owner).await;
        let member = owner.path(&format!("/members/{}", ada.id));
        for suspended in [true, false] {
            let change = owner.request(Method::PATCH, &member).json(&json!({"suspended": suspended}));
            send(change).await.expect::<Value>(200);
        }
        assert_eq!(ada.sets_variable(app).await, 403, "let in again she is what she was before");
        let states = [found(&owner, &given).await.state, found(&owner, &pending).await.state];
        assert_eq!(states, [ElevationState::Ended, ElevationState::Withdrawn]);
        let all = records(&owner).await;
        let changed = all.iter().find(|record| record.action.as_str() == "member.change").expect("on record");
        let details = serde_json::to_value(&changed.details).expect("JSON");
        assert_eq!(details["member_changed"]["elevations"], json!(2));

        let again = ada.asks(app, "", Role::Maintainer).await;
        boss.decides(app, &again, "approve").await.expect::<Elevation>(200);
        send(owner.request(Method::DELETE, &member)).await.expect::<Value>(200);
        assert_eq!(found(&owner, &again).await.state, ElevationState::Ended);
    })
    .await;
}

/// The stream of an organisation's events ends when the role does by which it was opened.
#[tokio::test]
async fn a_stream_ends_with_the_role_that_it_was_opened_by() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Auditor).await;
        let given = ada.asks(app, "", Role::Maintainer).await;
        boss.decides(app, &given, "approve").await.expect::<Elevation>(200);
        let id = given.id;
        let soon = "now() + interval '1500 milliseconds'";
        app.execute(&format!("UPDATE elevations SET ends_at = {soon}, due_at = {soon} WHERE id = '{id}'"))
            .await;
        let stream = ada.at(app).request(Method::GET, "/api/v1/organizations/acme/events");
        let mut stream = stream.send().await.expect("it is opened");
        assert_eq!(stream.status(), 200);
        let end = async { while stream.chunk().await.expect("a whole stream").is_some() {} };
        tokio::time::timeout(std::time::Duration::from_secs(4), end).await.expect("it ends");
    })
    .await;
}

#[tokio::test]
async fn nobody_is_in_a_workspace_for_longer_than_the_role_that_lets_them() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let agent = owner.create_agent("cluster").await;
        let proxy = Proxy::of(&owner, &agent).await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let mut ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let workspace = workspace_of(app, &mut ada.browser).await;
        app.execute(&format!("UPDATE subjects SET role = 'viewer' WHERE id = '{}'", ada.id)).await;
        let opened: Value = proxy.open(app, &proxy.body(&ada.browser, &workspace).await).await.expect(200);
        assert_eq!(opened["why"], json!("policy"), "{opened}");

        let asked = ada.asks(app, "", Role::Developer).await;
        let given: Elevation = boss.decides(app, &asked, "approve").await.expect(200);
        let opened: Value = proxy.open(app, &proxy.body(&ada.browser, &workspace).await).await.expect(200);
        let ends_at = json!(given.ends_at);
        assert_eq!(opened["until"], ends_at, "{opened}");
        // A grant is signed with whole seconds.
        let grant_until: jiff::Timestamp =
            serde_json::from_value(opened["grant_until"].clone()).expect("a time");
        let end = given.ends_at.expect("it is given");
        assert_eq!(grant_until.as_second(), end.as_second(), "{opened}");
        let all = records(&owner).await;
        let record = all.iter().rev().find(|record| record.action.as_str() == "connection.open");
        assert_eq!(record.and_then(|record| record.elevation), Some(given.id));
        pass_time(app, &asked).await;
        let decided = proxy.decide(app, &opened["grant"], &workspace).await;
        assert_eq!(decided["why"], json!("policy"), "{decided}");
    })
    .await;
}
