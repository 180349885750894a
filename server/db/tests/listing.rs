use berth_db::{Cursor, PageRequest, WorkspaceFilter, WorkspaceView};
use berth_schema::{ActualState, DesiredState};
use tokio_postgres::Client;

use crate::support::{World, client};

async fn list(world: &World, filter: &WorkspaceFilter, page: &PageRequest) -> Vec<WorkspaceView> {
    world
        .database
        .read(world.organization, "test", async |conn| conn.workspaces().list(filter, page).await)
        .await
        .expect("works")
}

fn names(views: &[WorkspaceView]) -> Vec<&str> {
    views.iter().map(|view| view.workspace.name.as_str()).collect()
}

#[tokio::test]
async fn pages_hold_every_workspace_once_although_all_were_made_at_the_same_time() {
    let world = World::new().await;
    for number in 0..7 {
        world.create_workspace(&format!("w{number}")).await;
    }
    let mut page = PageRequest::first(3);
    let mut seen = Vec::new();
    loop {
        let views = list(&world, &WorkspaceFilter::default(), &page).await;
        let Some(last) = views.last() else { break };
        page.after = Some(Cursor::new(last.workspace.created_at, last.workspace.id));
        seen.extend(views.iter().map(|view| view.workspace.id));
    }
    assert_eq!(seen.len(), 7);
    let mut sorted = seen.clone();
    sorted.sort_by_key(|id| std::cmp::Reverse(*id));
    assert_eq!(seen, sorted);
}

#[tokio::test]
async fn filters_narrow_the_list_and_take_names_literally() {
    let world = World::new().await;
    for name in ["api-one", "api-two", "web"] {
        world.create_workspace(name).await;
    }
    let states = "UPDATE workspaces SET actual_state = 'Running' WHERE name = 'api-one';
                  UPDATE workspaces SET desired_state = 'Terminated', actual_state = 'Terminated' WHERE name = 'web'";
    client(&world.url).await.batch_execute(states).await.expect("works");
    let page = PageRequest::first(10);
    let filtered = async |filter: WorkspaceFilter| {
        let views = list(&world, &filter, &page).await;
        let mut names: Vec<_> = names(&views).into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    let all = WorkspaceFilter::default();
    assert_eq!(
        filtered(WorkspaceFilter { name_contains: Some("api".into()), ..all.clone() }).await,
        ["api-one", "api-two"]
    );
    assert!(filtered(WorkspaceFilter { name_contains: Some("a_i".into()), ..all.clone() }).await.is_empty());
    assert_eq!(
        filtered(WorkspaceFilter { actual_states: vec![ActualState::Running], ..all.clone() }).await,
        ["api-one"]
    );
    assert_eq!(
        filtered(WorkspaceFilter { desired_states: vec![DesiredState::Terminated], ..all.clone() }).await,
        ["web"]
    );
    assert_eq!(filtered(WorkspaceFilter { living_only: true, ..all.clone() }).await, ["api-one", "api-two"]);
    let elsewhere = WorkspaceFilter { agents: Some(vec![berth_schema::AgentId::random()]), ..all };
    assert!(filtered(elsewhere).await.is_empty());
}

/// Fills the table, so that the planner has a choice.
async fn many(world: &World, count: i64) -> Client {
    let client = client(&world.url).await;
    let insert = "
        INSERT INTO workspaces (organization_id, agent_id, id, name, namespace, desired_state, actual_state, generation,
            applied_generation, spec, created_at, created_by, desired_state_changed_at, actual_state_changed_at)
        SELECT $1, $2, gen_random_uuid(), 'w' || n, 'ns-' || n, 'Running', 'Running', 1, CASE n % 2000 WHEN 0 THEN 0 ELSE 1 END,
            '{\"containers\": []}', now() - n * interval '1 second', $3, now(), now() FROM generate_series(1, $4::bigint) n";
    let (organization, agent, token) = (world.organization, world.agent, world.token);
    client
        .execute(insert, &[organization.as_uuid(), agent.as_uuid(), token.as_uuid(), &count])
        .await
        .expect("rows are made");
    client.batch_execute("ANALYZE workspaces").await.expect("works");
    client
}

/// The plan of a statement as the application gets it: under the policy, and for any values of the parameters.
async fn plan(world: &World, statement: &str) -> String {
    let client = client(&world.url).await;
    let (organization, agent) = (world.organization, world.agent);
    client
        .batch_execute(&format!(
            "SET ROLE berth_app; SELECT set_config('berth.organization', '{organization}', false);
             SET plan_cache_mode = force_generic_plan; PREPARE s (uuid, uuid) AS {statement}"
        ))
        .await
        .expect("prepares");
    let explained = format!("EXPLAIN EXECUTE s ('{organization}', '{agent}')");
    let lines = client.simple_query(&explained).await.expect("explains");
    let lines = lines.iter().filter_map(|line| match line {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_partial_round_reads_an_index_of_what_is_pending() {
    let world = World::new().await;
    many(&world, 20_000).await;
    let plan = plan(
        &world,
        "SELECT * FROM workspaces WHERE organization_id = $1 AND agent_id = $2 AND id > '00000000-0000-0000-0000-000000000000'
         AND pending ORDER BY id LIMIT 500",
    )
    .await;
    assert!(plan.contains("workspaces_pending"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
}

#[tokio::test]
async fn a_page_of_the_list_begins_in_the_middle_of_its_index() {
    let world = World::new().await;
    many(&world, 20_000).await;
    let plan = plan(
        &world,
        "SELECT * FROM workspaces WHERE organization_id = $1 AND created_at <= now() AND (created_at < now() OR id < $2)
         ORDER BY created_at DESC, id DESC LIMIT 25",
    )
    .await;
    assert!(plan.contains("workspaces_listing"), "{plan}");
    assert!(!plan.contains("Sort"), "{plan}");
}

#[tokio::test]
async fn statements_of_the_gateway_use_these_indexes() {
    let world = World::new().await;
    let owner = many(&world, 20_000).await;
    let scans = async |index: &str| {
        // What a backend counted is written once it is idle for a second, or when it ends.
        let query = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = $1";
        owner.query_one(query, &[&index]).await.expect("a row").get::<_, Option<i64>>(0).unwrap_or(0)
    };
    let before = (scans("workspaces_pending").await, scans("workspaces_listing").await);
    let own = berth_db::Database::connect(berth_db::DatabaseConfig::new(&world.url)).await.expect("connects");
    let pending = own
        .read(world.organization, "test", async |conn| {
            conn.workspaces().pending(world.agent, &berth_db::AgentPage::first(500)).await
        })
        .await
        .expect("works");
    assert_eq!(pending.len(), 10);
    let page =
        PageRequest { after: Some(Cursor::new(crate::support::after(0), uuid::Uuid::nil())), limit: 25 };
    let listed = own
        .read(world.organization, "test", async |conn| {
            conn.workspaces().list(&WorkspaceFilter::default(), &page).await
        })
        .await
        .expect("works");
    assert_eq!(listed.len(), 25);
    drop(own);
    for _ in 0..500 {
        let now = (scans("workspaces_pending").await, scans("workspaces_listing").await);
        if now.0 > before.0 && now.1 > before.1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the indexes were not used");
}
