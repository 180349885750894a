//! Ports, and whom they are shared with (decision 0082).

mod opened;
mod page;
mod races;
mod rights;

use berth_schema::access::Role;
use berth_schema::audit::{Concern, Details};
use berth_schema::connection::Changes;
use berth_schema::ports::{Audience, Ports, SharedWith};
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::{records, since};
use crate::connections::Proxy;
use crate::elevations::Person;
use crate::policy::set;
use crate::support::{Admin, App, Reply, Requests, send};

pub(crate) const DEVFILE: &str = "
schemaVersion: 2.3.0
metadata: {name: hers}
components:
  - name: main
    container:
      image: debian:13
      endpoints:
        - {name: web, targetPort: 8080}
        - {name: other, targetPort: 9000}
";

/// Ada's workspace, `hers`, in which 8080 and 9000 are ports, and Bob, who may see nothing of it.
pub(crate) struct World {
    pub(crate) owner: Admin,
    pub(crate) proxy: Proxy,
    pub(crate) ada: Person,
    pub(crate) bob: Person,
    pub(crate) workspace: String,
}

impl World {
    pub(crate) async fn new(app: &App) -> Self {
        let owner = app.organization("acme").await;
        let proxy = Proxy::of(&owner, &owner.create_agent("cluster").await).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let bob = Person::join(app, &owner, "Bob", Role::Developer).await;
        let wanted = json!({"name": "hers", "devfile": DEVFILE, "agent": "cluster"});
        let made: Value = ada.post(app, "/workspaces", wanted).await.expect(201);
        let workspace = made["id"].as_str().expect("an id").to_owned();
        Self { owner, proxy, ada, bob, workspace }
    }

    pub(crate) async fn share(&self, app: &App, with: Value) -> Ports {
        let body = json!({"port": 8080, "with": with, "minutes": 60});
        self.ada.post(app, "/workspaces/hers/ports/share", body).await.expect(200)
    }

    async fn unshare(&self, app: &App, body: Value) -> Ports {
        self.ada.post(app, "/workspaces/hers/ports/unshare", body).await.expect(200)
    }

    /// What Bob's browser comes to with a code at port 8080.
    pub(crate) async fn opens(&self, app: &App, who: &Person) -> Value {
        let body = self.proxy.body(&who.browser, &self.workspace).await;
        self.proxy.open(app, &body).await.expect(200)
    }

    /// What it comes to later; without a grant, what whoever has not signed in comes to.
    pub(crate) async fn decides(&self, app: &App, grant: Option<&Value>, port: u16) -> Value {
        self.decides_by(app, &self.proxy, grant, port).await
    }

    async fn decides_by(&self, app: &App, proxy: &Proxy, grant: Option<&Value>, port: u16) -> Value {
        let path = format!("/api/v1/proxy/decision?workspace={}&name=hers&port={port}", self.workspace);
        let request = app.anyone(Some(&proxy.token)).request(Method::GET, &path);
        let request = match grant {
            Some(grant) => request.header("berth-grant", grant.as_str().expect("a grant")),
            None => request,
        };
        send(request).await.expect(200)
    }

    async fn changes(&self, app: &App, after: Option<u64>) -> Changes {
        self.changes_by(app, &self.proxy, after).await
    }

    async fn changes_by(&self, app: &App, proxy: &Proxy, after: Option<u64>) -> Changes {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let path = format!("/api/v1/proxy/changes?wait=0{after}");
        send(app.anyone(Some(&proxy.token)).request(Method::GET, &path)).await.expect(200)
    }

    async fn publishes(&self, app: &App) -> Reply {
        let body = json!({"port": 8080, "minutes": 60});
        self.ada.post(app, "/workspaces/hers/ports/publish", body).await
    }

    async fn lets_publish(&self) {
        let_publish(&self.owner).await;
    }
}

/// The organisation's rules let ports be public from now on.
pub(crate) async fn let_publish(owner: &Admin) {
    let forbids = "@id(\"nothing-is-public\")\nforbid";
    assert!(berth_policy::BUILT_IN.contains(forbids));
    let rules = berth_policy::BUILT_IN.replace(forbids, "@id(\"some-is\")\npermit");
    set(owner, &rules).await.expect::<Value>(200);
}

