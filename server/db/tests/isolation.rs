//! The second wall: what Postgres itself refuses, when the first wall (the queries' own filters) is taken away.

use berth_schema::OrganizationId;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::support::{World, client};

/// Raw SQL with the application's rights, in the scope of an organisation.
async fn raw_client(world: &World, organization: Option<OrganizationId>) -> Client {
    let client = client(&world.url).await;
    let organization = organization.map(|id| id.to_string()).unwrap_or_default();
    client
        .batch_execute(&format!(
            "SET ROLE berth_app; SELECT set_config('berth.organization', '{organization}', false)"
        ))
        .await
        .expect("the role and the scope are set");
    client
}

/// Every table but the migrations' own, with the column of its organisation: from the catalogue, so that a new table
/// cannot be forgotten.
async fn tables(world: &World) -> Vec<(String, Option<String>)> {
    let query = "
        SELECT c.relname::text, (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
            AND a.attname = CASE c.relname WHEN 'organizations' THEN 'id' ELSE 'organization_id' END)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> '__diesel_schema_migrations' ORDER BY 1";
    let rows = client(&world.url).await.query(query, &[]).await.expect("tables");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Two organisations with a row in every tenant table each.
async fn two_full_organizations() -> (World, World) {
    let ours = World::new().await;
    let theirs = ours.neighbour().await;
    for world in [&ours, &theirs] {
        fill(world).await;
    }
    (ours, theirs)
}

async fn fill(world: &World) {
    let workspace = world.create_workspace("shared-name").await;
    let (organization, agent, token) = (world.organization, world.agent, world.token);
    let nil = uuid::Uuid::nil();
    client(&world.url)
        .await
        .batch_execute(&format!(
            "INSERT INTO workspace_data_keys VALUES ('{organization}', '{agent}', '{workspace}', '{token}', 'kek',
                decode(repeat('00', 32), 'hex'), decode(repeat('00', 48), 'hex'), decode(repeat('00', 32), 'hex'), now());
             INSERT INTO workspace_variables VALUES ('{organization}', '{agent}', '{workspace}', 'file', 'name', '{token}',
                1, decode(repeat('00', 12), 'hex'), decode(repeat('00', 16), 'hex'));
             INSERT INTO agent_events VALUES ('{organization}', '{agent}', '{token}', now(), 'token_rotated', 'a', '{token}');
             INSERT INTO workspace_activity VALUES ('{organization}', '{agent}', '{workspace}', now(), NULL, NULL, NULL);
             INSERT INTO idle_rules VALUES ('{organization}', 'workspace', '{workspace}', 30, false, NULL, now());
             INSERT INTO proxy_contacts VALUES ('{organization}', '{agent}', now(), now());
             INSERT INTO agent_prerequisites VALUES ('{organization}', '{agent}', '{{}}', now());
             INSERT INTO audit_records VALUES ('{organization}', 1, now(), decode(repeat('00', 32), 'hex'),
                sha256(decode(repeat('00', 32), 'hex') || '\\x7b7d'::bytea), '\\x7b7d', NULL, 'a', 'agent', NULL, 'done');
             INSERT INTO policy_versions VALUES ('{organization}', 1, NULL, now(), NULL);
             INSERT INTO network_checks VALUES ('{organization}', '{agent}', '{token}', now());
             INSERT INTO orphans VALUES ('{organization}', '{agent}', '{token}', 'stranger', 'ws-stranger', now());
             INSERT INTO scope_data_keys VALUES ('{organization}', 'organization', '{organization}', '{token}', 'kek',
                decode(repeat('00', 32), 'hex'), decode(repeat('00', 48), 'hex'), decode(repeat('00', 32), 'hex'), now());
             INSERT INTO scope_variables VALUES ('{organization}', 'organization', '{organization}', 'file', 'name', '{token}',
                1, decode(repeat('00', 12), 'hex'), decode(repeat('00', 16), 'hex'), false, now());
             INSERT INTO git_credentials VALUES ('{organization}', 'git.example.com', false, 'berth', 'git', NULL, 1, NULL, NULL,
                now());
             INSERT INTO identity_providers VALUES ('{organization}', '{token}', 'sso', 'https://id.example.com', 'berth', NULL,
                1, NULL, NULL, '{{}}', now());
             INSERT INTO invitations SELECT organization_id, '{token}', decode(repeat('00', 32), 'hex'), 'Ada', 'viewer', now(), id,
                now() FROM subjects WHERE organization_id = '{organization}' LIMIT 1;
             INSERT INTO groups (organization_id, id, name, created_at) VALUES ('{organization}', '{token}', 'platform', now());
             INSERT INTO projects (organization_id, id, name, group_id, group_path, settings, version, created_at, updated_at)
                VALUES ('{organization}', '{token}', 'api', '{token}', 'platform', '{{}}', 1, now(), now());
             INSERT INTO role_grants (organization_id, id, subject_id, group_id, role, created_at)
                SELECT organization_id, '{token}', id, '{token}', 'viewer', now() FROM subjects
                WHERE organization_id = '{organization}' LIMIT 1;
             INSERT INTO sealed_scopes VALUES ('{organization}', 'group', '{token}', now());
             INSERT INTO scope_git_credentials VALUES ('{organization}', 'group', '{token}', 'git.example.com', false, 'berth', 'git',
                NULL, 1, NULL, NULL, now());
             INSERT INTO elevations (organization_id, id, subject_id, role, group_id, reason, seconds, created_at, decide_by)
                SELECT organization_id, '{token}', id, 'viewer', '{token}', 'x', 60, now(), now() FROM subjects
                WHERE organization_id = '{organization}' LIMIT 1;
             INSERT INTO agent_groups VALUES ('{organization}', '{agent}', '{token}', now());
             INSERT INTO port_shares (organization_id, id, workspace_id, port, audience, group_id, created_at, expires_at)
                VALUES ('{organization}', '{token}', '{workspace}', 8080, 'group', '{token}', now(), now() + interval '1 hour');
             INSERT INTO opened_ports VALUES ('{organization}', '{workspace}', 3000, 'port-3000', 1, now(), now() + interval '1 hour');
             INSERT INTO proxy_copies VALUES ('{organization}', '{token}', '{agent}', now());
             INSERT INTO open_connections VALUES ('{organization}', '{token}', '{workspace}', '{nil}', 8080, 'public', NULL, NULL, now(),
                now(), NULL, 1, 0, 0);
             INSERT INTO ended_connections VALUES ('{organization}', '{workspace}', '{token}', '{token}', now(), true, now());
             INSERT INTO accounts VALUES ('{token}', 'Ada', now());
             INSERT INTO sessions VALUES ('{token}', '{token}', decode(repeat('00', 32), 'hex'), 'openid', now(), now(), now(),
                now(), 60);
             INSERT INTO session_proofs VALUES ('{organization}', '{token}', '{token}', '{token}', NULL, NULL, '{{}}', NULL, now());
             INSERT INTO agent_sealing_keys VALUES ('{organization}', '{agent}', decode(repeat('00', 32), 'hex'), now());
             INSERT INTO idempotency_keys VALUES ('{organization}', '{token}', 'key', decode(repeat('00', 32), 'hex'),
                'workspace', '{workspace}', now());"
        ))
        .await
        .expect("a row in every other table");
}

