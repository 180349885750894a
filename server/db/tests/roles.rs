//! Who may do what: the login of a server, and the roles that its connections take.

use std::path::Path;

use berth_db::embedded::{EmbeddedConfig, EmbeddedPostgres};
use berth_db::testing::login_url;
use berth_db::{ChangedBy, Database, DatabaseConfig, DbError, Intent, check_login, check_migrated, roles};
use berth_schema::DesiredState;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::support::{World, after, client, empty_database, start};

fn said(error: &DbError) -> String {
    std::error::Error::source(error).expect("a cause").to_string()
}

async fn refused(client: &Client, statement: &str) {
    let error = client.batch_execute(statement).await.expect_err(statement);
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error:?}");
}

/// A connection as the pool makes them: the login, which took the application's role.
async fn application(world: &World) -> Client {
    let client = client(&login_url(&world.url)).await;
    let scope = format!(
        "SET ROLE berth_app; SELECT set_config('berth.organization', '{}', false)",
        world.organization
    );
    client.batch_execute(&scope).await.expect("the role and the scope are set");
    client
}

#[tokio::test]
async fn a_servers_connection_cannot_become_the_owner_whatever_it_is_made_to_run() {
    let world = World::new().await;
    for way in [
        "SELECT set_config('role', 'none', false)",
        "RESET ROLE",
        "RESET SESSION AUTHORIZATION",
        "DISCARD ALL",
    ] {
        let raw = application(&world).await;
        raw.batch_execute(way).await.expect(way);
        refused(&raw, "SELECT count(*) FROM organizations").await;
        refused(&raw, "SELECT count(*) FROM access_tokens").await;
        refused(&raw, "UPDATE access_tokens SET revoked_at = NULL").await;
        refused(&raw, "ALTER TABLE workspaces DISABLE ROW LEVEL SECURITY").await;
        refused(&raw, "CREATE TABLE mine (n int)").await;
        for role in ["berth", "berth_backup", "pg_read_all_data", "postgres"] {
            let taken = raw.batch_execute(&format!("SET ROLE {role}")).await;
            assert!(taken.is_err(), "{way}, then {role}");
        }
        // What is left are the other two internal roles, which see ids.
        raw.batch_execute("SET ROLE berth_jobs").await.expect("the login may");
        refused(&raw, "SELECT secret_hash FROM access_tokens").await;
        refused(&raw, "SELECT wrapped_key FROM scope_data_keys").await;
    }
}

#[tokio::test]
async fn a_login_that_can_do_more_than_a_server_may_is_refused_and_told_what_to_do() {
    let world = World::new().await;
    check_login(&login_url(&world.url)).await.expect("the server's own");
    let error = check_login(&world.url).await.expect_err("the owner is a superuser here");
    assert!(
        said(&error).contains("SUPERUSER") && said(&error).contains("BERTH_MIGRATIONS_DATABASE_URL"),
        "{error:?}"
    );

    let owner = client(&world.url).await;
    for (name, made, grants, word) in [
        (
            "login_member",
            "NOINHERIT",
            "GRANT berth_app, berth_jobs, berth_lifecycle, pg_read_all_data TO",
            "pg_read_all_data",
        ),
        ("login_inherits", "INHERIT", "GRANT berth_app, berth_jobs, berth_lifecycle TO", "NOINHERIT"),
        (
            "login_makes",
            "NOINHERIT CREATEROLE",
            "GRANT berth_app, berth_jobs, berth_lifecycle TO",
            "CREATEROLE",
        ),
        (
            "login_lacks",
            "NOINHERIT",
            "GRANT berth_app TO",
            "GRANT berth_jobs, berth_lifecycle TO login_lacks",
        ),
    ] {
        owner
            .batch_execute(&format!("CREATE ROLE {name} LOGIN {made}; {grants} {name}"))
            .await
            .expect("a role");
        let url = world.url.replacen("://berth@", &format!("://{name}@"), 1);
        let error = check_login(&url).await.expect_err(name);
        assert!(said(&error).contains(word), "{name}: {}", said(&error));
    }
}

