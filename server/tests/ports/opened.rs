//! Ports that no devfile declares, opened by whose workspace it is (decision 0085).

use berth_schema::access::Role;
use berth_schema::api::Workspace;
use berth_schema::audit::{Concern, Details};
use berth_schema::ports::{Audience, MAX_OPEN_MINUTES, MAX_OPENED, Port, Ports, Shut};
use serde_json::{Value, json};

use super::{World, no};
use crate::audit::{records, since};
use crate::policy::{join, set};
use crate::support::{App, Reply, Requests};

const PORT: u16 = 3000;

impl World {
    async fn asks(&self, app: &App, what: &str, body: Value) -> Reply {
        self.ada.post(app, &format!("/workspaces/hers/{what}"), body).await
    }

    async fn open_port(&self, app: &App, body: Value) -> Ports {
        self.asks(app, "ports/open", body).await.expect(200)
    }

    async fn ports(&self, app: &App) -> Ports {
        self.ada.get(app, "/workspaces/hers/ports").await.expect(200)
    }

    /// What Ada's browser goes on by.
    async fn her_grant(&self, app: &App) -> Value {
        let opened = self.opens(app, &self.ada).await;
        assert_eq!(opened["decision"], "allowed", "{opened}");
        opened["grant"].clone()
    }

    /// The same of Bob, with whom 8080 is shared.
    async fn his_grant(&self, app: &App) -> Value {
        self.share(app, json!({"user": self.bob.id})).await;
        self.opens(app, &self.bob).await["grant"].clone()
    }
}

fn opened(ports: &Ports) -> Vec<&Port> {
    ports.items.iter().filter(|port| port.opened.is_some()).collect()
}

#[tokio::test]
async fn a_port_that_no_devfile_declares_opens_for_whose_workspace_it_is_until_they_close_it() {
    App::run(async |app| {
        let world = World::new(app).await;
        let (hers, his) = (world.her_grant(app).await, world.his_grant(app).await);
        let decides = async |grant: &Value| world.decides(app, Some(grant), PORT).await;
        assert_eq!(decides(&hers).await, no("port"), "she may open it");
        assert_eq!(decides(&his).await, no("workspace"), "he may know nothing of it");
        assert_eq!(world.decides(app, None, PORT).await, no("session"));
        assert_eq!(world.decides(app, Some(&hers), 8080).await["decision"], "allowed", "it is declared");

        let before = records(&world.owner).await.len();
        let ports = world.open_port(app, json!({"port": PORT, "name": "preview", "minutes": 60})).await;
        let [port] = opened(&ports)[..] else { panic!("{ports:?}") };
        assert_eq!((port.port, port.name.as_str(), port.shares.len()), (PORT, "preview", 0));
        let until = port.opened.expect("open").expires_at;
        let allowed = decides(&hers).await;
        assert_eq!((&allowed["decision"], &allowed["until"]), (&json!("allowed"), &json!(until)));
        assert!(allowed["grounds"].get("sharer").is_none(), "it is hers: {allowed}");
        assert_eq!(world.decides(app, Some(&hers), PORT + 1).await, no("port"));
        assert_eq!(decides(&his).await, no("workspace"), "it is open to her alone");
        assert_eq!(world.decides(app, None, PORT).await, no("session"));

        // It is shared as any other is, and no longer than it is open.
        let share = json!({"port": PORT, "with": {"user": world.bob.id}, "minutes": 600});
        world.asks(app, "ports/share", share).await.expect::<Ports>(200);
        assert_eq!(decides(&his).await["until"], json!(until));
        // Again is another time and name, and leaves its shares.
        let ports = world.open_port(app, json!({"port": PORT, "minutes": 5})).await;
        let [port] = opened(&ports)[..] else { panic!("{ports:?}") };
        assert_eq!((port.name.as_str(), port.shares.len()), ("port-3000", 1));
        assert!(port.opened.expect("open").expires_at < until);
        let ends = port.opened.expect("open").expires_at;
        assert_eq!(port.shares[0].expires_at, ends, "a share is not shown to last for longer than its port");
        for (taken, whose) in [("editor", "60001"), ("ssh", "60022"), ("port-3000", "3000"), ("web", "8080")]
        {
            let reply = world.asks(app, "ports/open", json!({"port": PORT + 1, "name": taken})).await;
            assert_eq!(reply.wrong_fields(), ["name"], "{taken}: {}", reply.text);
            assert!(reply.text.contains(whose), "{}", reply.text);
        }
        assert_eq!(decides(&his).await["until"], json!(port.opened.expect("open").expires_at));

        let head = world.changes(app, None).await.head;
        let left: Ports = world.asks(app, "ports/close", json!({"port": PORT})).await.expect(200);
        assert!(opened(&left).is_empty());
        assert_eq!((decides(&hers).await, decides(&his).await), (no("port"), no("workspace")));
        let told = world.changes(app, Some(head)).await;
        assert_eq!(told.concerns, [Concern::Workspace(world.workspace.parse().expect("an id"))]);
        assert_eq!(world.ports(app).await.items[0].shares.len(), 1, "other ports are shared as they were");
        // What is closed is closed.
        world.asks(app, "ports/close", json!({"port": PORT})).await.expect::<Ports>(200);
        let ports = world.open_port(app, json!({"port": PORT})).await;
        assert!(opened(&ports)[0].shares.is_empty(), "nor shared with whom it was");

        let done = since(&world.owner, before).await;
        let done: Vec<_> = done.iter().filter(|record| record.outcome.as_str() == "done").collect();
        let words: Vec<_> = done.iter().map(|record| record.action.as_str()).collect();
        let (open, close) = ("workspace.open-port", "workspace.close-port");
        assert_eq!(words, [open, "workspace.share-port", open, close, open]);
        assert!(
            matches!(&done[0].details, Details::PortOpened { port: PORT, expires_at } if *expires_at == until)
        );
        let with = vec![Audience::User(world.bob.id)];
        assert_eq!(done[3].details, Details::PortClosed { port: PORT, with });
    })
    .await;
}

