//! Streams of events: at once, without a gap, and not a moment longer than the token is good for.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_schema::access::TokenCreated;
use berth_schema::api::{Paged, Workspace};
use berth_schema::members::Member;
use berth_schema::{ActualState, DesiredState};
use reqwest::Method;
use serde_json::json;

use crate::policy::set;
use crate::support::cluster::{gone, settled};
use crate::support::{Admin, App, Reply, Requests, send};

/// One event as it came.
#[derive(Debug, Default)]
pub(crate) struct Event {
    id: Option<i64>,
    pub(crate) name: String,
    data: String,
}

impl Event {
    pub(crate) fn workspace(&self) -> Workspace {
        assert_eq!(self.name, "workspace", "{self:?}");
        serde_json::from_str(&self.data).expect("a workspace")
    }
}

pub(crate) struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(admin: &Admin, path: &str, last: Option<i64>) -> Result<Self, Reply> {
        let mut request = admin.request(Method::GET, &admin.path(path)).header("accept-encoding", "gzip");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().await.expect("the server answers");
        if response.status() != 200 {
            return Err(Reply::of(response).await);
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Self { response, text: String::new() })
    }

    async fn of_workspace(admin: &Admin, name: &str, last: Option<i64>) -> Self {
        Self::open(admin, &format!("/workspaces/{name}/events"), last).await.expect("a stream")
    }

    pub(crate) async fn of_organization(admin: &Admin, last: Option<i64>) -> Self {
        Self::open(admin, "/events", last).await.expect("a stream")
    }

    /// The next event; `None` at the end. Comments and the retry time are passed over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => event.id = Some(id.parse().expect("a number")),
                        Some(("event", name)) => name.clone_into(&mut event.name),
                        Some(("data", data)) => data.clone_into(&mut event.data),
                        _ => {}
                    }
                }
                let rest = rest.to_owned();
                self.text = rest;
                if !event.name.is_empty() {
                    return Some(event);
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk()).await;
            let chunk = chunk.expect("in time").expect("no error")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    pub(crate) async fn expect(&mut self) -> Event {
        self.next().await.expect("the stream goes on")
    }

    /// It ends before anything looks at it by the clock, and says why.
    pub(crate) async fn ends(&mut self) {
        let end = async {
            let mut last = String::new();
            while let Some(event) = self.next().await {
                last = event.name;
            }
            last
        };
        let last = tokio::time::timeout(Duration::from_secs(5), end).await.expect("the stream ends");
        assert!(matches!(last.as_str(), "moved" | "revoked"), "{last:?}");
    }

    pub(crate) async fn is_quiet(&mut self) {
        let quiet = tokio::time::timeout(Duration::from_millis(300), self.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
    }
}

/// As streams tell of it: without what is told where it alone is meant.
fn listed(workspace: Workspace) -> Workspace {
    Workspace { lifecycle: None, endpoints: vec![], sizes: vec![], disk: None, ..workspace }
}

#[tokio::test]
async fn a_workspaces_stream_tells_each_change_on_whichever_server() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let replica = app.replica().await;
        let workspace = admin.create_workspace("w").await;
        admin.create_workspace("other").await;
        let mut here = Stream::of_workspace(&admin, "w", None).await;
        let mut there = Stream::of_workspace(&replica.admin(&admin), "w", None).await;
        for stream in [&mut here, &mut there] {
            let event = stream.expect().await;
            let created = listed(workspace.clone());
            assert_eq!((event.id, event.workspace()), (Some(1), created));
        }
        let all = agent.partial(1, vec![]).await.workspaces;
        let directive = all.iter().find(|directive| directive.workspace_id == workspace.id).expect("one");
        agent.partial(2, vec![settled(directive, "1")]).await;
        admin.wish("other", "stop").await;
        for stream in [&mut here, &mut there] {
            let event = stream.expect().await;
            assert_eq!((event.id, event.workspace().actual_state), (Some(2), ActualState::Running));
        }
        replica.admin(&admin).wish("w", "terminate").await;
        agent.partial(3, vec![gone(directive)]).await;
        for stream in [&mut here, &mut there] {
            let mut last = stream.expect().await;
            if last.id == Some(3) {
                assert_eq!(last.workspace().desired_state, DesiredState::Terminated);
                last = stream.expect().await;
            }
            assert_eq!((last.id, last.workspace().actual_state), (Some(4), ActualState::Terminated));
            assert!(stream.next().await.is_none(), "there is nothing more to tell");
        }
        // Who knows that is told not to come back.
        let path = format!("/workspaces/{}/events", workspace.id);
        let reply = Stream::open(&admin, &path, Some(4)).await.err().expect("no stream");
        assert_eq!(reply.status, 204);
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_workspaces_stream_goes_on_where_the_client_was() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let mut stream = Stream::of_workspace(&admin, "w", Some(1)).await;
        stream.is_quiet().await;
        admin.wish("w", "stop").await;
        assert_eq!(stream.expect().await.id, Some(2));
        drop(stream);
        admin.wish("w", "start").await;
        // What was missed is told as it is now.
        let event = Stream::of_workspace(&admin, "w", Some(2)).await.expect().await;
        assert_eq!((event.id, event.workspace().desired_state), (Some(3), DesiredState::Running));
    })
    .await;
}

