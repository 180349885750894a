use berth_db::{AgentPage, ChangedBy, DbError, Intent, IntentChange, Report, UpdateOutcome, WorkspaceUpdate};
use berth_schema::api::StateReason;
use berth_schema::variables::VariableKind;
use berth_schema::{ActualState, DesiredState, Generation, WorkspaceId};

use crate::support::{World, after, client, start};
use crate::workspaces::{data_key, sealed};

fn update(id: WorkspaceId, seen: i64, actual_state: ActualState) -> WorkspaceUpdate {
    WorkspaceUpdate {
        id,
        seen_generation: Generation::of(seen),
        actual_state,
        reason: None,
        applied_generation: Generation::of(seen),
        variables_generation: Generation::default(),
        deployment_resource_version: Some("rv".into()),
        intent: None,
    }
}

async fn report(world: &World, epoch: i64, sequence: i64, updates: &[WorkspaceUpdate]) -> Vec<UpdateOutcome> {
    let report = Report { agent: world.agent, epoch, sequence };
    let outcomes = world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces().apply_updates(report, updates, after(10)).await
        })
        .await
        .expect("works");
    assert_eq!(outcomes.len(), updates.len());
    updates.iter().map(|update| outcomes[&update.id]).collect()
}

async fn want(world: &World, id: WorkspaceId, desired: DesiredState) {
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces()
                .change_intent(id, None, &Intent::Desired(desired), ChangedBy::User(world.author()), after(5))
                .await
        })
        .await
        .expect("works");
}

async fn pending(world: &World) -> Vec<WorkspaceId> {
    let rows = world
        .database
        .read(world.organization, "test", async |conn| {
            conn.workspaces().pending(world.agent, &AgentPage::first(100)).await
        })
        .await
        .expect("works");
    rows.iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_report_is_stored_with_its_place_and_its_time() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    let reason = StateReason { reason: "ImagePullBackOff".into(), message: "back-off".into() };
    let failed = WorkspaceUpdate { reason: Some(reason.clone()), ..update(id, 1, ActualState::Failed) };
    assert_eq!(report(&world, 1, 1, &[failed]).await, [UpdateOutcome::Stored]);
    let row = world.workspace(id).await.workspace;
    assert_eq!((row.actual_state, row.reason.clone()), (ActualState::Failed, Some(reason)));
    assert_eq!((row.applied_generation, row.reported()), (Generation::of(1), Some((1, 1))));
    assert_eq!((row.actual_state_changed_at, row.desired_state_changed_at), (after(10), start()));
    assert_eq!(row.generation, Generation::of(1));
}

#[tokio::test]
async fn an_older_report_changes_nothing_and_is_not_acknowledged() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    report(&world, 2, 5, &[update(id, 1, ActualState::Running)]).await;
    for (epoch, sequence) in [(2, 5), (2, 4), (1, 99)] {
        let old = update(id, 1, ActualState::Starting);
        assert_eq!(
            report(&world, epoch, sequence, &[old]).await,
            [UpdateOutcome::Outdated],
            "{epoch}/{sequence}"
        );
    }
    assert_eq!(world.workspace(id).await.workspace.actual_state, ActualState::Running);
    // What says the same as is stored may be acknowledged, whenever it comes.
    assert_eq!(report(&world, 1, 1, &[update(id, 1, ActualState::Running)]).await, [UpdateOutcome::Stored]);
    // A lower generation that comes later is what the cluster proves now.
    assert_eq!(report(&world, 3, 1, &[update(id, 0, ActualState::Starting)]).await, [UpdateOutcome::Stored]);
    assert_eq!(world.workspace(id).await.workspace.applied_generation, Generation::of(0));
}

#[tokio::test]
async fn a_report_that_says_nothing_new_writes_nothing() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    let running = [update(id, 1, ActualState::Running)];
    report(&world, 1, 1, &running).await;
    let location = async || {
        let row = client(&world.url).await;
        let row = row
            .query_one("SELECT ctid::text, xmin::text, xmax::text FROM workspaces", &[])
            .await
            .expect("a row");
        (row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, String>(2))
    };
    let before = location().await;
    assert_eq!(report(&world, 1, 2, &running).await, [UpdateOutcome::Stored]);
    assert_eq!(location().await, before, "it was written or locked");
}

