//! An agent that is somebody else's: whatever is done with its token, nothing of others moves, and it ends with the token.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::api::AgentCreated;
use berth_schema::reconcile::{ReconcileResponse, WorkspaceAgentInfo, WorkspaceDirective};
use berth_schema::{ActualState, WorkspaceId};
use serde_json::{Value, json};

use crate::support::cluster::{gone, settled};
use crate::support::sealing::Key;
use crate::support::{Admin, Agent, App, Draw, RECONCILE, Requests, message, postgres};

const MESSAGES: i64 = 200;
/// Workspaces of each agent.
const OWN: usize = 2;
const SECRET: &str = "hunter2-is-theirs";

/// An agent with two workspaces that run and know something.
struct House {
    admin: Admin,
    agent: Agent,
    told: Vec<WorkspaceDirective>,
}

impl House {
    async fn new(admin: Admin, name: &str) -> Self {
        let agent = admin.create_agent(name).await;
        for number in 0..OWN {
            let variables = json!([{"name": "SECRET", "value": SECRET}]);
            let name = format!("{name}-{number}");
            let body = json!({"name": name, "image": "a", "agent": agent.id, "variables": variables});
            admin.create(&body).await.expect::<Value>(201);
        }
        let told = agent.partial(1, vec![]).await.workspaces;
        agent.partial(2, told.iter().map(|one| settled(one, "1")).collect()).await;
        Self { admin, agent, told }
    }
}

/// Every row of every table that does not name one of those.
async fn rows(app: &App, but: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let client = postgres::client(&app.database_url).await;
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let mut rows = BTreeMap::new();
    for table in client.query(tables, &[]).await.expect("the query works") {
        let table: String = table.get(0);
        let query = format!("SELECT to_jsonb(t)::text FROM {table} t");
        let all = client.query(&query, &[]).await.expect("the query works");
        let all = all.iter().map(|row| row.get::<_, String>(0));
        rows.insert(table, all.filter(|row| !but.iter().any(|id| row.contains(id.as_str()))).collect());
    }
    rows
}

/// A message about anybody's workspaces, of which the first are its own; most of it as an agent would send it.
fn drawn(draw: &mut Draw, all: &[&WorkspaceDirective], (epoch, sequence): (i64, i64)) -> Value {
    let pick = |draw: &mut Draw| usize::try_from(draw.below(all.len() as u64 + 2)).expect("small");
    let id = |index: usize| all.get(index).map_or_else(WorkspaceId::random, |one| one.workspace_id);
    let infos: Vec<Value> = (0..draw.below(8))
        .map(|number| {
            let index = pick(draw);
            let one = all[index % all.len()];
            let info = if draw.below(3) == 0 { gone(one) } else { settled(one, &number.to_string()) };
            let mut info = serde_json::to_value(info).expect("JSON");
            info["workspace_id"] = json!(id(index));
            if index >= OWN {
                // Ids are no secrets, names are.
                (info["name"], info["namespace"]) = (json!("guessed"), json!("guessed"));
            }
            match draw.below(4) {
                0 => draw.poison(&mut info),
                1 => info["applied_generation"] = json!(draw.below(1 << 40)),
                2 => info["name"] = json!(all[0].name),
                _ => {}
            }
            info
        })
        .collect();
    let ids = |draw: &mut Draw| (0..draw.below(4)).map(|_| id(pick(draw))).collect::<Vec<_>>();
    let received: Vec<Value> =
        ids(draw).iter().map(|id| json!({"workspace_id": id, "generation": draw.below(1 << 40)})).collect();
    let full = draw.below(10) == 0;
    json!({
        "update_type": if full { "full" } else { "partial" },
        "epoch": epoch,
        "sequence": sequence,
        "workspace_agent_infos": infos,
        "received": received,
        "present": ids(draw),
        "relisted": full && draw.below(2) == 0,
        "git": {"version": draw.below(3), "wanted": ids(draw)},
    })
}

#[tokio::test]
async fn whatever_an_agent_sends_no_row_of_others_moves_and_it_ends_with_its_token() {
    App::run(async |app| {
        let acme = app.organization("acme").await;
        let evil = House::new(acme.clone(), "evil").await;
        let honest = House::new(acme, "honest").await;
        let other = House::new(app.organization("other").await, "other").await;
        let own = evil.told.iter().map(|one| one.workspace_id.to_string());
        let own: Vec<String> = own.chain([evil.agent.id.to_string()]).collect();
        let before = rows(app, &own).await;
        assert!(before["workspaces"].len() == 4 && before["workspace_variables"].len() == 4);

        let all: Vec<_> = [&evil, &honest, &other].into_iter().flat_map(|one| &one.told).collect();
        let mut draw = Draw::from(0xbad);
        for number in 0..MESSAGES {
            // An epoch that no honest agent ever comes to, in the end.
            let epoch = if number > MESSAGES / 2 { 1 << 53 } else { 1 };
            let answer = evil.agent.post(RECONCILE, &drawn(&mut draw, &all, (epoch, number + 3))).await;
            assert!(matches!(answer.status, 200 | 409 | 422), "{number}: {answer:?}");
            for theirs in ["honest-", "other-", SECRET] {
                assert!(!answer.text.contains(theirs), "{number}: {answer:?}");
            }
            if answer.status == 200 {
                let told: ReconcileResponse = answer.expect(200);
                let known = told.workspaces.iter().filter(|one| one.config_to_apply.is_some());
                assert!(known.into_iter().all(|one| own.contains(&one.workspace_id.to_string())), "{number}");
            }
        }
        evil.agent.register(Key::new(&[6; 16])).await.expect::<Value>(200);
        assert_eq!(rows(app, &own).await, before);

        // The others go on as if nothing had been.
        for house in [&honest, &other] {
            house.agent.partial(3, vec![settled(&house.told[0], "2")]).await;
            let shown = house.admin.workspace(house.told[0].name.as_str()).await;
            assert_eq!(shown.actual_state, ActualState::Running);
        }
        // One command, and whose agent it is begins anew in its own epoch, with its own key.
        let path = evil.admin.path(&format!("/agents/{}/rotate-token", evil.agent.id));
        let rotated: AgentCreated = evil.admin.post(&path, &json!({"overlap_seconds": 0})).await.expect(200);
        let mine = evil.agent.with_token(rotated.token.expect("shown"));
        assert_eq!(evil.agent.send(&message(1, vec![])).await.status, 401);
        mine.register(mine.key()).await.expect::<Value>(200);
        let bare = |one| WorkspaceAgentInfo { variables_missing: true, ..settled(one, "9") };
        let told = mine.partial(1, evil.told.iter().map(bare).collect()).await;
        assert_eq!(told.workspaces.len(), OWN);
        for one in &evil.told {
            assert!(mine.variables(&told, one.name.as_str()).is_some_and(|all| all.environment.len() == 1));
        }
    })
    .await;
}