#[tokio::test]
async fn an_organizations_stream_tells_of_all_its_workspaces_and_of_no_other() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let stranger = app.organization("stranger").await;
        stranger.create_agent("cluster").await;
        let mut stream = Stream::of_organization(&admin, None).await;
        let opened = stream.expect().await;
        assert_eq!((opened.name.as_str(), opened.data.as_str()), ("open", "{}"));
        stranger.create_workspace("foreign").await;
        for name in ["one", "two"] {
            let created = listed(admin.create_workspace(name).await);
            assert_eq!(stream.expect().await.workspace(), created);
        }
        // Several in one transaction.
        let infos: Vec<_> = agent
            .partial(1, vec![])
            .await
            .workspaces
            .iter()
            .map(|directive| settled(directive, "1"))
            .collect();
        agent.partial(2, infos).await;
        let mut seen = [stream.expect().await.workspace(), stream.expect().await.workspace()];
        seen.sort_by(|one, other| one.name.cmp(&other.name));
        assert!(seen.iter().all(|workspace| workspace.actual_state == ActualState::Running));
        assert_eq!(seen.iter().map(|workspace| workspace.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        stream.is_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn an_organizations_stream_goes_on_where_the_client_was() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let mut stream = Stream::of_organization(&admin, None).await;
        stream.expect().await;
        admin.create_workspace("one").await;
        let known = stream.expect().await.id;
        drop(stream);
        for name in ["two", "three"] {
            admin.create_workspace(name).await;
        }
        let mut stream = Stream::of_organization(&admin, known).await;
        // Nothing is left out. What came just before may come again while another transaction of the same Postgres is open.
        let mut seen = BTreeSet::new();
        while !(seen.contains("two") && seen.contains("three")) {
            seen.insert(stream.expect().await.workspace().name.to_string());
        }
        assert!(seen.is_subset(&["one", "two", "three"].map(str::to_owned).into()), "{seen:?}");
        // Whoever goes on from the future does so after a restore: what it knows is worth nothing.
        let mut lost = Stream::of_organization(&admin, Some(i64::MAX)).await;
        assert_eq!(lost.expect().await.name, "reset");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_token_ends_its_streams_and_no_other() {
    App::run_with(
        // It is told, and need not be looked for.
        |options| options.stream_recheck_seconds = 60,
        async |app| {
            let admin = app.organization("acme").await;
            admin.create_agent("cluster").await;
            admin.create_workspace("w").await;
            let token = app.token(admin.organization(), None).await;
            let second = Admin::new(app.address(), token.clone());
            let mut ending = Stream::of_workspace(&second, "w", None).await;
            let mut staying = Stream::of_workspace(&admin, "w", None).await;
            ending.expect().await;
            staying.expect().await;
            app.revoke(&token).await;
            assert_eq!(ending.expect().await.name, "revoked");
            assert!(ending.next().await.is_none());
            admin.wish("w", "stop").await;
            assert_eq!(staying.expect().await.id, Some(2));
        },
    )
    .await;
}

/// Whatever takes a right from somebody ends what they watch at once, on every server: nothing is looked at by the clock here.
#[tokio::test]
async fn a_stream_ends_with_the_right_to_it_on_whichever_server() {
    App::run_with(
        |options| options.stream_recheck_seconds = 60,
        async |app| {
            let replica = app.replica().await;
            let admin = app.organization("acme").await;
            admin.create_agent("cluster").await;
            admin.create_workspace("w").await;
            let mut staying = Stream::of_organization(&admin, None).await;
            assert_eq!(staying.expect().await.name, "open");
            for (name, taken) in [
                ("suspended", Taken::Member(json!({"suspended": true}))),
                ("demoted", Taken::Member(json!({"role": "developer"}))),
                ("removed", Taken::Membership),
            ] {
                let wanted = json!({"name": name, "role": "viewer"});
                let made: TokenCreated = admin.post(&admin.path("/tokens"), &wanted).await.expect(201);
                let them = Admin::new(replica.address(), made.token.parse().expect("a token"));
                let mut ending = Stream::of_organization(&them, None).await;
                assert_eq!(ending.expect().await.name, "open");
                let newest: Paged<Member> = admin.get(&admin.path("/members?limit=1")).await.expect(200);
                let member = admin.path(&format!("/members/{}", newest.items[0].id));
                let request = match taken {
                    Taken::Member(change) => admin.request(Method::PATCH, &member).json(&change),
                    Taken::Membership => admin.request(Method::DELETE, &member),
                };
                assert!(send(request).await.status < 300, "{name}");
                ending.ends().await;
            }
            // Rules concern everybody: even whoever set them comes back and is asked anew.
            admin.wish("w", "stop").await;
            assert_eq!(staying.expect().await.name, "workspace");
            let rules =
                format!("{}\n@id(\"mine\") permit (principal, action, resource);", berth_policy::BUILT_IN);
            assert_eq!(set(&admin, &rules).await.status, 200);
            staying.ends().await;
        },
    )
    .await;
}

enum Taken {
    Member(serde_json::Value),
    Membership,
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    App::run_with(
        |options| options.max_streams = 1,
        async |app| {
            let admin = app.organization("acme").await;
            let first = Stream::of_organization(&admin, None).await;
            let refused = Stream::open(&admin, "/events", None).await.err().expect("refused");
            refused.problem(429, "too-many-streams");
            assert_eq!(refused.header("retry-after"), "1");
            drop(first);
            // That a client is gone shows when it is written to.
            for _ in 0..200 {
                if Stream::open(&admin, "/events", None).await.is_ok() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("the closed stream still holds its place");
        },
    )
    .await;
}

#[tokio::test]
async fn watching_costs_the_database_nothing_while_nothing_changes() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create_workspace("w").await;
        let mut streams = vec![];
        for _ in 0..10 {
            let mut stream = Stream::of_workspace(&admin, "w", None).await;
            stream.expect().await;
            streams.push(stream);
        }
        let before = operations(app).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(operations(app).await, before);
        // And a change costs the same for ten as for one.
        admin.wish("w", "stop").await;
        for stream in &mut streams {
            assert_eq!(stream.expect().await.id, Some(2));
        }
        let looks = |operations: &[String]| {
            let line = operations.iter().find(|line| line.contains("\"watch_workspaces\""));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        assert_eq!(looks(&operations(app).await) - looks(&before), 1);
    })
    .await;
}

/// How often each operation of the database was done.
async fn operations(app: &App) -> Vec<String> {
    let url = format!("http://{}/metrics", app.metrics_address());
    let metrics =
        app.anyone(None).client().get(url).send().await.expect("metrics").text().await.expect("text");
    let counts = metrics.lines().filter(|line| line.contains("database_operation_seconds_count"));
    counts.map(str::to_owned).collect()
}

#[tokio::test]
async fn streams_end_when_the_server_drains() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let replica = app.replica().await;
        let mut stream = Stream::of_organization(&replica.admin(&admin), None).await;
        stream.expect().await;
        let began = std::time::Instant::now();
        let drained = tokio::spawn(async move { replica.drain().await });
        assert!(stream.next().await.is_none());
        drained.await.expect("it stops");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_watched_is_a_problem() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.get(&admin.path("/workspaces/w/events")).await.problem(404, "not-found");
        for wrong in ["x", "-1", "99999999999999999999"] {
            let request = admin.request(Method::GET, &admin.path("/events")).header("last-event-id", wrong);
            let reply = send(request).await;
            let problem = reply.problem(400, "malformed-request");
            assert_eq!(problem.errors[0].field, "Last-Event-ID", "{wrong}");
        }
        let body = json!({});
        admin.post(&admin.path("/events"), &body).await.problem(405, "method-not-allowed");
    })
    .await;
}
