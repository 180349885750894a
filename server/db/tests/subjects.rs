use berth_db::{DbError, Owner};
use berth_schema::SubjectId;
use berth_schema::access::{Role, SubjectKind};
use uuid::Uuid;

use crate::support::{World, client, start};

async fn fill(world: &World) -> usize {
    let mut batches = 0;
    let mut after = None;
    loop {
        let last = world
            .database
            .transaction(world.organization, "test", async |conn| {
                conn.subjects().fill_creators(after, 2).await
            })
            .await
            .expect("filled");
        if last.is_none() {
            return batches;
        }
        (after, batches) = (last, batches + 1);
    }
}

async fn creators(world: &World) -> Vec<Option<Uuid>> {
    let query = "SELECT created_by_subject FROM workspaces ORDER BY name";
    let rows = client(&world.url).await.query(query, &[]).await.expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn what_the_version_before_writes_has_a_subject() {
    let world = World::new().await;
    let (organization, agent) = (world.organization, world.agent);
    let (token, workspace) = (Uuid::new_v4(), Uuid::new_v4());
    client(&world.url)
        .await
        .batch_execute(&format!(
            "INSERT INTO access_tokens (organization_id, id, name, secret_hash, created_at)
                VALUES ('{organization}', '{token}', 'old', decode(repeat('07', 32), 'hex'), now());
             INSERT INTO workspaces (organization_id, agent_id, id, name, namespace, desired_state, actual_state, generation,
                spec, created_at, created_by, desired_state_changed_at, actual_state_changed_at)
                VALUES ('{organization}', '{agent}', '{workspace}', 'w', 'ns-w', 'Running', 'Unknown', 1, '{{}}', now(),
                '{token}', now(), now());
             INSERT INTO workspace_transitions (organization_id, agent_id, workspace_id, number, at, desired_state,
                actual_state, generation, applied_generation, cause, token_id)
                VALUES ('{organization}', '{agent}', '{workspace}', 1, now(), 'Running', 'Unknown', 1, 0, 'User', '{token}');
             INSERT INTO idempotency_keys (organization_id, token_id, key, request_hash, resource_kind, resource_id, created_at)
                VALUES ('{organization}', '{token}', 'k', decode(repeat('01', 32), 'hex'), 'workspace', '{workspace}', now());"
        ))
        .await
        .expect("rows as the version before writes them");
    let query = "
        SELECT subject_id FROM access_tokens WHERE id = $1
        UNION ALL SELECT created_by_subject FROM workspaces WHERE created_by = $1
        UNION ALL SELECT subject_id FROM workspace_transitions WHERE token_id = $1
        UNION ALL SELECT subject_id FROM idempotency_keys WHERE token_id = $1
        UNION ALL SELECT id FROM subjects WHERE id = $1 AND name = 'old'";
    let subjects = client(&world.url).await.query(query, &[&token]).await.expect("rows");
    let subjects: Vec<Option<Uuid>> = subjects.iter().map(|row| row.get(0)).collect();
    assert_eq!(subjects, [Some(token); 5], "a token of the version before is a subject of its own");
}

#[tokio::test]
async fn workspaces_of_before_are_filled_in_batches_and_count_before_that() {
    let world = World::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        world.create_workspace(name).await;
    }
    // As they were: the subject of a token of before has the token's id.
    let (token, subject) = (world.token, world.subject);
    client(&world.url)
        .await
        .batch_execute(&format!(
            "INSERT INTO subjects SELECT organization_id, '{token}', kind, name, created_at FROM subjects WHERE id = '{subject}';
             ALTER TABLE workspaces DISABLE TRIGGER USER;
             UPDATE access_tokens SET subject_id = '{token}';
             UPDATE workspaces SET created_by_subject = NULL;
             ALTER TABLE workspaces ENABLE TRIGGER USER;"
        ))
        .await
        .expect("as before");
    let of_before = SubjectId::from_uuid(token.into());
    let usage = async || {
        let owner = Owner::Creator(of_before);
        let counted = world
            .database
            .read(world.organization, "test", async |conn| conn.workspaces().usage(world.agent, owner).await);
        counted.await.expect("counted").own.workspaces
    };
    assert_eq!(usage().await, 5);
    assert_eq!(fill(&world).await, 3, "two at a time");
    assert_eq!(creators(&world).await, [Some(token.into()); 5]);
    assert_eq!((fill(&world).await, usage().await), (0, 5));
}

#[tokio::test]
async fn who_created_something_stays_who_created_it() {
    let world = World::new().await;
    world.create_workspace("w").await;
    assert_eq!(creators(&world).await, [Some(world.subject.into())]);
    let error = client(&world.url)
        .await
        .batch_execute("UPDATE workspaces SET created_by_subject = created_by")
        .await
        .expect_err("another creator");
    let said = error.as_db_error().expect("by Postgres").message();
    assert_eq!(said, "who created something stays who created it");
}

#[tokio::test]
async fn a_subject_of_another_organisation_owns_nothing_here() {
    let world = World::new().await;
    let neighbour = world.neighbour().await;
    let stranger = berth_db::Author { subject: neighbour.subject, token: world.token };
    let workspace = berth_db::NewWorkspace { created_by: stranger, ..world.new_workspace("w") };
    assert!(world.insert_workspace(&workspace).await.is_err());
    let service = berth_db::NewSubject {
        id: SubjectId::random(),
        kind: SubjectKind::Service,
        name: "builds".to_owned(),
        role: Role::Developer,
        account: None,
    };
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.subjects().insert(&service, start()).await?;
            Ok::<_, DbError>(())
        })
        .await
        .expect("a service");
}