#[tokio::test]
async fn a_server_that_does_not_migrate_waits_for_whoever_does() {
    let url = empty_database().await;
    let all = berth_db::versions().expect("versions").len();
    let error = check_migrated(&login_url(&url)).await.expect_err("empty");
    assert!(said(&error).contains(&format!("lacks {all} migrations")), "{error:?}");
    berth_db::migrate(&url).await.expect("migrated");
    check_migrated(&login_url(&url)).await.expect("nothing is lacking");
    let newest = berth_db::versions().expect("versions").pop().expect("one");
    let forget = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{newest}'");
    client(&url).await.batch_execute(&forget).await.expect("works");
    let error = check_migrated(&login_url(&url)).await.expect_err("behind");
    assert!(said(&error).contains("lacks 1 migrations"), "{error:?}");
}

#[tokio::test]
async fn what_was_revoked_stays_revoked() {
    let world = World::new().await;
    world
        .database
        .transaction(world.organization, "test", async |conn| {
            conn.tokens().revoke(world.token, start()).await?;
            conn.agents().revoke(world.agent, start()).await?;
            Ok::<_, DbError>(())
        })
        .await
        .expect("revoked");
    let raw = application(&world).await;
    for table in ["access_tokens", "agents"] {
        refused(&raw, &format!("UPDATE {table} SET revoked_at = NULL")).await;
        refused(&raw, &format!("UPDATE {table} SET revoked_at = now() + interval '1 year'")).await;
        refused(&raw, &format!("DELETE FROM {table}")).await;
    }
    let again = world.database.transaction(world.organization, "test", async |conn| {
        conn.tokens().revoke(world.token, after(9)).await
    });
    assert!(!again.await.expect("works"), "revoking twice is no error, and keeps the first time");
}

#[tokio::test]
async fn history_is_forgotten_only_where_it_is_over() {
    let world = World::new().await;
    let workspace = world.create_workspace("w").await;
    let change = async |desired| {
        world
            .database
            .transaction(world.organization, "test", async |conn| {
                let by = ChangedBy::User(world.author());
                conn.workspaces().change_intent(workspace, None, &Intent::Desired(desired), by, start()).await
            })
            .await
            .expect("changed");
    };
    change(DesiredState::Stopped).await;
    change(DesiredState::Running).await;
    let raw = application(&world).await;
    let everything = "DELETE FROM workspace_transitions";
    assert_eq!(raw.execute(everything, &[]).await.expect("nothing is over"), 0);
    refused(&raw, "UPDATE workspace_transitions SET actual_state = 'Running'").await;
    refused(&raw, "TRUNCATE workspace_transitions").await;
    let owner = client(&world.url).await;
    let gone = "UPDATE workspaces SET desired_state = 'Terminated', actual_state = 'Terminated'";
    owner.batch_execute(gone).await.expect("the owner may do anything");
    assert!(raw.execute(everything, &[]).await.expect("it is over") >= 3);
}

/// Every right of every role on every table, as Postgres itself sees it. A right that is added shows here.
#[tokio::test]
async fn each_role_has_these_rights_and_no_others() {
    let world = World::new().await;
    let rows = client(&world.url)
        .await
        .query(
            "SELECT format('%s %s: %s', role, c.relname, string_agg(verb || coalesce(' (' || columns || ')', ''), ', ' ORDER BY place))
             FROM unnest(ARRAY['berth_app', 'berth_backup', 'berth_jobs', 'berth_lifecycle', 'berth_server', 'public']) AS role
             CROSS JOIN pg_class c
             CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
                 WITH ORDINALITY AS verbs(verb, place)
             CROSS JOIN LATERAL (SELECT string_agg(a.attname, ' ' ORDER BY a.attname) AS columns
                 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                   AND verb IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                   AND NOT has_table_privilege(role, c.oid, verb) AND has_column_privilege(role, c.oid, a.attnum, verb)) AS of
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
               AND (has_table_privilege(role, c.oid, verb) OR columns IS NOT NULL)
             GROUP BY role, c.relname ORDER BY role, c.relname",
            &[],
        )
        .await
        .expect("the rights");
    let found: String = rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/grants.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &found).expect("a golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).expect("a golden file");
    assert_eq!(found, golden, "BLESS=1 writes it anew; a right belongs there only if a query needs it");
}