#[tokio::test]
async fn what_is_opened_ends_with_the_run_and_with_its_time() {
    App::run(async |app| {
        let world = World::new(app).await;
        let (hers, his) = (world.her_grant(app).await, world.his_grant(app).await);
        let decides = async |grant: &Value| world.decides(app, Some(grant), PORT).await;
        let share = json!({"port": PORT, "with": {"user": world.bob.id}});
        for wish in ["stop", "start", "restart"] {
            if wish == "start" {
                // It is not open as it was before: somebody might not know any more that it was.
                world.asks(app, wish, json!({})).await.expect::<Workspace>(200);
                assert_eq!((decides(&hers).await, decides(&his).await), (no("port"), no("workspace")));
                continue;
            }
            let ports = world.open_port(app, json!({"port": PORT})).await;
            assert!(opened(&ports)[0].shares.is_empty());
            world.asks(app, "ports/share", share.clone()).await.expect::<Ports>(200);
            assert_eq!(decides(&his).await["decision"], "allowed");
            world.asks(app, wish, json!({})).await.expect::<Workspace>(200);
            assert_eq!((decides(&hers).await, decides(&his).await), (no("port"), no("workspace")), "{wish}");
            assert!(opened(&world.ports(app).await).is_empty());
            let refused = world.asks(app, "ports/open", json!({"port": PORT})).await;
            assert!(refused.problem(409, "wrong-state").detail.contains("while the workspace runs"));
            let refused = world.asks(app, "ports/share", share.clone()).await;
            assert_eq!(refused.problem(422, "invalid").errors[0].field, "port");
        }
        app.execute("UPDATE workspaces SET desired_state = 'Running'").await;
        world.open_port(app, json!({"port": PORT})).await;
        assert_eq!(decides(&hers).await["decision"], "allowed");
        app.execute("UPDATE opened_ports SET opened_at = now() - interval '1 hour', expires_at = now()")
            .await;
        assert_eq!(decides(&hers).await, no("port"));
        assert!(opened(&world.ports(app).await).is_empty(), "what is over is not shown");
        world.open_port(app, json!({"port": PORT + 1})).await;
        assert_eq!(app.count("SELECT count(*) FROM opened_ports").await, 1, "nor kept for good");
        world.asks(app, "terminate", json!({})).await;
        assert_eq!(world.asks(app, "ports/open", json!({"port": PORT})).await.status, 409);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_with_the_field() {
    App::run(async |app| {
        let world = World::new(app).await;
        for (how, body, field, words) in [
            ("open", json!({"port": 0}), "port", "from 1 to 65535"),
            ("open", json!({"port": 60_001}), "port", "the editor's or sshd's"),
            ("open", json!({"port": 60_022}), "port", "the editor's or sshd's"),
            ("open", json!({"port": 8080}), "port", "declared"),
            ("open", json!({"port": PORT, "minutes": 0}), "minutes", "from 1"),
            ("open", json!({"port": PORT, "minutes": MAX_OPEN_MINUTES + 1}), "minutes", ""),
            ("close", json!({"port": 8080}), "port", "declared"),
            ("share", json!({"port": PORT, "with": "organization"}), "port", "it has 8080, 9000"),
        ] {
            let problem =
                world.asks(app, &format!("ports/{how}"), body.clone()).await.problem(422, "invalid");
            let [error] = problem.errors.as_slice() else { panic!("{body}: {problem:?}") };
            assert_eq!(error.field, field, "{body}");
            assert!(error.message.contains(words), "{body}: {}", error.message);
        }
        for wrong in [json!({}), json!({"port": 65_536}), json!({"port": PORT, "name": "<script>"})] {
            let refused = world.asks(app, "ports/open", wrong.clone()).await;
            assert!(matches!(refused.status, 400 | 422), "{wrong}: {}", refused.text);
        }
        for number in 0..MAX_OPENED {
            let port = PORT + u16::try_from(number).expect("few");
            world.open_port(app, json!({"port": port})).await;
        }
        let one_more = json!({"port": 5000});
        world.asks(app, "ports/open", one_more.clone()).await.problem(403, "quota-exceeded");
        world.open_port(app, json!({"port": PORT, "minutes": 9})).await;
        world.asks(app, "ports/close", json!({"port": PORT})).await.expect::<Ports>(200);
        assert_eq!(opened(&world.open_port(app, one_more).await).len(), MAX_OPENED);
    })
    .await;
}

#[tokio::test]
async fn whose_workspace_it_is_opens_ports_where_the_rules_permit_it_and_who_looks_after_it_closes_them() {
    App::run(async |app| {
        let world = World::new(app).await;
        let hers = world.her_grant(app).await;
        let body = json!({"port": PORT});
        for role in [Role::Owner, Role::Maintainer, Role::Viewer, Role::Auditor] {
            let other = join(&world.owner, role).await;
            let path = |how: &str| other.path(&format!("/workspaces/hers/ports/{how}"));
            other.post(&path("open"), &body).await.problem(403, "forbidden");
            world.open_port(app, body.clone()).await;
            let closed = other.post(&path("close"), &body).await;
            let looks_after = matches!(role, Role::Owner | Role::Maintainer);
            assert_eq!(closed.status, if looks_after { 200 } else { 403 }, "{role}");
        }
        for how in ["open", "close"] {
            let path = format!("/workspaces/hers/ports/{how}");
            world.bob.post(app, &path, body.clone()).await.problem(404, "not-found");
        }
        // Rules close it, and what is open by it, for as long as they hold.
        let decides = async || world.decides(app, Some(&hers), PORT).await;
        assert_eq!(decides().await["decision"], "allowed");
        let rule = "@id(\"none-are-opened\") forbid (principal, action == Action::\"workspace.open-port\", resource);";
        set(&world.owner, &format!("{}\n{rule}", berth_policy::BUILT_IN)).await.expect::<Value>(200);
        assert_eq!(decides().await, no("port"));
        let ports = world.ports(app).await;
        assert_eq!(opened(&ports)[0].opened.expect("open").shut, Some(Shut::Rule));
        let refused = world.asks(app, "ports/open", body).await.problem(403, "forbidden");
        assert!(refused.detail.contains("none-are-opened"), "{refused:?}");
        set(&world.owner, berth_policy::BUILT_IN).await.expect::<Value>(200);
        assert_eq!(decides().await["decision"], "allowed");
    })
    .await;
}
