//! Who may share a port, what ends a share, and what is no share.

use berth_schema::Problem;
use berth_schema::access::Role;
use berth_schema::api::Paged;
use berth_schema::members::Member;
use berth_schema::ports::{MAX_SHARE_MINUTES, MAX_SHARES, Ports, SharedWith, Shut};
use reqwest::Method;
use serde_json::{Value, json};

use super::{World, no};
use crate::elevations::Person;
use crate::policy::{join, set};
use crate::support::{App, Requests, send};

/// What is wrong with a share of hers, by its fields.
async fn wrong(app: &App, world: &World, how: &str, body: Value) -> Problem {
    let path = format!("/workspaces/hers/ports/{how}");
    let reply = world.ada.post(app, &path, body.clone()).await;
    assert_eq!(reply.status, 422, "{body}: {}", reply.text);
    reply.problem(422, "invalid")
}

#[tokio::test]
async fn what_is_no_share_is_refused_with_the_field() {
    App::run(async |app| {
        let world = World::new(app).await;
        let bob = json!({"user": world.bob.id});
        let owner = &world.owner;
        owner.post(&owner.path("/groups"), &json!({"name": "hidden"})).await.expect::<Value>(201);
        join(owner, Role::Developer).await;
        let newest: Paged<Member> = owner.get(&owner.path("/members?limit=1")).await.expect(200);
        let robot = newest.items[0].id;
        for (how, body, field, words) in [
            ("share", json!({"port": 60_001, "with": bob}), "port", "opens all of the workspace"),
            ("share", json!({"port": 60_022, "with": "organization"}), "port", "opens all of the workspace"),
            ("publish", json!({"port": 60_001}), "port", ""),
            ("share", json!({"port": 3000, "with": bob}), "port", "8080, 9000"),
            ("share", json!({"port": 8080, "with": bob, "minutes": 0}), "minutes", "from 1"),
            ("share", json!({"port": 8080, "with": bob, "minutes": MAX_SHARE_MINUTES + 1}), "minutes", ""),
            ("share", json!({"port": 8080, "with": "public"}), "with", "publish"),
            ("share", json!({"port": 8080, "with": {"user": world.ada.id}}), "with", "whose workspace"),
            ("share", json!({"port": 8080, "with": {"user": robot}}), "with", "tokens alone"),
            ("share", json!({"port": 8080, "with": {"user": "Bob"}}), "with", "must be an id"),
            ("share", json!({"port": 8080, "with": {"user": world.workspace}}), "with", "nobody"),
            ("share", json!({"port": 8080, "with": {"group": "nowhere"}}), "with", "there is not"),
            ("unshare", json!({"port": 8080}), "port", "not shared"),
            ("unshare", json!({"port": 8080, "with": {"user": "Bob"}}), "with", "not shared"),
        ] {
            // With rules by which it might be.
            if how == "publish" {
                world.lets_publish().await;
            }
            let problem = wrong(app, &world, how, body.clone()).await;
            let [error] = problem.errors.as_slice() else { panic!("{body}: {problem:?}") };
            assert_eq!(error.field, field, "{body}");
            assert!(error.message.contains(words), "{body}: {}", error.message);
        }
        // So many, and then one more instead of another.
        for number in 0..MAX_SHARES {
            app.execute(&format!(
                "INSERT INTO groups (organization_id, id, name, created_at) VALUES ('{}', gen_random_uuid(), 'g{number}', now())",
                owner.organization()
            ))
            .await;
            world.share(app, json!({"group": format!("g{number}")})).await;
        }
        let one_more = json!({"port": 9000, "with": "organization"});
        let full = world.ada.post(app, "/workspaces/hers/ports/share", one_more.clone()).await;
        full.problem(403, "quota-exceeded");
        world.unshare(app, json!({"port": 8080, "with": {"group": "g3"}})).await;
        world.ada.post(app, "/workspaces/hers/ports/share", one_more).await.expect::<Ports>(200);
    })
    .await;
}