#[tokio::test]
async fn nobody_but_the_owner_may_make_anything_or_call_what_has_its_rights() {
    let world = World::new().await;
    let owner = client(&world.url).await;
    let query = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef";
    assert_eq!(owner.query_one(query, &[]).await.expect("a row").get::<_, i64>(0), 0);
    let query = "SELECT has_schema_privilege(role, 'public', 'CREATE')
        FROM unnest(ARRAY['berth_app', 'berth_jobs', 'berth_lifecycle', 'berth_backup', 'berth_server', 'public']) AS role";
    for row in owner.query(query, &[]).await.expect("rows") {
        assert!(!row.get::<_, bool>(0));
    }
}

/// The SQL block of the page, as an administrator pastes it.
fn documented_sql() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let from = page.split("## Database roles").nth(1).expect("the section");
    let block = from.split("```sql\n").nth(1).expect("a block");
    block.split("```").next().expect("its end").to_owned()
}

/// With roles that may make no role, as managed Postgres has them.
#[tokio::test]
async fn the_documented_roles_are_enough_to_migrate_and_to_serve() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("open");
    let config = EmbeddedConfig { durable: false, ..EmbeddedConfig::new(directory.path().join("postgres")) };
    let postgres = EmbeddedPostgres::start(&config).await.expect("it starts");
    let administrator = client(&postgres.url()).await;
    for statement in ["CREATE ROLE berth_alone LOGIN", "CREATE DATABASE alone OWNER berth_alone"] {
        administrator.batch_execute(statement).await.expect(statement);
    }
    let alone = postgres.url_of("alone").replacen("://berth@", "://berth_alone@", 1);
    let error = berth_db::migrate(&alone).await.expect_err("it may make no roles");
    assert!(said(&error).contains("berth_app") && said(&error).contains("docs/operations.md"), "{error:?}");

    // Each by itself: CREATE DATABASE takes no company.
    for statement in
        documented_sql().replace("CREATE DATABASE berth ", "CREATE DATABASE documented ").split(";\n")
    {
        administrator.batch_execute(statement).await.expect(statement);
    }
    let url = postgres.url_of("documented");
    let owner = url.replacen("://berth@", "://berth_owner@", 1);
    let login = url.replacen("://berth@", "://berth_server@", 1);
    berth_db::migrate(&owner).await.expect("migrates");
    check_login(&login).await.expect("a server's login");
    check_migrated(&login).await.expect("migrated");
    let database = Database::connect(DatabaseConfig::new(&login)).await.expect("it serves");
    let world = World::in_database(login.clone(), database, "acme").await;
    world.create_workspace("w").await;
    assert_eq!(berth_db::every_organization(&login).await.expect("a list"), [world.organization]);
    assert_eq!(berth_db::missing_rows(&login).await.expect("works"), None);
    assert_eq!(berth_db::migrate(&owner).await.expect("again"), 0);
    roles::ensure(&postgres.url()).await.expect("roles that are there stay");
    postgres.stop().await.expect("stops");
}

#[tokio::test]
async fn a_part_of_a_copy_is_noticed() {
    let world = World::new().await;
    let login = login_url(&world.url);
    assert_eq!(berth_db::missing_rows(&login).await.expect("works"), None);
    world.create_workspace("w").await;
    let owner = client(&world.url).await;
    owner.batch_execute("SET session_replication_role = replica").await.expect("a superuser may");
    for (removed, lacking) in [
        ("DELETE FROM agents", "the agent of a workspace"),
        ("DELETE FROM access_tokens", "the access tokens of an organization"),
        ("INSERT INTO installation VALUES (true, now()); DELETE FROM organizations", "the organizations"),
    ] {
        owner.batch_execute(removed).await.expect("removed");
        assert_eq!(berth_db::missing_rows(&login).await.expect("works").as_deref(), Some(lacking));
    }
}