#[tokio::test]
async fn every_table_forces_row_level_security() {
    let world = World::new().await;
    let query = "
        SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> '__diesel_schema_migrations'
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
              SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polwithcheck IS NOT NULL))";
    let open = client(&world.url).await.query(query, &[]).await.expect("tables");
    assert!(
        open.is_empty(),
        "without the second wall: {:?}",
        open.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    );
    let without: Vec<_> = tables(&world).await.into_iter().filter(|(_, column)| column.is_none()).collect();
    let without: Vec<_> = without.into_iter().map(|(table, _)| table).collect();
    // What an account owns is tried in `accounts`.
    let known = [
        "accounts",
        "authorization_codes",
        "device_requests",
        "devices",
        "identities",
        "installation",
        "issuer_names",
        "passkeys",
        "sessions",
        "sign_in_attempts",
        "sign_in_links",
        "signing_keys",
        "spent_codes",
        "ssh_keys",
    ];
    assert_eq!(without, known, "tables that no organisation owns");
}

#[tokio::test]
async fn every_key_begins_with_the_organisation() {
    let world = World::new().await;
    let query = "
        SELECT DISTINCT conrelid::regclass::text FROM pg_constraint k JOIN pg_attribute a
            ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.connamespace = 'public'::regnamespace AND k.contype IN ('p', 'f') AND a.attname <> 'organization_id'
        ORDER BY 1";
    let others = client(&world.url).await.query(query, &[]).await.expect("constraints");
    let others: Vec<String> = others.iter().map(|row| row.get(0)).collect();
    let known = [
        "__diesel_schema_migrations",
        "accounts",
        "authorization_codes",
        "device_requests",
        "devices",
        "identities",
        "installation",
        "issuer_names",
        "organizations",
        "passkeys",
        "session_proofs",
        "sessions",
        "sign_in_attempts",
        "sign_in_links",
        "signing_keys",
        "spent_codes",
        "ssh_keys",
        "subjects",
    ];
    assert_eq!(others, known);
}