#[tokio::test]
async fn whose_workspace_it_is_shares_and_nobody_else_but_whoever_looks_after_it_takes_it_back() {
    App::run(async |app| {
        let world = World::new(app).await;
        world.lets_publish().await;
        let with = json!({"port": 8080, "with": {"user": world.bob.id}});
        for role in [Role::Owner, Role::Maintainer, Role::Viewer, Role::Auditor] {
            let other = join(&world.owner, role).await;
            let share = other.post(&other.path("/workspaces/hers/ports/share"), &with).await;
            share.problem(403, "forbidden");
            let publish = other.path("/workspaces/hers/ports/publish");
            other.post(&publish, &json!({"port": 8080})).await.problem(403, "forbidden");
            other.get(&other.path("/workspaces/hers/ports")).await.expect::<Ports>(200);
            world.share(app, json!({"user": world.bob.id})).await;
            let unshare = other.path("/workspaces/hers/ports/unshare");
            let unshared = other.post(&unshare, &json!({"port": 8080})).await;
            let looks_after = matches!(role, Role::Owner | Role::Maintainer);
            assert_eq!(unshared.status, if looks_after { 200 } else { 403 }, "{role}");
        }
        for path in ["share", "publish", "unshare"] {
            let path = format!("/workspaces/hers/ports/{path}");
            world.bob.post(app, &path, json!({})).await.problem(404, "not-found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_share_ends_with_what_its_owner_may_and_with_its_time() {
    App::run(async |app| {
        let world = World::new(app).await;
        world.share(app, json!({"user": world.bob.id})).await;
        let opened = world.opens(app, &world.bob).await;
        let grant = &opened["grant"];
        let decision = async || world.decides(app, Some(grant), 8080).await["decision"].clone();
        assert_eq!(decision().await, "allowed");
        let change = async |whose: &Person, change: Value| {
            let path = world.owner.path(&format!("/members/{}", whose.id));
            send(world.owner.request(Method::PATCH, &path).json(&change)).await.expect::<Value>(200);
        };
        // Whoever shares, and whoever it is shared with.
        for (whose, taken, given) in [
            (&world.ada, json!({"suspended": true}), json!({"suspended": false})),
            (&world.ada, json!({"role": "viewer"}), json!({"role": "developer"})),
            (&world.bob, json!({"suspended": true}), json!({"suspended": false})),
        ] {
            change(whose, taken.clone()).await;
            assert_eq!(decision().await, "denied", "{taken}");
            change(whose, given).await;
            assert_eq!(decision().await, "allowed");
        }
        // A viewer opens what is shared with them; rules may say otherwise.
        change(&world.bob, json!({"role": "viewer"})).await;
        assert_eq!(decision().await, "allowed");
        let closed = "@id(\"own-alone\") forbid (principal, action == Action::\"connection.open\", resource) when { context.shared };";
        set(&world.owner, &format!("{}\n{closed}", berth_policy::BUILT_IN)).await.expect::<Value>(200);
        assert_eq!(world.decides(app, Some(grant), 8080).await, no("policy"));
        set(&world.owner, berth_policy::BUILT_IN).await.expect::<Value>(200);
        assert_eq!(decision().await, "allowed");
        // What cannot hold later is not shared.
        let here = "@id(\"here\") forbid (principal, action == Action::\"workspace.share-port\", resource) unless { context has address };";
        set(&world.owner, &format!("{}\n{here}", berth_policy::BUILT_IN)).await.expect::<Value>(200);
        let body = json!({"port": 9000, "with": "organization"});
        let refused = world.ada.post(app, "/workspaces/hers/ports/share", body).await;
        assert!(refused.problem(403, "forbidden").detail.contains("here"));
        set(&world.owner, berth_policy::BUILT_IN).await.expect::<Value>(200);

        app.execute("UPDATE port_shares SET created_at = now() - interval '1 hour', expires_at = now()").await;
        assert_eq!(world.decides(app, Some(grant), 8080).await, no("workspace"));
        let ports: Ports = world.ada.get(app, "/workspaces/hers/ports").await.expect(200);
        assert!(ports.items[0].shares.is_empty(), "what is over is not shown");
        world.share(app, json!({"user": world.bob.id})).await;
        assert_eq!(app.count("SELECT count(*) FROM port_shares").await, 1, "nor kept for good");
        // Whoever was removed and comes back begins anew.
        let path = world.owner.path(&format!("/members/{}", world.bob.id));
        send(world.owner.request(Method::DELETE, &path)).await.expect::<Value>(200);
        assert_eq!(app.count("SELECT count(*) FROM port_shares").await, 0);
        world.ada.post(app, "/workspaces/hers/terminate", json!({})).await;
        let body = json!({"port": 8080, "with": "organization"});
        let refused = world.ada.post(app, "/workspaces/hers/ports/share", body).await;
        assert_eq!(refused.status, 409, "{}", refused.text);
    })
    .await;
}

#[tokio::test]
async fn a_share_that_lets_nobody_in_now_is_listed_with_why_and_as_good_again_when_it_does() {
    App::run(async |app| {
        let world = World::new(app).await;
        world.lets_publish().await;
        world.publishes(app).await.expect::<Ports>(200);
        world.share(app, json!({"user": world.bob.id})).await;
        let here = world.owner.path("/workspaces/hers/ports");
        // Public first, then Bob's: as the door judges them.
        let shut = async |world: &World| {
            let ports: Ports = world.owner.get(&here).await.expect(200);
            let of = |public: bool| {
                let share =
                    ports.items[0].shares.iter().find(|one| (one.with == SharedWith::Public) == public);
                share.expect("a share").shut
            };
            assert_eq!(world.decides(app, None, 8080).await["decision"] == "allowed", of(true).is_none());
            // What is public lets Bob in, too.
            let is_open = of(true).is_none() || of(false).is_none();
            assert_eq!(world.opens(app, &world.bob).await["decision"] == "allowed", is_open);
            [of(true), of(false)]
        };
        let change = async |world: &World, change: Value| {
            let path = world.owner.path(&format!("/members/{}", world.ada.id));
            send(world.owner.request(Method::PATCH, &path).json(&change)).await.expect::<Value>(200);
        };
        assert_eq!(shut(&world).await, [None, None]);
        set(&world.owner, berth_policy::BUILT_IN).await.expect::<Value>(200);
        assert_eq!(shut(&world).await, [Some(Shut::Rule), None]);
        let page = world.ada.browser.get("/organizations/acme/workspaces/hers/ports").await.text;
        let told = "It lets nobody in now: a rule of the organization forbids it.";
        assert_eq!(page.matches(told).count(), 1, "{page}");
        world.lets_publish().await;
        change(&world, json!({"suspended": true})).await;
        assert_eq!(shut(&world).await, [Some(Shut::Suspended); 2]);
        change(&world, json!({"suspended": false})).await;
        change(&world, json!({"role": "viewer"})).await;
        assert_eq!(shut(&world).await[1], Some(Shut::NotPermitted));
        change(&world, json!({"role": "developer"})).await;
        assert_eq!(shut(&world).await, [None, None]);
    })
    .await;
}
