//! What proxies tell of workspaces is kept, and what is idle is stopped (decision 0079).

use berth_schema::activity::{IdleStop, MAX_SECONDS_AGO, MAX_TOLD};
use berth_schema::api::{Paged, Workspace};
use berth_schema::audit::Who;
use berth_schema::state::TransitionCause;
use berth_schema::timeline::Transition;
use berth_schema::why::{Situation, Why};
use berth_schema::{DesiredState, WorkspaceId};
use berth_server::lifecycle::{self, Pass};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::{records, since};
use crate::connections::Proxy;
use crate::support::cluster::settled;
use crate::support::{Admin, App, Reply, Requests, send};

async fn tell(app: &App, proxy: &Proxy, body: &Value) -> Reply {
    send(app.anyone(Some(&proxy.token)).request(Method::POST, "/api/v1/proxy/activity").json(body)).await
}

fn active(workspace: WorkspaceId, seconds_ago: u32) -> Value {
    json!({"active": [{"workspace": workspace, "seconds_ago": seconds_ago}]})
}

pub(crate) async fn rule(admin: &Admin, minutes: Option<u32>) {
    let document =
        minutes.map_or(json!({}), |minutes| json!({"lifecycle": {"idle_minutes_before_stop": minutes}}));
    admin.put(&admin.path("/agents/cluster/configuration"), &document).await.expect::<Value>(200);
}

/// Proxies of every agent told something then, and were never silent since.
pub(crate) async fn heard(app: &App, at: Timestamp) {
    app.execute(&format!(
        "INSERT INTO proxy_contacts SELECT organization_id, id, '{at}', '{at}'::timestamptz - interval '1 day' FROM agents
         ON CONFLICT (organization_id, agent_id) DO UPDATE SET heard_at = excluded.heard_at, heard_since = excluded.heard_since"
    ))
    .await;
}

pub(crate) async fn pass(app: &App, now: Timestamp) -> Pass {
    let mut queue = lifecycle::queue(&app.database_url).expect("a URL");
    lifecycle::pass(&app.run_at(now), &mut queue).await.expect("a pass")
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

#[tokio::test]
async fn what_a_proxy_tells_is_shown_wherever_the_workspace_is_and_no_earlier_time_takes_its_place() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let made = admin.create_workspace("w").await;
        assert_eq!(made.last_active_at, None, "nobody told anything");
        let before = Timestamp::now();
        let records_before = records(&admin).await.len();
        assert_eq!(tell(app, &proxy, &active(made.id, 7)).await.status, 204);
        let shown = admin.workspace("w").await;
        let at = shown.last_active_at.expect("a time");
        assert!((before..=Timestamp::now()).contains(&(at + SignedDuration::from_secs(7))), "{at}");
        assert_eq!(shown.generation, made.generation, "the cluster has nothing to do with it");
        for body in [active(made.id, 60), json!({"active": []})] {
            assert_eq!(tell(app, &proxy, &body).await.status, 204);
        }
        let list: Paged<Workspace> = admin.get(&admin.path("/workspaces")).await.expect(200);
        assert_eq!(list.items[0].last_active_at, Some(at));
        // Of two times for one workspace the later holds.
        let twice = json!({"active": [
            {"workspace": made.id, "seconds_ago": 3}, {"workspace": made.id, "seconds_ago": 1},
        ]});
        assert_eq!(tell(app, &proxy, &twice).await.status, 204);
        assert!(admin.workspace("w").await.last_active_at > Some(at + SignedDuration::from_secs(5)));
        assert_eq!(records(&admin).await.len(), records_before, "that somebody works is not put on record");
    })
    .await;
}

#[tokio::test]
async fn a_proxy_tells_of_its_own_agents_workspaces_and_of_no_others() {
    App::run(async |app| {
        let (acme, umbrella) = (app.organization("acme").await, app.organization("umbrella").await);
        let proxy = Proxy::of(&acme, &acme.create_agent("cluster").await).await;
        let own = acme.create_workspace("w").await;
        acme.create_agent("other").await;
        let others = json!({"name": "others", "image": "debian:13", "agent": "other"});
        let others: Workspace = acme.create(&others).await.expect(201);
        umbrella.create_agent("cluster").await;
        let theirs = umbrella.create_workspace("w").await;
        let told: Vec<_> = [theirs.id, own.id, others.id, WorkspaceId::random()]
            .map(|workspace| json!({"workspace": workspace, "seconds_ago": 0}))
            .into();
        let reply = tell(app, &proxy, &json!({"active": told})).await;
        assert_eq!((reply.status, reply.text.as_str()), (204, ""), "which of them there are is not told");
        assert!(acme.workspace("w").await.last_active_at.is_some());
        assert_eq!(acme.workspace("others").await.last_active_at, None);
        assert_eq!(umbrella.workspace("w").await.last_active_at, None);
    })
    .await;
}