fn no(why: &str) -> Value {
    json!({"decision": "denied", "why": why})
}

#[tokio::test]
async fn a_port_that_is_shared_with_somebody_lets_them_in_there_and_nowhere_else_until_it_is_taken_back() {
    App::run(async |app| {
        let world = World::new(app).await;
        let ports: Ports = world.ada.get(app, "/workspaces/hers/ports").await.expect(200);
        let named: Vec<_> = ports.items.iter().map(|port| (port.name.as_str(), port.port)).collect();
        assert_eq!(named, [("web", 8080), ("other", 9000)]);
        assert!(ports.items.iter().all(|port| port.shares.is_empty()), "private");
        assert_eq!(world.opens(app, &world.bob).await, no("workspace"));

        let before = records(&world.owner).await.len();
        let shared = world.share(app, json!({"user": world.bob.id})).await;
        let [share] = shared.items[0].shares.as_slice() else { panic!("{shared:?}") };
        assert!(matches!(&share.with, SharedWith::User(who) if who.id == world.bob.id && who.name == "Bob"));
        assert!(shared.items[1].shares.is_empty());
        let head = world.changes(app, None).await.head;
        let opened = world.opens(app, &world.bob).await;
        assert_eq!(opened["decision"], "allowed", "{opened}");
        assert_eq!(opened["grounds"]["sharer"], json!(world.ada.id));
        assert_eq!(opened["until"], json!(share.expires_at), "and no longer");
        let grant = &opened["grant"];
        assert_eq!(world.decides(app, Some(grant), 8080).await["decision"], "allowed");
        for (port, why) in [(9000, "workspace"), (60_001, "workspace"), (60_022, "workspace")] {
            assert_eq!(world.decides(app, Some(grant), port).await, no(why), "{port}");
        }
        assert_eq!(
            world.decides(app, None, 8080).await,
            no("session"),
            "whoever has not signed in is nobody"
        );
        // The workspace itself is as little there for him as before, and no program of his gets in.
        for path in ["/workspaces/hers", "/workspaces/hers/ports"] {
            world.bob.get(app, path).await.problem(404, "not-found");
        }
        world.bob.post(app, "/workspaces/hers/connection", json!({})).await.problem(404, "not-found");

        // Again is another end, and no second share.
        let again = json!({"port": 8080, "with": {"user": world.bob.id}, "minutes": 1});
        let shorter: Ports = world.ada.post(app, "/workspaces/hers/ports/share", again).await.expect(200);
        assert_eq!(shorter.items[0].shares.len(), 1);
        let until = shorter.items[0].shares[0].expires_at;
        assert!(until < share.expires_at);
        assert_eq!(world.decides(app, Some(grant), 8080).await["until"], json!(until));

        let left = world.unshare(app, json!({"port": 8080, "with": {"user": "Bob"}})).await;
        assert!(left.items[0].shares.is_empty());
        assert_eq!(world.decides(app, Some(grant), 8080).await, no("workspace"));
        let told = world.changes(app, Some(head)).await;
        assert_eq!(told.concerns, [Concern::Workspace(world.workspace.parse().expect("an id"))]);
        let done = since(&world.owner, before).await;
        let done: Vec<_> = done.iter().filter(|record| record.outcome.as_str() == "done").collect();
        let words: Vec<_> = done.iter().map(|record| record.action.as_str()).collect();
        let expected =
            ["workspace.share-port", "connection.open", "workspace.share-port", "workspace.unshare-port"];
        assert_eq!(words, expected);
        let with = Audience::User(world.bob.id);
        assert!(
            matches!(&done[0].details, Details::PortShared { port: 8080, with: its, .. } if *its == with)
        );
        assert!(matches!(&done[1].details, Details::ConnectionOpened { shared: true, .. }));
        assert_eq!(done[3].details, Details::PortUnshared { port: 8080, with: vec![with] });
    })
    .await;
}

