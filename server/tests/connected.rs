//! Who is connected to a workspace, and an end to it (decision 0084).

use std::time::Duration;

use berth_schema::access::Role;
use berth_schema::audit::{Concern, Details};
use berth_schema::connected::{AllConnected, Connected, ConnectionKind, ConnectionsEnded, MAX_TOLD};
use berth_schema::connection::Changes;
use berth_schema::kubernetes::SSH_PORT;
use berth_schema::{ConnectionId, ProxyCopyId, SessionId, SubjectId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::{records, since};
use crate::connections::Proxy;
use crate::elevations::Person;
use crate::login::begin_device;
use crate::policy::join;
use crate::ports::DEVFILE;
use crate::support::{Admin, App, Reply, Requests, send};

/// Ada's workspace, `hers`, of which port 8080 is shared with Bob. Grace looks after workspaces.
struct World {
    owner: Admin,
    proxy: Proxy,
    ada: Person,
    bob: Person,
    workspace: String,
}

/// Somebody who was let in, as the proxy knows them.
struct LetIn {
    grant: Value,
    grounds: Value,
    port: u16,
}

impl LetIn {
    fn id(&self) -> ConnectionId {
        serde_json::from_value(self.grounds["connection"].clone()).expect("an id")
    }

    /// What a copy of the proxy tells of them.
    fn told(&self, workspace: &str, kind: &str) -> Value {
        let of = |field: &str| self.grounds[field].clone();
        json!({
            "workspace": workspace, "port": self.port, "kind": kind, "address": "192.0.2.1", "open": 2,
            "whose": {"connection": of("connection"), "session": of("session"), "subject": of("subject")},
            "opened_seconds_ago": 60, "active_seconds_ago": 5, "bytes_to_workspace": 10, "bytes_to_person": 20,
        })
    }
}

fn public(workspace: &str) -> Value {
    json!({"workspace": workspace, "port": 8080, "kind": "public", "open": 7, "opened_seconds_ago": 1,
           "active_seconds_ago": 1, "bytes_to_workspace": 0, "bytes_to_person": 0})
}

impl World {
    async fn new(app: &App) -> Self {
        let owner = app.organization("acme").await;
        let proxy = Proxy::of(&owner, &owner.create_agent("cluster").await).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let bob = Person::join(app, &owner, "Bob", Role::Developer).await;
        let wanted = json!({"name": "hers", "devfile": DEVFILE, "agent": "cluster"});
        let made: Value = ada.post(app, "/workspaces", wanted).await.expect(201);
        let workspace = made["id"].as_str().expect("an id").to_owned();
        let share = json!({"port": 8080, "with": {"user": bob.id}});
        ada.post(app, "/workspaces/hers/ports/share", share).await.expect::<Value>(200);
        Self { owner, proxy, ada, bob, workspace }
    }

    async fn decide(&self, app: &App, grant: &Value, port: u16) -> Value {
        let path = format!("/api/v1/proxy/decision?workspace={}&name=hers&port={port}", self.workspace);
        let request = app.anyone(Some(&self.proxy.token)).request(Method::GET, &path);
        send(request.header("berth-grant", grant.as_str().expect("a grant"))).await.expect(200)
    }

    async fn is_let(&self, app: &App, who: &LetIn) -> bool {
        self.decide(app, &who.grant, who.port).await["decision"] == "allowed"
    }

    /// Somebody's browser, at port 8080.
    async fn browses(&self, app: &App, who: &Person) -> LetIn {
        let opened: Value =
            self.proxy.open(app, &self.proxy.body(&who.browser, &self.workspace).await).await.expect(200);
        let grant = opened["grant"].clone();
        let decided = self.decide(app, &grant, 8080).await;
        LetIn { grant, grounds: decided["grounds"].clone(), port: 8080 }
    }

    /// Ada's OpenSSH.
    async fn calls_ssh(&self, app: &App) -> LetIn {
        let made: Value = self.ada.post(app, "/workspaces/hers/connection", json!({})).await.expect(200);
        let begun = self.decide(app, &made["token"], SSH_PORT).await;
        assert_eq!(begun["decision"], "allowed", "{begun}");
        LetIn { grant: begun["grant"].clone(), grounds: begun["grounds"].clone(), port: SSH_PORT }
    }

    async fn tell(&self, app: &App, copy: ProxyCopyId, open: &[Value]) -> Reply {
        self.tell_by(app, &self.proxy, copy, open).await
    }

    async fn tell_by(&self, app: &App, proxy: &Proxy, copy: ProxyCopyId, open: &[Value]) -> Reply {
        let body = json!({"proxy": copy, "open": open});
        let path = "/api/v1/proxy/connected";
        send(app.anyone(Some(&proxy.token)).request(Method::POST, path).json(&body)).await
    }

    async fn connected(&self, app: &App) -> Vec<Connected> {
        self.ada.get(app, "/workspaces/hers/connections").await.expect::<AllConnected>(200).items
    }

    async fn ends(&self, app: &App, who: &Person, body: Value) -> Reply {
        who.post(app, "/workspaces/hers/connections/end", body).await
    }

    async fn changes(&self, app: &App, after: Option<u64>) -> Changes {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let path = format!("/api/v1/proxy/changes?wait=0{after}");
        send(app.anyone(Some(&self.proxy.token)).request(Method::GET, &path)).await.expect(200)
    }
}

/// A proxy tells that somebody is connected there.
pub(crate) async fn tell_of_somebody(app: &App, proxy: &Proxy, workspace: WorkspaceId, subject: SubjectId) {
    let whose =
        json!({"connection": ConnectionId::random(), "session": SessionId::random(), "subject": subject});
    let mut told = public(&workspace.to_string());
    (told["kind"], told["whose"]) = (json!("browser"), whose);
    let body = json!({"proxy": ProxyCopyId::random(), "open": [told]});
    let told = app.anyone(Some(&proxy.token)).request(Method::POST, "/api/v1/proxy/connected").json(&body);
    assert_eq!(send(told).await.status, 204);
}

#[tokio::test]
async fn those_who_are_connected_are_listed_at_every_server_and_gone_with_the_copy_that_told_of_them() {
    App::run(async |app| {
        let world = World::new(app).await;
        let replica = app.replica().await;
        let (first, second) = (ProxyCopyId::random(), ProxyCopyId::random());
        let (hers, his, ssh) = (
            world.browses(app, &world.ada).await,
            world.browses(app, &world.bob).await,
            world.calls_ssh(app).await,
        );
        let workspace = world.workspace.as_str();
        let before = records(&world.owner).await.len();
        let one = [hers.told(workspace, "browser"), ssh.told(workspace, "ssh")];
        assert_eq!(world.tell(app, first, &one).await.status, 204);
        let mut older = his.told(workspace, "browser");
        older["opened_seconds_ago"] = json!(600);
        let other = [older, hers.told(workspace, "browser"), public(workspace)];
        assert_eq!(world.tell(&replica, second, &other).await.status, 204);
        for server in [app, &replica] {
            let all = world.connected(server).await;
            let told: Vec<_> = all
                .iter()
                .map(|one| (one.who.as_ref().map(|who| who.name.as_str()), one.kind, one.port, one.open))
                .collect();
            assert_eq!(told.len(), 4, "{told:?}");
            assert_eq!(told[0], (Some("Bob"), ConnectionKind::Browser, 8080, 2), "the oldest first");
            assert!(told.contains(&(Some("Ada"), ConnectionKind::Browser, 8080, 4)), "both copies: {told:?}");
            assert!(told.contains(&(Some("Ada"), ConnectionKind::Ssh, SSH_PORT, 2)), "{told:?}");
            assert!(told.contains(&(None, ConnectionKind::Public, 8080, 7)), "{told:?}");
        }
        let all = world.connected(app).await;
        let of = |id: ConnectionId| all.iter().find(|one| one.id == Some(id)).expect("listed");
        assert_eq!(of(hers.id()).bytes_to_person, 40);
        assert_eq!(of(ssh.id()).address, "192.0.2.1".parse().ok());
        let age = Timestamp::now().duration_since(of(his.id()).since).as_secs();
        assert!((600..660).contains(&age), "{age}");
        // What a copy tells takes the place of what it has told, and of nothing else.
        assert_eq!(world.tell(&replica, second, &[]).await.status, 204);
        let left = world.connected(app).await;
        assert_eq!(left.iter().map(|one| one.open).collect::<Vec<_>>(), [2, 2], "{left:?}");
        // One that is gone leaves nothing, whether another one is there to say so or not.
        app.execute("UPDATE proxy_copies SET told_at = now() - interval '91 seconds'").await;
        assert_eq!(world.connected(app).await, []);
        let late = app.run_at(Timestamp::now() + SignedDuration::from_secs(1));
        let forgotten =
            berth_server::services::connections::forget_silent_proxies(&late, &app.database_url).await;
        assert_eq!(forgotten.expect("forgotten"), 2);
        assert_eq!(app.count("SELECT count(*) FROM open_connections").await, 0);
        assert_eq!(records(&world.owner).await.len(), before, "that somebody is there is not on record");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn one_connection_is_ended_and_no_other_and_whoever_it_was_proves_who_they_are_before_they_come_back() {
    App::run(async |app| {
        let world = World::new(app).await;
        let workspace = world.workspace.as_str();
        let (browser, ssh) = (world.browses(app, &world.ada).await, world.calls_ssh(app).await);
        let his = world.browses(app, &world.bob).await;
        let all =
            [browser.told(workspace, "browser"), ssh.told(workspace, "ssh"), his.told(workspace, "browser")];
        world.tell(app, ProxyCopyId::random(), &all).await;
        let head = world.changes(app, None).await.head;
        let before = records(&world.owner).await.len();

        // Her command line ends what her browser has open.
        let ended = world.ends(app, &world.ada, json!({"id": browser.id()})).await;
        assert_eq!(ended.expect::<ConnectionsEnded>(200).ended, 1);
        let concerned = Concern::Workspace(workspace.parse().expect("an id"));
        assert_eq!(world.changes(app, Some(head)).await.concerns, [concerned], "the proxies are told");
        assert!(!world.is_let(app, &browser).await);
        assert!(world.is_let(app, &ssh).await && world.is_let(app, &his).await, "no other one is ended");
        let left: Vec<_> = world.connected(app).await.iter().filter_map(|one| one.id).collect();
        assert!(
            left.len() == 2 && !left.contains(&browser.id()),
            "it is gone from the list at once: {left:?}"
        );
        let done = since(&world.owner, before).await;
        let [record] = done.as_slice() else { panic!("{done:?}") };
        assert_eq!(record.action.as_str(), "connection.end");
        let Details::ConnectionsEnded { ended } = &record.details else { panic!("{record:?}") };
        assert_eq!((ended.len(), ended[0].connection, ended[0].subject), (1, browser.id(), world.ada.id));
        assert!(!serde_json::to_string(record).expect("JSON").contains("192.0.2.1"), "no address of theirs");

        // That browser is led to where she confirms who she is, and back; a code of before opens nothing either.
        let led = world.proxy.lead(&world.ada.browser, crate::connections::REDIRECT).await;
        assert_eq!(led.status, 303, "{}", led.text);
        assert!(
            led.header("location").starts_with("/confirm?to=%2Foauth%2Fauthorize"),
            "{}",
            led.header("location")
        );
        app.execute("UPDATE sessions SET verified_at = now() + interval '1 second' WHERE client = 'browser'")
            .await;
        let again = world.browses(app, &world.ada).await;
        assert!(world.is_let(app, &again).await && !world.is_let(app, &browser).await);

        // What she ends by the same login she may begin anew at once; the token that it was begun by is used up.
        let ended = world.ends(app, &world.ada, json!({"id": ssh.id()})).await;
        ended.expect::<ConnectionsEnded>(200);
        assert!(!world.is_let(app, &ssh).await);
        assert!(world.is_let(app, &world.calls_ssh(app).await).await);
        let again = world.ends(app, &world.ada, json!({"id": ssh.id()})).await;
        assert_eq!(again.wrong_fields(), ["id"], "it is ended");
    })
    .await;
}

#[tokio::test]
async fn a_browser_that_was_cut_lets_no_command_line_in_before_it_is_proven_anew() {
    App::run(async |app| {
        let world = World::new(app).await;
        let browser = world.browses(app, &world.ada).await;
        world.tell(app, ProxyCopyId::random(), &[browser.told(&world.workspace, "browser")]).await;
        let ended = world.ends(app, &world.ada, json!({"id": browser.id()})).await;
        assert_eq!(ended.expect::<ConnectionsEnded>(200).ended, 1);
        let mut ada = world.ada.browser;
        let (code, other) = (begin_device(app).await, begin_device(app).await);
        let allow = [("user_code", code.as_str()), ("decision", "allow")];
        let led = ada.submit("/device", &allow).await;
        assert_eq!(led.status, 303, "{}", led.text);
        assert!(led.header("location").starts_with("/confirm"), "{}", led.header("location"));
        assert_eq!(app.count("SELECT count(*) FROM device_requests WHERE is_allowed").await, 0);
        // The first passkey would confirm whoever makes it.
        assert!(ada.get("/passkeys/new").await.header("location").starts_with("/confirm"));
        let refuse = [("user_code", other.as_str()), ("decision", "refuse")];
        assert_eq!(ada.submit("/device", &refuse).await.status, 200, "nothing is let in by a refusal");
        app.execute("UPDATE sessions SET verified_at = now() + interval '1 second' WHERE client = 'browser'")
            .await;
        assert_eq!(ada.submit("/device", &allow).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn whoever_was_cut_at_a_workspace_lets_nobody_in_there_before_they_are_proven_anew() {
    App::run(async |app| {
        let mut world = World::new(app).await;
        let browser = world.browses(app, &world.ada).await;
        world.tell(app, ProxyCopyId::random(), &[browser.told(&world.workspace, "browser")]).await;
        let ended = world.ends(app, &world.ada, json!({"id": browser.id()})).await;
        assert_eq!(ended.expect::<ConnectionsEnded>(200).ended, 1);
        let page = "/organizations/acme/workspaces/hers/ports";
        let share = [("port", "8080"), ("kind", "organization"), ("whom", ""), ("hours", "1")];
        let led = world.ada.browser.submit(&format!("{page}/share"), &share).await;
        assert_eq!(led.status, 303, "{}", led.text);
        assert!(led.header("location").starts_with("/confirm"), "{}", led.header("location"));
        let open = [("port", "3000"), ("name", ""), ("hours", "1")];
        let led = world.ada.browser.submit(&format!("{page}/open"), &open).await;
        assert!(led.header("location").starts_with("/confirm"), "{}", led.text);
        assert_eq!(app.count("SELECT count(*) FROM port_shares").await, 1, "the one of before");
        assert_eq!(app.count("SELECT count(*) FROM opened_ports").await, 0);
        app.execute("UPDATE sessions SET verified_at = now() + interval '1 second' WHERE client = 'browser'")
            .await;
        // Of a proof it is known to the second how old it is.
        app.execute("UPDATE ended_connections SET ended_at = ended_at - interval '1 minute'").await;
        let done = world.ada.browser.submit(&format!("{page}/share"), &share).await;
        assert_eq!(done.header("location"), page, "{}", done.text);
    })
    .await;
}

#[tokio::test]
async fn a_program_of_a_login_that_was_cut_from_elsewhere_begins_nothing_until_it_logs_in_anew() {
    App::run(async |app| {
        let world = World::new(app).await;
        let ssh = world.calls_ssh(app).await;
        let waiting: Value = world.ada.post(app, "/workspaces/hers/connection", json!({})).await.expect(200);
        world.tell(app, ProxyCopyId::random(), &[ssh.told(&world.workspace, "ssh")]).await;
        let mut ada = world.ada;
        let page = "/organizations/acme/workspaces/hers";
        let shown = ada.browser.get(page).await.text;
        assert!(shown.contains("Who is connected") && shown.contains("<strong>Ada</strong>"), "{shown}");
        assert!(shown.contains("SSH, from 192.0.2.1"), "{shown}");
        let id = ssh.id().to_string();
        let done = ada.browser.submit(&format!("{page}/connections/end"), &[("id", id.as_str())]).await;
        assert_eq!((done.status, done.header("location")), (303, page));
        assert!(!ada.browser.get(page).await.text.contains(&id));
        let world = World { ada, ..world };
        assert!(!world.is_let(app, &ssh).await);
        let refused = world.ada.post(app, "/workspaces/hers/connection", json!({})).await;
        let problem = refused.problem(403, "forbidden");
        assert!(problem.detail.contains("berth login"), "{problem:?}");
        let denied = world.decide(app, &waiting["token"], SSH_PORT).await;
        assert_eq!(denied, json!({"decision": "denied", "why": "session"}), "a token of before");
        let anew = Person::join(app, &world.owner, "Ada", Role::Developer).await;
        anew.post(app, "/workspaces/hers/connection", json!({})).await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn all_who_have_signed_in_are_ended_at_once_and_whoever_has_not_is_not() {
    App::run(async |app| {
        let world = World::new(app).await;
        let (ssh, his) = (world.calls_ssh(app).await, world.browses(app, &world.bob).await);
        let workspace = world.workspace.as_str();
        let mut elsewhere = ssh.told(workspace, "program");
        elsewhere["port"] = json!(8080);
        let all = [ssh.told(workspace, "ssh"), elsewhere, his.told(workspace, "browser"), public(workspace)];
        world.tell(app, ProxyCopyId::random(), &all).await;
        assert_eq!(world.connected(app).await.len(), 4);
        let ended: ConnectionsEnded = world.ends(app, &world.ada, json!({})).await.expect(200);
        assert_eq!(ended.ended, 2, "by what they were begun by");
        assert!(!world.is_let(app, &ssh).await && !world.is_let(app, &his).await);
        let left = world.connected(app).await;
        assert!(left.iter().all(|one| one.kind == ConnectionKind::Public) && left.len() == 1, "{left:?}");
        let before = records(&world.owner).await.len();
        let nobody: ConnectionsEnded = world.ends(app, &world.ada, json!({})).await.expect(200);
        assert_eq!(
            (nobody.ended, since(&world.owner, before).await.len()),
            (0, 0),
            "nothing is on record of it"
        );
        // Whoever is cut from what is shared with them is shared with still, and comes back once they have proven who they are.
        assert_eq!(world.proxy.lead(&world.bob.browser, crate::connections::REDIRECT).await.status, 303);
        let past = "UPDATE ended_connections SET expires_at = now() - interval '1 second'";
        app.execute(past).await;
        let anew = world.calls_ssh(app).await;
        world.tell(app, ProxyCopyId::random(), &[anew.told(workspace, "ssh")]).await;
        world.ends(app, &world.ada, json!({"id": anew.id()})).await.expect::<ConnectionsEnded>(200);
        assert_eq!(app.count("SELECT count(*) FROM ended_connections").await, 1, "what is past is not kept");
    })
    .await;
}

#[tokio::test]
async fn whose_workspace_it_is_and_whoever_looks_after_it_see_and_end_and_a_visitor_sees_nobody() {
    App::run(async |app| {
        let world = World::new(app).await;
        let his = world.browses(app, &world.bob).await;
        world.tell(app, ProxyCopyId::random(), &[his.told(&world.workspace, "browser")]).await;
        let end = json!({"id": his.id()});
        world.bob.get(app, "/workspaces/hers/connections").await.problem(404, "not-found");
        world.ends(app, &world.bob, end.clone()).await.problem(404, "not-found");
        let mut looks_after = None;
        for (role, sees, sees_addresses) in [
            (Role::Owner, true, true),
            (Role::Maintainer, true, false),
            (Role::Developer, false, false),
            (Role::Viewer, false, false),
            (Role::Auditor, false, false),
        ] {
            let other = join(&world.owner, role).await;
            let list = other.get(&other.path("/workspaces/hers/connections")).await;
            if !sees {
                assert!(matches!(list.status, 403 | 404), "{role}: {}", list.text);
                let ended = other.post(&other.path("/workspaces/hers/connections/end"), &end).await;
                assert!(matches!(ended.status, 403 | 404), "{role}: {}", ended.text);
                continue;
            }
            let all: AllConnected = list.expect(200);
            assert_eq!(all.items[0].who.as_ref().map(|who| who.name.as_str()), Some("Bob"), "{role}");
            assert_eq!(all.items[0].address.is_some(), sees_addresses, "{role}");
            looks_after = Some(other);
        }
        let maintainer = looks_after.expect("a maintainer");
        let path = maintainer.path("/workspaces/hers/connections/end");
        maintainer.post(&path, &end).await.expect::<ConnectionsEnded>(200);
        assert!(!world.is_let(app, &his).await);
    })
    .await;
}

#[tokio::test]
async fn a_proxy_tells_of_its_own_agents_workspaces_and_only_so_much() {
    App::run(async |app| {
        let world = World::new(app).await;
        let other = Proxy::of(&world.owner, &world.owner.create_agent("second").await).await;
        let stranger = app.organization("umbrella").await;
        let strangers = Proxy::of(&stranger, &stranger.create_agent("cluster").await).await;
        let (ssh, copy) = (world.calls_ssh(app).await, ProxyCopyId::random());
        let hers = ssh.told(&world.workspace, "ssh");
        for proxy in [&other, &strangers] {
            let told = world.tell_by(app, proxy, ProxyCopyId::random(), std::slice::from_ref(&hers)).await;
            assert_eq!(told.status, 204, "it is told nothing by it");
            assert_eq!(world.connected(app).await, []);
        }
        let mut nobody = hers.clone();
        nobody["whose"]["subject"] = json!(ProxyCopyId::random());
        let mut unsigned = hers.clone();
        unsigned.as_object_mut().expect("an object").remove("whose");
        let odd = [nobody, unsigned];
        assert_eq!(world.tell(app, copy, &odd).await.status, 204);
        assert_eq!(world.connected(app).await, [], "nobody is known by that");
        // Twice the same is once.
        assert_eq!(world.tell(app, copy, &[hers.clone(), hers.clone()]).await.status, 204);
        assert_eq!(world.connected(app).await.len(), 1);
        // Another agent's copy of that name changes nothing of it.
        let taken = world.tell_by(app, &other, copy, &[]).await;
        assert_eq!(taken.wrong_fields(), ["proxy"]);
        assert_eq!(world.connected(app).await.len(), 1);
        let many = vec![public(&world.workspace); MAX_TOLD + 1];
        assert_eq!(world.tell(app, copy, &many).await.wrong_fields(), ["open"]);
        for (field, wrong) in [("port", json!(70_000)), ("kind", json!("planet")), ("address", json!("here"))]
        {
            let mut odd = hers.clone();
            odd[field] = wrong;
            let refused = world.tell(app, copy, &[odd]).await;
            assert!((400..500).contains(&refused.status), "{field}: {}", refused.text);
        }
        let mut copies = 0;
        while world.tell(app, ProxyCopyId::random(), &[]).await.status == 204 {
            copies += 1;
            assert!(copies < 100, "copies are not counted");
        }
        assert_eq!(world.tell(app, copy, &[hers]).await.status, 204, "one that is known goes on");
        app.execute("UPDATE proxy_copies SET told_at = now() - interval '91 seconds'").await;
        let told = world.tell(app, ProxyCopyId::random(), &[]);
        let told = tokio::time::timeout(Duration::from_secs(30), told).await.expect("an answer");
        assert_eq!(told.status, 204, "those that are gone make room");
        assert_eq!(world.connected(app).await, []);
    })
    .await;
}