#[tokio::test]
async fn what_no_proxy_would_tell_is_refused_by_its_field() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let workspace = admin.create_workspace("w").await.id;
        let one = |seconds_ago: u32| json!({"workspace": workspace, "seconds_ago": seconds_ago});
        let most = vec![one(0); MAX_TOLD];
        assert_eq!(tell(app, &proxy, &json!({"active": most})).await.status, 204);
        let too_many = json!({"active": vec![one(0); MAX_TOLD + 1]});
        assert_eq!(tell(app, &proxy, &too_many).await.wrong_fields(), ["active"]);
        let too_old = json!({"active": [one(MAX_SECONDS_AGO), one(MAX_SECONDS_AGO + 1)]});
        assert_eq!(tell(app, &proxy, &too_old).await.wrong_fields(), ["active[1].seconds_ago"]);
        let millions = json!({"active": vec![one(0); 100_000]});
        assert_eq!(tell(app, &proxy, &millions).await.status, 413);
        let odd = [
            json!({"active": [{"workspace": workspace, "seconds_ago": -60}]}),
            json!({"active": [{"workspace": workspace, "at": "2999-01-01T00:00:00Z"}]}),
            json!({"active": [{"workspace": workspace, "seconds_ago": 0, "at": "2999-01-01T00:00:00Z"}]}),
            json!({"active": [], "agent": agent.id}),
            json!([]),
        ];
        for body in odd {
            assert!((400..423).contains(&tell(app, &proxy, &body).await.status), "{body}");
        }
        let path = "/api/v1/proxy/activity";
        send(agent.request(Method::POST, path).json(&active(workspace, 0)))
            .await
            .problem(401, "unauthenticated");
        admin.post(path, &active(workspace, 0)).await.problem(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn what_is_idle_is_stopped_and_what_somebody_works_in_is_not_and_both_are_told_why() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let begin = admin.create_workspace("idle").await.created_at;
        admin.create_workspace("busy").await;
        // Another organisation's rules are its own.
        let umbrella = app.organization("umbrella").await;
        umbrella.create_agent("cluster").await;
        umbrella.create_workspace("idle").await;
        heard(app, begin + minutes(20)).await;
        assert_eq!(pass(app, begin + minutes(20)).await.stopped, 0);
        assert_eq!(
            admin.workspace("idle").await.idle_stop,
            None,
            "nothing is stopped as idle unless somebody says so"
        );
        rule(&admin, Some(30)).await;
        heard(app, begin + minutes(31)).await;
        app.execute(&format!(
            "INSERT INTO workspace_activity (organization_id, agent_id, workspace_id, last_active_at)
             SELECT organization_id, agent_id, id, '{}' FROM workspaces WHERE name = 'busy'",
            begin + minutes(20)
        ))
        .await;
        let told = admin.workspace("idle").await.idle_stop.expect("told");
        assert_eq!(told.minutes, 30);
        assert!(
            told.at.is_some_and(|at| (begin + minutes(30)..begin + minutes(31)).contains(&at)),
            "{told:?}"
        );
        assert_eq!(pass(app, begin + minutes(31)).await.stopped, 0, "what happened may be on its way");

        let before = records(&admin).await.len();
        heard(app, begin + minutes(33)).await;
        let done = pass(app, begin + minutes(33)).await;
        assert_eq!((done.stopped, done.idle, done.terminated), (1, 1, 0));
        let wanted = async |name| admin.workspace(name).await.desired_state;
        assert_eq!(
            (wanted("idle").await, wanted("busy").await),
            (DesiredState::Stopped, DesiredState::Running)
        );
        assert_eq!(umbrella.workspace("idle").await.desired_state, DesiredState::Running);
        let acted = since(&admin, before).await;
        let [record] = acted.as_slice() else { panic!("{acted:?}") };
        assert_eq!(record.action.as_str(), "workspace.stop-idle");
        assert_eq!(record.who, Who::Task { name: "test".to_owned() });
        let timeline = admin.path("/workspaces/idle/timeline?limit=1");
        let newest: Paged<Transition> = admin.get(&timeline).await.expect(200);
        assert_eq!(newest.items[0].cause, TransitionCause::Lifecycle);

        let directives = agent.partial(1, vec![]).await.workspaces;
        agent.partial(2, directives.iter().map(|directive| settled(directive, "1")).collect()).await;
        let why = async || -> Why { admin.get(&admin.path("/workspaces/idle/why")).await.expect(200) };
        let told = why().await;
        assert_eq!(told.situation, Situation::Stopped);
        assert!(told.cause.contains("because nothing happened in it for 30 minutes"), "{}", told.cause);
        admin.wish("idle", "start").await.expect::<Value>(200);
        assert!(!why().await.cause.contains("nothing happened"), "it was started again");
        admin.wish("idle", "stop").await.expect::<Value>(200);
        assert!(!why().await.cause.contains("nothing happened"), "somebody stopped it");
        heard(app, begin + minutes(53)).await;
        assert_eq!(pass(app, begin + minutes(53)).await.idle, 1, "nothing happened since in the other one");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_stopped_as_idle_while_no_proxy_tells_and_whoever_is_heard_again_gives_the_whole_time() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let begin = admin.create_workspace("w").await.created_at;
        rule(&admin, Some(15)).await;
        let unknown = Some(IdleStop { minutes: 15, at: None });
        assert_eq!(admin.workspace("w").await.idle_stop, unknown, "there is no proxy");
        assert_eq!(pass(app, begin + minutes(120)).await.stopped, 0);
        heard(app, begin + minutes(121)).await;
        // The proxies fell silent after that.
        assert_eq!(pass(app, begin + minutes(180)).await.stopped, 0);

        app.execute("UPDATE proxy_contacts SET heard_at = now() - interval '10 minutes', heard_since = '2020-01-01'").await;
        assert_eq!(admin.workspace("w").await.idle_stop, unknown, "they are silent");
        let proxy = Proxy::of(&admin, &agent).await;
        app.execute("UPDATE workspaces SET desired_state_changed_at = '2020-01-01', actual_state_changed_at = '2020-01-01', ran_at = NULL")
            .await;
        let back = Timestamp::now();
        assert_eq!(tell(app, &proxy, &json!({"active": []})).await.status, 204);
        let at = admin.workspace("w").await.idle_stop.expect("told").at.expect("a time");
        assert!(at >= back + minutes(15), "{at}");
        // Those that go on telling do not begin anew.
        assert_eq!(tell(app, &proxy, &json!({"active": []})).await.status, 204);
        assert_eq!(admin.workspace("w").await.idle_stop.expect("told").at, Some(at));
    })
    .await;
}