#[tokio::test]
async fn a_group_is_who_is_in_it_now_and_ends_with_its_share() {
    App::run(async |app| {
        let world = World::new(app).await;
        let owner = &world.owner;
        for (at, name) in
            [("/groups", "platform"), ("/groups/platform/groups", "payments"), ("/groups", "other")]
        {
            owner.post(&owner.path(at), &json!({"name": name})).await.expect::<Value>(201);
        }
        let member = json!({"member": world.bob.id, "role": "viewer"});
        let put = async |group: &str| {
            let path = owner.path(&format!("/groups/{group}/members"));
            owner.put(&path, &member).await.expect::<Value>(200);
        };
        world.share(app, json!({"group": "platform"})).await;
        put("other").await;
        assert_eq!(world.opens(app, &world.bob).await, no("workspace"));
        put("platform%2Fpayments").await;
        let opened = world.opens(app, &world.bob).await;
        assert_eq!(opened["decision"], "allowed", "a group in it: {opened}");
        let take = owner.path("/groups/platform%2Fpayments/members/remove");
        owner.post(&take, &json!({"member": world.bob.id})).await.expect::<Value>(200);
        assert_eq!(world.decides(app, Some(&opened["grant"]), 8080).await, no("workspace"));
        // At a group above it one is something at it.
        world.unshare(app, json!({"port": 8080})).await;
        world.share(app, json!({"group": "platform/payments"})).await;
        put("platform").await;
        assert_eq!(world.decides(app, Some(&opened["grant"]), 8080).await["decision"], "allowed");
        let delete = owner.path("/groups/platform%2Fpayments");
        let deleted = send(owner.request(Method::DELETE, &delete)).await;
        assert!(deleted.status < 300, "{}", deleted.text);
        assert_eq!(world.decides(app, Some(&opened["grant"]), 8080).await, no("workspace"));
        let ports: Ports = world.ada.get(app, "/workspaces/hers/ports").await.expect(200);
        assert!(ports.items[0].shares.is_empty());

        world.share(app, json!("organization")).await;
        assert_eq!(world.decides(app, Some(&opened["grant"]), 8080).await["decision"], "allowed");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_public_until_the_organisations_rules_say_so_and_then_nobody_has_to_sign_in() {
    App::run(async |app| {
        let world = World::new(app).await;
        let refused = world.publishes(app).await.problem(403, "forbidden");
        assert!(refused.detail.contains("nothing-is-public"), "{refused:?}");
        assert_eq!(world.decides(app, None, 8080).await, no("session"));
        world.lets_publish().await;
        let before = world.changes(app, None).await;
        assert!(before.public.is_empty());
        let ports: Ports = world.publishes(app).await.expect(200);
        assert_eq!(ports.items[0].shares[0].with, SharedWith::Public);
        let told = world.changes(app, Some(before.head)).await;
        let workspace = world.workspace.parse().expect("an id");
        assert_eq!(told.concerns, [Concern::Workspace(workspace)]);
        assert_eq!(told.public, [berth_schema::ports::PublicPort { workspace, port: 8080 }]);
        let allowed = world.decides(app, None, 8080).await;
        assert_eq!(allowed["decision"], "allowed", "{allowed}");
        assert_eq!(allowed["grounds"]["sharer"], json!(world.ada.id));
        assert!(allowed["grounds"].get("session").is_none() && allowed.get("grant").is_none());
        assert_eq!(world.decides(app, None, 9000).await, no("session"));
        assert_eq!(world.opens(app, &world.bob).await["decision"], "allowed", "whoever has, gets in as well");
        let other = Proxy::of(&world.owner, &world.owner.create_agent("second").await).await;
        assert_eq!(world.decides_by(app, &other, None, 8080).await, no("session"), "another agent's proxy");
        assert!(world.changes_by(app, &other, None).await.public.is_empty());

        // Rules that forbid it again end it, and so does taking it back.
        set(&world.owner, berth_policy::BUILT_IN).await.expect::<Value>(200);
        assert_eq!(world.decides(app, None, 8080).await, no("session"));
        world.lets_publish().await;
        assert_eq!(world.decides(app, None, 8080).await["decision"], "allowed");
        world.unshare(app, json!({"port": 8080, "with": "public"})).await;
        assert_eq!(world.decides(app, None, 8080).await, no("session"));
        assert!(world.changes(app, None).await.public.is_empty());
    })
    .await;
}