#[tokio::test]
async fn rows_of_another_organisation_are_invisible_without_any_filter() {
    let (ours, theirs) = two_full_organizations().await;
    let raw = raw_client(&ours, Some(ours.organization)).await;
    for (table, column) in tables(&ours).await {
        let Some(column) = column else { continue };
        let seen =
            raw.query(&format!("SELECT {column} FROM {table}"), &[]).await.expect("a query without a filter");
        assert!(!seen.is_empty(), "{table} has no row of ours: the test shows nothing");
        for row in &seen {
            assert_eq!(OrganizationId::from_uuid(row.get(0)), ours.organization, "{table}");
        }
        let filter = format!("SELECT FROM {table} WHERE {column} = '{}'", theirs.organization);
        assert!(raw.query(&filter, &[]).await.expect("works").is_empty(), "{table}");
    }
}

#[tokio::test]
async fn without_an_organisation_nothing_is_visible() {
    let (ours, _theirs) = two_full_organizations().await;
    let raw = raw_client(&ours, None).await;
    for (table, column) in tables(&ours).await {
        if column.is_some() {
            let seen = raw.query(&format!("SELECT FROM {table}"), &[]).await.expect("works");
            assert!(seen.is_empty(), "{table}");
        }
    }
}

#[tokio::test]
async fn rows_of_another_organisation_cannot_be_changed_removed_or_written() {
    let (ours, theirs) = two_full_organizations().await;
    let raw = raw_client(&ours, Some(ours.organization)).await;
    let other = theirs.organization;
    for (table, column) in tables(&ours).await {
        let Some(column) = column else { continue };
        // Where a right is missing altogether the refusal is the same for one's own rows.
        for statement in [
            format!("DELETE FROM {table} WHERE {column} = '{other}'"),
            format!("UPDATE {table} SET {column} = {column} WHERE {column} = '{other}'"),
        ] {
            match raw.execute(&statement, &[]).await {
                Ok(rows) => assert_eq!(rows, 0, "{statement}"),
                Err(error) => assert_eq!(
                    error.code(),
                    Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                    "{statement}: {error:?}"
                ),
            }
        }
        let copy = client(&ours.url).await;
        let insert = insert_statement(&copy, &table, &column, other).await;
        let error = raw.execute(&insert, &[]).await.expect_err(&insert);
        let message = error.as_db_error().expect("Postgres refuses").message();
        assert!(message.contains("row-level security policy"), "{table}: {message}");
    }
}

/// An insertion of a copy of our row with the other organisation's id in it.
async fn insert_statement(
    client: &Client,
    table: &str,
    column: &str,
    organization: OrganizationId,
) -> String {
    let query = format!(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = '{table}'::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped"
    );
    let columns: String = client.query_one(&query, &[]).await.expect("columns").get(0);
    let values = columns
        .split(", ")
        .map(|name| if name == column { format!("'{organization}'") } else { name.to_owned() })
        .collect::<Vec<_>>()
        .join(", ");
    format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {table} LIMIT 1")
}

