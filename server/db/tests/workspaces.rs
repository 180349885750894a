use berth_db::{
    ChangedBy, Conflict, DataKey, DbError, DbErrorKind, Intent, SealedVariable, WorkspaceView, constraints,
};
use berth_schema::variables::VariableKind;
use berth_schema::{ActualState, DesiredState, Generation, WorkspaceId, WorkspaceSpec};
use uuid::Uuid;

use crate::support::{World, after, client, start};

async fn change(
    world: &World,
    id: WorkspaceId,
    expected: Option<Generation>,
    intent: &Intent,
) -> Result<WorkspaceView, DbError> {
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces()
                .change_intent(id, expected, intent, ChangedBy::User(world.author()), after(1))
                .await
        })
        .await
}

#[tokio::test]
async fn what_is_stored_is_what_is_found() {
    let world = World::new().await;
    let workspace = world.new_workspace("first");
    world.insert_workspace(&workspace).await.expect("stored");
    let found = world.workspace(workspace.id).await;
    assert_eq!(found.agent.as_str(), "cluster");
    assert_eq!(found.variables, []);
    let row = found.workspace;
    assert_eq!((row.id, row.agent_id), (workspace.id, world.agent));
    assert_eq!((row.name, row.namespace, row.spec), (workspace.name, workspace.namespace, workspace.spec));
    assert_eq!(
        (row.desired_state, row.actual_state),
        (DesiredState::Running, ActualState::CreationRequested)
    );
    assert_eq!((row.generation, row.applied_generation), (Generation::FIRST, Generation::of(0)));
    assert_eq!(row.applied_epoch.or(row.applied_sequence), None);
    assert_eq!(row.created_at, start());
}

#[tokio::test]
async fn a_change_of_intent_raises_the_generation_by_one() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    let stopped =
        change(&world, id, None, &Intent::Desired(DesiredState::Stopped)).await.expect("stops").workspace;
    assert_eq!((stopped.desired_state, stopped.generation), (DesiredState::Stopped, Generation::of(2)));
    assert_eq!(stopped.desired_state_changed_at, after(1));

    let spec = WorkspaceSpec::from_image("registry.example/image:2");
    let rebuild = Intent::Rebuild { spec: spec.clone(), devfile: Some("schemaVersion: 2.3.0".to_owned()) };
    let after_it = change(&world, id, Some(Generation::of(2)), &rebuild).await.expect("rebuilds").workspace;
    assert_eq!((after_it.spec, after_it.generation), (spec, Generation::of(3)));
    assert_eq!(after_it.desired_state, DesiredState::Stopped);
    let devfile = world
        .database
        .read(world.organization, "test", async |conn| conn.workspaces().devfile(id).await)
        .await
        .expect("works");
    assert_eq!(devfile.as_deref(), Some("schemaVersion: 2.3.0"));
}

#[tokio::test]
async fn a_change_upon_an_old_generation_is_a_conflict_that_names_the_current_one() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    let stop = Intent::Desired(DesiredState::Stopped);
    change(&world, id, Some(Generation::of(1)), &stop).await.expect("the first one");
    let error = change(&world, id, Some(Generation::of(1)), &stop).await.expect_err("the second one");
    assert_eq!(error.kind, DbErrorKind::Conflict(Conflict::Generation { current: Generation::of(2) }));
    let error = change(&world, WorkspaceId::random(), None, &stop).await.expect_err("there is none");
    assert_eq!(error.kind, DbErrorKind::NotFound);
}

#[tokio::test]
async fn a_terminated_workspace_never_comes_back() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    change(&world, id, None, &Intent::Desired(DesiredState::Terminated)).await.expect("terminates");
    let error =
        change(&world, id, None, &Intent::Desired(DesiredState::Running)).await.expect_err("it is final");
    assert_eq!(error.kind, DbErrorKind::Conflict(Conflict::Terminated));
}