#[tokio::test]
async fn the_end_of_a_restart_loses_against_a_newer_wish() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    want(&world, id, DesiredState::RestartRequested).await;
    let run_again = WorkspaceUpdate {
        intent: Some(IntentChange { desired_state: DesiredState::Running, generation: Generation::of(3) }),
        ..update(id, 2, ActualState::Stopped)
    };
    want(&world, id, DesiredState::Stopped).await;
    assert_eq!(report(&world, 1, 1, std::slice::from_ref(&run_again)).await, [UpdateOutcome::Outdated]);
    assert_eq!(world.workspace(id).await.workspace.desired_state, DesiredState::Stopped);

    want(&world, id, DesiredState::RestartRequested).await;
    let run_again = WorkspaceUpdate {
        seen_generation: Generation::of(4),
        intent: Some(IntentChange { desired_state: DesiredState::Running, generation: Generation::of(5) }),
        ..run_again
    };
    assert_eq!(report(&world, 1, 2, &[run_again]).await, [UpdateOutcome::Stored]);
    let row = world.workspace(id).await.workspace;
    assert_eq!((row.desired_state, row.generation), (DesiredState::Running, Generation::of(5)));
    assert_eq!(row.desired_state_changed_at, after(10));
}

#[tokio::test]
async fn an_observation_is_stored_whatever_users_did_meanwhile() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    want(&world, id, DesiredState::Stopped).await;
    assert_eq!(report(&world, 1, 1, &[update(id, 1, ActualState::Running)]).await, [UpdateOutcome::Stored]);
    let row = world.workspace(id).await.workspace;
    assert_eq!((row.desired_state, row.generation), (DesiredState::Stopped, Generation::of(2)));
    assert_eq!((row.actual_state, row.applied_generation), (ActualState::Running, Generation::of(1)));
}

#[tokio::test]
async fn a_report_on_anothers_workspace_changes_nothing() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let theirs = neighbour.create_workspace("first").await;
    assert_eq!(
        report(&world, 1, 1, &[update(theirs, 1, ActualState::Terminated)]).await,
        [UpdateOutcome::Outdated]
    );
    assert_eq!(neighbour.workspace(theirs).await.workspace.actual_state, ActualState::CreationRequested);
}

#[tokio::test]
async fn a_workspace_that_is_gone_for_good_loses_its_key_and_its_variables() {
    let world = World::new().await;
    let workspace = world.new_workspace("first");
    let key = data_key();
    let variables = [sealed("A", VariableKind::Environment, &key)];
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces().insert(&workspace, start()).await?;
            let own = variables.clone().map(|variable| (variable, berth_db::Source::OWN));
            conn.variables().insert(world.agent, workspace.id, &key, &own, start()).await
        })
        .await
        .expect("stored");
    let count = async |table: &str| {
        let client = client(&world.url).await;
        client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.expect("a row").get::<_, i64>(0)
    };
    // Gone from the cluster but wanted: it is made again, and needs its variables.
    report(&world, 1, 1, &[update(workspace.id, 1, ActualState::Terminated)]).await;
    assert_eq!((count("workspace_data_keys").await, count("workspace_variables").await), (1, 1));
    want(&world, workspace.id, DesiredState::Terminated).await;
    assert_eq!(pending(&world).await, [workspace.id], "it was gone, but nobody proved that it stays gone");
    report(&world, 1, 2, &[update(workspace.id, 2, ActualState::Terminating)]).await;
    assert_eq!((count("workspace_data_keys").await, count("workspace_variables").await), (1, 1));
    report(&world, 1, 3, &[update(workspace.id, 2, ActualState::Terminated)]).await;
    assert_eq!((count("workspace_data_keys").await, count("workspace_variables").await), (0, 0));
    assert_eq!(world.workspace(workspace.id).await.variables, []);

    assert_eq!(pending(&world).await, []);
    let late = update(workspace.id, 2, ActualState::Running);
    assert_eq!(report(&world, 1, 4, &[late]).await, [UpdateOutcome::Outdated], "it came back");
}

#[tokio::test]
async fn a_workspace_that_was_gone_before_it_was_wanted_gone_is_not_finished() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    want(&world, id, DesiredState::Terminated).await;
    // Decided upon generation 1, when it was to run and is being made anew.
    let gone = update(id, 1, ActualState::Terminated);
    assert_eq!(report(&world, 1, 1, &[gone]).await, [UpdateOutcome::Outdated]);
    assert_eq!(pending(&world).await, [id]);
    let gone =
        WorkspaceUpdate { seen_generation: Generation::of(2), ..update(id, 0, ActualState::Terminated) };
    assert_eq!(report(&world, 1, 2, &[gone]).await, [UpdateOutcome::Stored]);
    assert_eq!(pending(&world).await, []);
}

#[tokio::test]
async fn what_an_agent_has_to_do_stays_pending_until_it_is_proven() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    assert_eq!(pending(&world).await, [id], "never applied");
    report(&world, 1, 1, &[update(id, 1, ActualState::Running)]).await;
    assert_eq!(pending(&world).await, []);
    want(&world, id, DesiredState::RestartRequested).await;
    report(&world, 1, 2, &[update(id, 2, ActualState::Stopping)]).await;
    assert_eq!(pending(&world).await, [id], "a restart has not ended");
    want(&world, id, DesiredState::Terminated).await;
    report(&world, 1, 3, &[update(id, 3, ActualState::Terminating)]).await;
    assert_eq!(pending(&world).await, [id], "not proven gone");
    // Nothing is left that could prove a generation.
    let gone =
        WorkspaceUpdate { applied_generation: Generation::of(0), ..update(id, 3, ActualState::Terminated) };
    report(&world, 1, 4, &[gone]).await;
    assert_eq!(pending(&world).await, []);
}

