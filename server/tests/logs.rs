//! Who reads what a workspace's containers write (decision 0083).

use std::time::Duration;

use berth_schema::Action;
use berth_schema::access::Role;
use berth_schema::audit::{Details, Outcome};
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::{records, since};
use crate::elevations::Person;
use crate::policy::set;
use crate::ports::World;
use crate::sign_in::signed_in;
use crate::support::{App, Reply, Requests, send};

/// In place of a port.
const LOGS: u16 = 0;

impl World {
    /// What a proxy is answered that is shown that.
    async fn reads(&self, app: &App, grant: &Value, more: &Value) -> Reply {
        let mut body = json!({"workspace": self.workspace, "name": "hers"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let request = app.anyone(Some(&self.proxy.token)).request(Method::POST, "/api/v1/proxy/logs");
        send(request.header("berth-grant", grant.as_str().expect("a grant")).json(&body)).await
    }

    async fn begins(&self, app: &App, who: &Person) -> Reply {
        who.post(app, "/workspaces/hers/connection", json!({})).await
    }
}

fn no(why: &str) -> Value {
    json!({"decision": "denied", "why": why})
}

#[tokio::test]
async fn whoever_made_a_workspace_reads_its_logs_on_record_each_time_until_their_session_ends() {
    App::run(async |app| {
        let world = World::new(app).await;
        let token = world.begins(app, &world.ada).await.expect::<Value>(200)["token"].take();
        let before = records(&world.owner).await.len();
        let read: Value = world.reads(app, &token, &json!({"follow": true})).await.expect(200);
        assert_eq!(read["decision"], "allowed", "{read}");
        assert_eq!(read["containers"], json!([{"name": "main"}]));
        assert_eq!(read["candidates"], json!(["main"]));
        let again = json!({"container": "main", "previous": true});
        world.reads(app, &token, &again).await.expect::<Value>(200);
        let left = since(&world.owner, before).await;
        let [follows, previous] = left.as_slice() else { panic!("{left:?}") };
        for record in [follows, previous] {
            let what = (record.action.as_str(), &record.outcome);
            assert_eq!(what, (Action::ReadLogs.as_str(), &Outcome::Done));
        }
        let of = |details: &Details| match details {
            Details::LogsRead { containers, previous, follow, .. } => {
                (containers.join(","), *previous, *follow)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&follows.details), ("main".to_owned(), false, true));
        assert_eq!(of(&previous.details), ("main".to_owned(), true, false));
        // What it goes on by is asked about as what connections go on by, and begins nothing.
        let grant = &read["grant"];
        assert_eq!(world.decides(app, Some(grant), LOGS).await["decision"], "allowed");
        assert_eq!(world.reads(app, grant, &json!({})).await.expect::<Value>(200), no("session"));
        // Nothing is read past the record, and no container that there is not.
        assert_eq!(world.decides(app, Some(&token), LOGS).await, no("port"));
        let other: Value = world.reads(app, &token, &json!({"container": "other"})).await.expect(200);
        assert_eq!((&other["containers"], other.get("candidates")), (&read["containers"], None));
        assert_eq!(since(&world.owner, before).await.len(), 2);
        // A browser's session is as good.
        let opened = world.opens(app, &world.ada).await;
        let read = world.reads(app, &opened["grant"], &json!({})).await.expect::<Value>(200);
        assert_eq!((&read["decision"], read.get("grant")), (&json!("allowed"), None));

        let mut elsewhere = signed_in(app, "acme", "Ada").await;
        assert_eq!(elsewhere.submit("/sessions/end-others", &[]).await.status, 303);
        assert_eq!(world.decides(app, Some(grant), LOGS).await, no("session"));
        for shown in [&token, &opened["grant"]] {
            assert_eq!(world.reads(app, shown, &json!({})).await.expect::<Value>(200), no("session"));
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_else_reads_them_whatever_they_are_and_whatever_is_shared_with_them() {
    App::run(async |app| {
        let world = World::new(app).await;
        for role in [Role::Owner, Role::Maintainer, Role::Viewer, Role::Auditor] {
            let other = Person::join(app, &world.owner, &format!("the {role}"), role).await;
            world.begins(app, &other).await.problem(403, "forbidden");
            let may: Value =
                other.get(app, "/can-i?action=workspace.read-logs&resource=hers").await.expect(200);
            assert_eq!(may["allowed"], false, "{role}: {may}");
        }
        world.begins(app, &world.bob).await.problem(404, "not-found");
        world.share(app, json!({"user": world.bob.id})).await;
        let opened = world.opens(app, &world.bob).await;
        assert_eq!(opened["decision"], "allowed", "{opened}");
        let before = records(&world.owner).await.len();
        assert_eq!(
            world.reads(app, &opened["grant"], &json!({})).await.expect::<Value>(200),
            no("workspace")
        );
        assert_eq!(world.decides(app, Some(&opened["grant"]), LOGS).await, no("workspace"));
        assert_eq!(world.decides(app, None, LOGS).await, no("session"));
        // The denial is put on record aside.
        let mut left = since(&world.owner, before).await;
        while left.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            left = since(&world.owner, before).await;
        }
        assert_eq!(left[0].action.as_str(), Action::ReadLogs.as_str());
        assert_eq!(left[0].outcome, Outcome::Denied("workspace".to_owned()));
        for wrong in ["a.b.c", ""] {
            assert_eq!(world.reads(app, &json!(wrong), &json!({})).await.expect::<Value>(200), no("session"));
        }
        // A host names a port, and these are none.
        let mut body = world.proxy.body(&world.ada.browser, &world.workspace).await;
        body["port"] = json!(LOGS);
        assert_eq!(world.proxy.open(app, &body).await.expect::<Value>(200), no("port"));
    })
    .await;
}

#[tokio::test]
async fn rules_close_them_to_whoever_made_the_workspace_too_and_leave_the_way_in_open() {
    App::run(async |app| {
        let world = World::new(app).await;
        let token = world.begins(app, &world.ada).await.expect::<Value>(200)["token"].take();
        let read: Value = world.reads(app, &token, &json!({})).await.expect(200);
        assert_eq!(read["decision"], "allowed");
        let closed =
            "@id(\"no-logs\") forbid (principal, action == Action::\"workspace.read-logs\", resource);";
        set(&world.owner, &format!("{} {closed}", berth_policy::BUILT_IN)).await.expect::<Value>(200);
        assert_eq!(world.reads(app, &token, &json!({})).await.expect::<Value>(200), no("policy"));
        assert_eq!(world.decides(app, Some(&read["grant"]), LOGS).await, no("policy"), "it ends, too");
        assert_eq!(world.decides(app, Some(&token), 8080).await["decision"], "allowed");
    })
    .await;
}

#[tokio::test]
async fn what_has_failed_is_read_first_and_a_workspace_of_another_agent_is_none() {
    App::run(async |app| {
        let world = World::new(app).await;
        let token = world.begins(app, &world.ada).await.expect::<Value>(200)["token"].take();
        let first = async || {
            let read: Value = world.reads(app, &token, &json!({})).await.expect(200);
            read["candidates"].clone()
        };
        let (tools, candidates) = (json!({"tools_image": "registry.example/tools:1"}), first().await);
        assert_eq!(candidates, json!(["main"]));
        world.owner.put(&world.owner.path("/agents/cluster/configuration"), &tools).await.expect::<Value>(200);
        assert_eq!(first().await, json!(["main", "berth-tools"]), "what runs before it, once it is there");
        let message = "container berth-tools: it ended with exit code 1 (Error), and is started again; ends so far: 2";
        app.execute(&format!(
            "UPDATE workspaces SET reason = '{{\"reason\": \"CrashLoopBackOff\", \"message\": \"{message}\"}}' WHERE name = 'hers'"
        ))
        .await;
        assert_eq!(first().await, json!(["berth-tools"]));
        let other = crate::connections::Proxy::of(&world.owner, &world.owner.create_agent("second").await).await;
        let body = json!({"workspace": world.workspace, "name": "hers"});
        let request = app.anyone(Some(&other.token)).request(Method::POST, "/api/v1/proxy/logs");
        let request = request.header("berth-grant", token.as_str().expect("a token")).json(&body);
        assert_eq!(send(request).await.expect::<Value>(200), no("session"));
    })
    .await;
}