#[tokio::test]
async fn no_change_of_concurrent_writers_is_lost() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    let writers = (0..8).map(|number| {
        let world = &world;
        async move {
            let state = if number % 2 == 0 { DesiredState::Stopped } else { DesiredState::Running };
            let mut done = 0;
            while done < 10 {
                let seen = world.workspace(id).await.workspace.generation;
                match change(world, id, Some(seen), &Intent::Desired(state)).await {
                    Ok(view) => {
                        assert_eq!(view.workspace.generation, seen.next());
                        done += 1;
                    }
                    Err(error) => assert!(matches!(error.kind, DbErrorKind::Conflict(_)), "{error}"),
                }
            }
        }
    });
    futures::future::join_all(writers).await;
    assert_eq!(world.workspace(id).await.workspace.generation, Generation::of(81));
}

#[tokio::test]
async fn a_name_is_taken_until_its_workspace_is_gone() {
    let world = World::new().await;
    let first = world.create_workspace("name").await;
    let second = world.new_workspace("name");
    let taken = world.insert_workspace(&second).await.expect_err("taken");
    assert!(taken.violates(constraints::WORKSPACE_NAME), "{taken}");
    // Another organisation does not mind.
    world.neighbour().await.create_workspace("name").await;

    let finish =
        "UPDATE workspaces SET desired_state = 'Terminated', actual_state = 'Terminated' WHERE id = $1";
    client(&world.url).await.execute(finish, &[first.as_uuid()]).await.expect("works");
    world.insert_workspace(&second).await.expect("the name is free");
    let name = second.name.clone();
    let found = world
        .database
        .read(world.organization, "test", async |conn| conn.workspaces().find_by_name(&name).await)
        .await
        .expect("works");
    assert_eq!(found.expect("there").workspace.id, second.id);
}

#[tokio::test]
async fn variables_come_back_as_they_were_and_only_to_their_agent() {
    let world = World::new().await;
    let workspace = world.new_workspace("first");
    let key = data_key();
    let sealed = [sealed("B", VariableKind::File, &key), sealed("A", VariableKind::Environment, &key)];
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.workspaces().insert(&workspace, start()).await?;
            let own = sealed.clone().map(|variable| (variable, berth_db::Source::OWN));
            conn.variables().insert(world.agent, workspace.id, &key, &own, start()).await
        })
        .await
        .expect("stored");
    let load = async |agent| {
        let loaded = world.database.read(world.organization, "test", async |conn| {
            conn.variables().load(agent, &[workspace.id]).await
        });
        loaded.await.expect("works")
    };
    let loaded = load(world.agent).await.remove(&workspace.id).expect("there");
    assert_eq!(loaded.keys, [key]);
    assert_eq!(loaded.variables, [sealed[1].clone(), sealed[0].clone()]);
    assert!(load(berth_schema::AgentId::random()).await.is_empty());

    let names = world.workspace(workspace.id).await.variables;
    assert_eq!(
        names.iter().map(|name| (name.kind, name.name.as_str())).collect::<Vec<_>>(),
        [(VariableKind::Environment, "A"), (VariableKind::File, "B"),]
    );
}

#[tokio::test]
async fn a_stored_text_that_is_no_value_makes_its_row_unreadable_and_is_no_panic() {
    let world = World::new().await;
    let id = world.create_workspace("first").await;
    client(&world.url).await.batch_execute("UPDATE workspaces SET spec = '[1]'").await.expect("works");
    let found =
        world.database.read(world.organization, "test", async |conn| conn.workspaces().find(id).await).await;
    let workspace = found.expect("works").expect("there").workspace;
    assert_eq!((workspace.unreadable, workspace.actual_state), (true, ActualState::Error));
}

pub(crate) fn data_key() -> DataKey {
    DataKey {
        id: Uuid::new_v4(),
        kek_id: "2026-11".to_owned(),
        salt: [3; 32],
        wrapped_key: vec![4; 48],
        commitment: [5; 32],
        contents: None,
    }
}

pub(crate) fn sealed(name: &str, kind: VariableKind, key: &DataKey) -> SealedVariable {
    SealedVariable {
        kind,
        name: name.to_owned(),
        data_key_id: key.id,
        version: 1,
        nonce: [6; 12],
        ciphertext: vec![0, 255, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
    }
}