#[tokio::test]
async fn a_partial_round_holds_what_is_reported_and_what_is_pending_once() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(world.create_workspace(&format!("w{number}")).await);
    }
    ids.sort();
    let settled: Vec<_> = ids[..4].iter().map(|id| update(*id, 1, ActualState::Running)).collect();
    report(&world, 1, 1, &settled).await;
    let stranger = world.neighbour().await.create_workspace("theirs").await;
    let load = async |reported: &[WorkspaceId], limit| {
        let page = AgentPage::first(limit);
        let rows = world
            .database
            .read(world.organization, "test", async |conn| {
                conn.workspaces().for_partial_reconcile(world.agent, reported, &page).await
            })
            .await
            .expect("works");
        let (spoken_of, pending) = rows;
        spoken_of.iter().chain(&pending).map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(load(&[], 10).await, ids[4..]);
    assert_eq!(load(&[ids[0], ids[4], stranger], 10).await, [ids[0], ids[4], ids[5]]);
    assert_eq!(load(&[ids[0]], 1).await, [ids[0], ids[4]]);
}

#[tokio::test]
async fn what_should_be_in_the_cluster_is_what_was_proven_and_is_not_to_go() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(world.create_workspace(&format!("w{number}")).await);
    }
    let [there, doomed, gone, _new] = ids[..] else { panic!("four") };
    report(&world, 1, 1, &[there, doomed, gone].map(|id| update(id, 1, ActualState::Running))).await;
    want(&world, doomed, DesiredState::Terminated).await;
    report(&world, 1, 2, &[update(gone, 0, ActualState::Unknown)]).await;
    let applied = world
        .database
        .read(world.organization, "test", async |conn| conn.workspaces().applied(world.agent).await);
    assert_eq!(applied.await.expect("works"), [there]);
}

#[tokio::test]
async fn a_confirmed_loss_makes_what_is_suspected_pending_and_nothing_else() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(world.create_workspace(&format!("w{number}")).await);
    }
    let [lost, doomed, other] = ids[..] else { panic!("three") };
    let because_of = |word: &str| StateReason { reason: word.into(), message: "many".into() };
    let because =
        |id, reason| WorkspaceUpdate { reason: Some(reason), ..update(id, 1, ActualState::Unknown) };
    let suspected = [because(lost, because_of("Suspected")), because(doomed, because_of("Suspected"))];
    report(&world, 1, 1, &suspected).await;
    report(&world, 1, 2, &[because(other, because_of("Unschedulable"))]).await;
    want(&world, doomed, DesiredState::Terminated).await;
    let gone = because_of("NotInCluster");
    let confirmed = world.database.transaction(world.organization, "test", async |conn| {
        conn.workspaces().confirm_loss(world.agent, "Suspected", &gone).await
    });
    assert_eq!(confirmed.await.expect("works"), 1);
    let row = world.workspace(lost).await.workspace;
    assert_eq!((row.applied_generation, row.reason), (Generation::of(0), Some(gone)));
    assert_eq!(world.workspace(other).await.workspace.applied_generation, Generation::of(1));
    let mut expected = [lost, doomed];
    expected.sort();
    assert_eq!(pending(&world).await, expected);
}

#[tokio::test]
async fn batches_that_meet_in_any_order_do_not_deadlock() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(world.create_workspace(&format!("w{number}")).await);
    }
    let backwards: Vec<_> = ids.iter().rev().copied().collect();
    let rounds = (1..=40_i64).map(|sequence| {
        let (world, ids) = (&world, if sequence % 2 == 0 { &ids } else { &backwards });
        async move {
            let state = if sequence % 2 == 0 { ActualState::Running } else { ActualState::Starting };
            let number = Some(sequence.to_string().into());
            let one = |id: &WorkspaceId| WorkspaceUpdate {
                deployment_resource_version: number.clone(),
                ..update(*id, 1, state)
            };
            let updates: Vec<_> = ids.iter().map(one).collect();
            let report = Report { agent: world.agent, epoch: 1, sequence };
            world
                .database
                .transaction(world.organization, "test", async |conn| {
                    conn.workspaces().apply_updates(report, &updates, after(10)).await
                })
                .await
                .map(drop)
        }
    });
    let results: Result<Vec<()>, DbError> = futures::future::try_join_all(rounds).await;
    results.expect("every batch is stored or outdated");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let row = client(&world.url).await.query_one(deadlocks, &[]).await.expect("a row");
    assert_eq!(row.get::<_, i64>(0), 0);
    for id in ids {
        assert_eq!(world.workspace(id).await.workspace.reported(), Some((1, 40)));
    }
}