#[tokio::test]
async fn an_update_that_matches_everything_reaches_only_ones_own() {
    let (ours, theirs) = two_full_organizations().await;
    let raw = raw_client(&ours, Some(ours.organization)).await;
    let changed = raw.execute("UPDATE workspaces SET desired_state = 'Stopped'", &[]).await.expect("works");
    assert_eq!(changed, 1);
    let query = "SELECT desired_state FROM workspaces WHERE organization_id = $1";
    let row =
        client(&ours.url).await.query_one(query, &[theirs.organization.as_uuid()]).await.expect("a row");
    assert_eq!(row.get::<_, String>(0), "Running");
}

#[tokio::test]
async fn the_application_owns_nothing_and_cannot_turn_the_wall_off() {
    let world = World::new().await;
    let owner = client(&world.url).await;
    let role = owner
        .query_one(
            "SELECT rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication,
                    (SELECT count(*) FROM pg_class WHERE relowner = r.oid) FROM pg_roles r WHERE rolname = 'berth_app'",
            &[],
        )
        .await
        .expect("the role");
    assert!(!role.get::<_, bool>(0));
    assert_eq!(role.get::<_, i64>(1), 0);

    let raw = raw_client(&world, Some(world.organization)).await;
    for statement in [
        "ALTER TABLE workspaces DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE workspaces NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY of_its_organization ON workspaces",
        "CREATE TABLE mine (n int)",
        "TRUNCATE workspaces",
        "UPDATE workspaces SET id = gen_random_uuid()",
        "UPDATE workspaces SET created_by = gen_random_uuid()",
        "UPDATE access_tokens SET created_by = created_by",
        "UPDATE agent_events SET message = message",
        "DELETE FROM workspaces",
    ] {
        let error = raw.execute(statement, &[]).await.expect_err(statement);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error:?}");
    }
    // Postgres does not ignore the policy silently, it refuses.
    raw.batch_execute("SET row_security = off").await.expect("anybody may set it");
    let error = raw.query("SELECT FROM workspaces", &[]).await.expect_err("refused");
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
}

#[tokio::test]
async fn the_pools_connections_have_the_applications_role() {
    let world = World::new().await;
    world
        .database
        .read(world.organization, "test", async |conn| {
            conn.workspaces()
                .list(&berth_db::WorkspaceFilter::default(), &berth_db::PageRequest::first(1))
                .await
        })
        .await
        .expect("works");
    // The owner's role is a superuser's: what the pool cannot do shows whose role it has.
    let moved = world
        .database
        .transaction(world.organization, "test", async |conn| conn.agents().find(world.agent).await)
        .await;
    assert!(moved.expect("works").is_some());
    client(&world.url).await.batch_execute("REVOKE SELECT ON agents FROM berth_app").await.expect("works");
    let refused = world
        .database
        .transaction(world.organization, "test", async |conn| conn.agents().find(world.agent).await)
        .await;
    assert!(refused.is_err(), "the pool reads with other rights than the application's");
}

#[tokio::test]
async fn a_group_or_project_cannot_be_put_into_another_organisations_group() {
    let (ours, theirs) = two_full_organizations().await;
    let raw = raw_client(&ours, Some(ours.organization)).await;
    let theirs = theirs.token;
    for statement in [
        format!("UPDATE groups SET parent_id = '{theirs}', parent_path = 'platform'"),
        format!("UPDATE projects SET group_id = '{theirs}', group_path = 'platform'"),
    ] {
        let error = raw.execute(&statement, &[]).await.expect_err(&statement);
        assert_eq!(error.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION), "{statement}: {error:?}");
    }
}

#[tokio::test]
async fn a_workspace_cannot_be_put_on_another_organisations_agent() {
    let (ours, theirs) = two_full_organizations().await;
    let mut workspace = ours.new_workspace("stray");
    workspace.agent_id = theirs.agent;
    let error = ours.insert_workspace(&workspace).await.expect_err("no such agent here");
    assert_eq!(error.kind, berth_db::DbErrorKind::Internal);
}
