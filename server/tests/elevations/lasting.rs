//! Nothing of a role for a time is there when it has ended.

use berth_schema::access::Role;
use berth_schema::elevations::{Elevation, ElevationState};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Person, found};
use crate::support::{Admin, App, Reply, Requests as _, send};

async fn tree(owner: &Admin) {
    for (at, name) in [("/groups", "site"), ("/groups", "hers"), ("/groups/site/groups", "sub")] {
        owner.post(&owner.path(at), &json!({"name": name})).await.expect::<Value>(201);
    }
    owner.post(&owner.path("/groups/site/projects"), &json!({"name": "api"})).await.expect::<Value>(201);
}

async fn gives(owner: &Admin, at: &str, member: &str, role: Role) {
    let path = owner.path(&format!("/groups/{at}/members"));
    owner.put(&path, &json!({"member": member, "role": role})).await.expect::<Value>(200);
}

async fn moves(app: &App, who: &Person, from: &str, to: &str) -> Reply {
    let path = format!("/api/v1/organizations/acme{from}");
    send(who.at(app).request(Method::PATCH, &path).json(&json!({"path": to}))).await
}

#[tokio::test]
async fn nobody_moves_to_where_they_are_more_for_good_what_they_are_something_of_for_a_time() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        tree(&owner).await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        for (at, for_good, for_a_time) in [
            ("", Role::Maintainer, Role::Owner),
            ("", Role::Owner, Role::Owner),
            ("/groups/site", Role::Maintainer, Role::Maintainer),
        ] {
            gives(&owner, "hers", "Ada", for_good).await;
            let asked = ada.asks(app, at, for_a_time).await;
            boss.decides(app, &asked, "approve").await.expect::<Elevation>(200);
            for (from, to) in [("/groups/site%2Fsub", "hers/sub"), ("/projects/site%2Fapi", "hers/api")] {
                let moved = moves(app, &ada, from, to).await;
                let problem = moved.problem(422, "invalid");
                assert!(problem.errors[0].message.contains("where you are more"), "{at} {from}: {problem:?}");
            }
            ada.decides(app, &asked, "end").await.expect::<Elevation>(200);
        }
        // Where she is no more than before, a role for a time moves.
        gives(&owner, "hers", "Ada", Role::Viewer).await;
        let asked = ada.asks(app, "", Role::Maintainer).await;
        boss.decides(app, &asked, "approve").await.expect::<Elevation>(200);
        moves(app, &ada, "/projects/site%2Fapi", "site/sub/api").await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn whoever_is_an_owner_for_a_time_takes_nothing_away_for_good() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        tree(&owner).await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let zoe = Person::join(app, &owner, "Zoe", Role::Developer).await;
        gives(&owner, "site", "Zoe", Role::Developer).await;
        let asked = ada.asks(app, "", Role::Owner).await;
        boss.decides(app, &asked, "approve").await.expect::<Elevation>(200);
        let zoes = zoe.asks(app, "/groups/site", Role::Maintainer).await;
        boss.decides(app, &zoes, "approve").await.expect::<Elevation>(200);

        ada.decides(app, &zoes, "end").await.problem(403, "forbidden");
        let taken = ada.post(app, "/groups/site/members/remove", json!({"member": "Zoe"})).await;
        taken.problem(403, "forbidden");
        let member = format!("/api/v1/organizations/acme/members/{}", zoe.id);
        send(ada.at(app).request(Method::DELETE, &member)).await.problem(403, "forbidden");
        assert_eq!(found(&owner, &zoes).await.state, ElevationState::Active);
        // That can be given back, and is what such a role may be for.
        let suspend = ada.at(app).request(Method::PATCH, &member).json(&json!({"suspended": true}));
        send(suspend).await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn whoever_could_not_give_a_role_neither_refuses_nor_ends_it() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        tree(&owner).await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let max = Person::join(app, &owner, "Max", Role::Maintainer).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let asked = ada.asks(app, "/groups/site", Role::Owner).await;
        for how in ["approve", "refuse", "end"] {
            let problem = max.decides(app, &asked, how).await.problem(422, "invalid");
            assert_eq!(problem.errors[0].field, "role", "{how}");
        }
        let page = max.browser.get("/organizations/acme/elevations").await.text;
        assert!(!page.contains(&format!("{}/", asked.id)), "nothing is offered: {page}");
        let mine = max.asks(app, "", Role::Owner).await;
        let page = max.browser.get("/organizations/acme/elevations").await.text;
        assert!(page.contains(&format!("{}/end", mine.id)), "what is one's own can be taken back: {page}");
        boss.decides(app, &asked, "approve").await.expect::<Elevation>(200);
        max.decides(app, &asked, "end").await.problem(422, "invalid");
        let less = ada.asks(app, "/groups/site", Role::Maintainer).await;
        max.decides(app, &less, "refuse").await.expect::<Elevation>(200);
    })
    .await;
}

#[tokio::test]
async fn another_role_in_the_organisation_ends_what_somebody_is_beside_it() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let given = ada.asks(app, "", Role::Maintainer).await;
        boss.decides(app, &given, "approve").await.expect::<Elevation>(200);
        let wish = ada.asks(app, "", Role::Owner).await;
        let path = owner.path(&format!("/members/{}", ada.id));
        send(owner.request(Method::PATCH, &path).json(&json!({"role": "viewer"}))).await.expect::<Value>(200);
        assert_eq!(ada.sets_variable(app).await, 403);
        assert_eq!(found(&owner, &given).await.state, ElevationState::Ended);
        assert_eq!(found(&owner, &wish).await.state, ElevationState::Withdrawn);
    })
    .await;
}