#[tokio::test]
async fn an_extension_keeps_what_is_idle_for_as_long_as_it_is_granted() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let begin = admin.create_workspace("w").await.created_at;
        rule(&admin, Some(30)).await;
        heard(app, begin + minutes(1)).await;
        let extend = admin.path("/workspaces/w/extend");
        let extended: Workspace = admin.post(&extend, &json!({"hours": 2})).await.expect(200);
        let at = extended.idle_stop.expect("told").at.expect("a time");
        assert!((begin + minutes(120)..begin + minutes(121)).contains(&at), "{at}");
        admin.post(&extend, &json!({"hours": 1})).await.expect::<Workspace>(200);
        assert_eq!(
            admin.workspace("w").await.idle_stop.expect("told").at,
            Some(at),
            "a shorter one takes nothing back"
        );
        heard(app, begin + minutes(119)).await;
        assert_eq!(pass(app, begin + minutes(119)).await.stopped, 0);
        heard(app, begin + minutes(124)).await;
        assert_eq!(pass(app, begin + minutes(124)).await.idle, 1);
        assert_eq!(admin.post(&extend, &json!({"hours": 10_000})).await.wrong_fields(), ["hours"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_known_of_its_use_goes_with_a_workspace_to_another_agent() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let proxy = Proxy::of(&admin, &admin.create_agent("cluster").await).await;
        let heir = admin.create_agent("heir").await;
        let body = json!({"name": "w", "image": "debian:13", "agent": "cluster"});
        let workspace: Workspace = admin.create(&body).await.expect(201);
        assert_eq!(tell(app, &proxy, &active(workspace.id, 0)).await.status, 204);
        let before = admin.workspace("w").await.last_active_at;
        app.execute(&format!("UPDATE workspaces SET agent_id = '{}' WHERE name = 'w'", heir.id)).await;
        assert!(before.is_some());
        assert_eq!(admin.workspace("w").await.last_active_at, before);
        assert_eq!(tell(app, &proxy, &active(workspace.id, 0)).await.status, 204);
        assert_eq!(admin.workspace("w").await.last_active_at, before, "it is another agent's now");
    })
    .await;
}
