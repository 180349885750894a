//! Backups that hold everything although row-level security is forced, and restores that say so.

use std::sync::atomic::{AtomicBool, Ordering};

use berth_db::backup::{self, BackupError, Counts};
use berth_db::testing::login_url;
use berth_db::{Database, DatabaseConfig};

use crate::support::{World, client, empty_database};

/// The URL of a database whose owner is no superuser and has no BYPASSRLS, as in production.
async fn owned_database(owner: &str) -> String {
    let url = empty_database().await;
    let name = url.rsplit('/').next().expect("a name");
    let administrator = client(&url).await;
    administrator
        .batch_execute(&format!(
            "DO $$ BEGIN CREATE ROLE {owner} LOGIN NOCREATEROLE; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
             GRANT berth_app, berth_jobs, berth_lifecycle, berth_backup TO {owner};
             ALTER DATABASE {name} OWNER TO {owner}"
        ))
        .await
        .expect("an owner");
    url.replacen("://berth@", &format!("://{owner}@"), 1)
}

/// Two organisations with a workspace each.
async fn full_world(owner: &str) -> World {
    let url = owned_database(owner).await;
    berth_db::migrate(&url).await.expect("migrated");
    let database = Database::connect(DatabaseConfig::new(&url)).await.expect("it answers");
    let ours = World::in_database(url, database, "acme").await;
    let theirs = ours.neighbour().await;
    ours.create_workspace("w").await;
    theirs.create_workspace("w").await;
    ours
}

fn as_superuser(url: &str, owner: &str) -> String {
    url.replacen(&format!("://{owner}@"), "://berth@", 1)
}

/// What a superuser counts, whom no policy binds.
async fn true_counts(url: &str) -> Counts {
    let client = client(url).await;
    let tables = client
        .query("SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'", &[])
        .await
        .expect("tables");
    let mut counts = Counts::new();
    for table in tables.iter().map(|row| row.get::<_, String>(0)) {
        let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.expect("a count");
        counts.insert(table, count.get::<_, i64>(0).unsigned_abs());
    }
    counts.retain(|_, rows| *rows > 0);
    counts
}

#[tokio::test]
async fn an_owner_that_sees_no_row_saves_all_of_them_and_they_come_back() {
    let owner = "backup_owner";
    let world = full_world(owner).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("berth.backup");
    let expected = true_counts(&as_superuser(&world.url, owner)).await;
    let saved = backup::back_up(&world.url, &file).await.expect("saved");
    assert_eq!(saved, expected);
    assert!(
        saved["workspaces"] == 2 && saved["access_tokens"] == 2 && saved["organizations"] == 2,
        "{saved:?}"
    );
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).expect("there"));
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(directory.path()).expect("read").count(), 1, "nothing else is left");
    let again = backup::back_up(&world.url, &file).await.expect_err("it is there");
    assert!(matches!(again, BackupError::Exists(_)), "{again}");

    let copy = owned_database(owner).await;
    assert_eq!(backup::restore(&copy, &file).await.expect("restored"), saved);
    assert_eq!(true_counts(&as_superuser(&copy, owner)).await, expected);
    let again = backup::restore(&copy, &file).await.expect_err("it is full");
    assert!(matches!(again, BackupError::NotEmpty), "{again}");

    // It is the same database in every way that a server can see: rows, walls, rights.
    assert_eq!(berth_db::migrate(&copy).await.expect("migrated"), 0);
    assert_eq!(berth_db::missing_rows(&copy).await.expect("works"), None);
    let database = Database::connect(DatabaseConfig::new(&copy)).await.expect("it answers");
    let original = world.url.clone();
    let copied = World { url: copy.clone(), database, ..world };
    copied.create_workspace("after").await;
    let walls = "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity";
    let walls_of =
        async |url: &str| -> i64 { client(url).await.query_one(walls, &[]).await.expect("a row").get(0) };
    assert_eq!(walls_of(&copied.url).await, walls_of(&original).await);
    let second = directory.path().join("second.backup");
    backup::back_up(&copy, &second).await.expect("the copy can be saved as well");
}

#[tokio::test]
async fn what_is_saved_while_servers_write_is_one_moment() {
    let owner = "backup_busy_owner";
    let world = full_world(owner).await;
    let directory = tempfile::tempdir().expect("a directory");
    let done = AtomicBool::new(false);
    let writes = async {
        let mut written = 0;
        while !done.load(Ordering::Relaxed) {
            world.create_workspace(&format!("w{written}")).await;
            written += 1;
        }
        written
    };
    let saving = async {
        let mut saved = Vec::new();
        for number in 0..3 {
            let file = directory.path().join(format!("{number}.backup"));
            saved.push((backup::back_up(&world.url, &file).await.expect("saved"), file));
        }
        done.store(true, Ordering::Relaxed);
        saved
    };
    let (written, saved) = tokio::join!(writes, saving);
    assert!(written > 3, "{written} writes: nothing was shown");
    for (counts, file) in saved {
        let copy = owned_database(owner).await;
        assert_eq!(backup::restore(&copy, &file).await.expect("every foreign key holds"), counts);
        // Each workspace has the transition that was written with it, and none is there twice.
        let query = "SELECT count(*) FROM workspaces w WHERE (SELECT count(*) FROM workspace_transitions t
                     WHERE t.workspace_id = w.id) <> 1";
        let superuser = client(&as_superuser(&copy, owner)).await;
        assert_eq!(superuser.query_one(query, &[]).await.expect("a row").get::<_, i64>(0), 0);
    }
}

#[tokio::test]
async fn a_table_that_is_hidden_stops_the_backup_by_its_name() {
    let owner = "backup_hidden_owner";
    let world = full_world(owner).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("berth.backup");
    let superuser = client(&as_superuser(&world.url, owner)).await;
    for (way, cure) in [
        ("DROP POLICY for_backup ON access_tokens", "migrate"),
        ("REVOKE SELECT ON access_tokens FROM berth_backup", "migrate"),
        (
            "CREATE POLICY less ON access_tokens AS RESTRICTIVE FOR SELECT TO berth_backup USING (false)",
            "DROP POLICY less ON access_tokens",
        ),
    ] {
        superuser.batch_execute(way).await.expect(way);
        let error = backup::back_up(&world.url, &file).await.expect_err(way);
        assert!(matches!(&error, BackupError::Hidden(tables) if tables == "access_tokens"), "{way}: {error}");
        assert_eq!(std::fs::read_dir(directory.path()).expect("read").count(), 0, "nothing is left: {way}");
        if cure == "migrate" {
            berth_db::migrate(&world.url).await.expect("migrated");
        } else {
            superuser.batch_execute(cure).await.expect(cure);
        }
    }
    backup::back_up(&world.url, &file).await.expect("saved");
}

#[tokio::test]
async fn a_broken_archive_restores_nothing() {
    let owner = "backup_broken_owner";
    let world = full_world(owner).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("berth.backup");
    backup::back_up(&world.url, &file).await.expect("saved");
    let whole = std::fs::read(&file).expect("read");
    for broken in [&whole[..whole.len() / 2], b"no archive".as_slice(), b""] {
        std::fs::write(&file, broken).expect("written");
        let copy = owned_database(owner).await;
        backup::restore(&copy, &file).await.expect_err("broken");
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        let superuser = client(&as_superuser(&copy, owner)).await;
        assert_eq!(superuser.query_one(tables, &[]).await.expect("a row").get::<_, i64>(0), 0);
    }
}

#[tokio::test]
async fn a_servers_login_is_told_to_let_the_owner_do_it() {
    let url = empty_database().await;
    let login = login_url(&url);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("berth.backup");
    let refused = backup::restore(&login, &file).await.expect_err("refused");
    let BackupError::Database(refused) = refused else { panic!("{refused:?}") };
    let said = std::error::Error::source(&refused).expect("a cause").to_string();
    assert!(said.contains("is a server's login") && said.contains("BERTH_MIGRATIONS_DATABASE_URL"), "{said}");
    let refused = backup::back_up(&login, &file).await.expect_err("refused");
    let BackupError::Database(refused) = refused else { panic!("{refused:?}") };
    let said = std::error::Error::source(&refused).expect("a cause").to_string();
    assert!(said.contains("may not read every row"), "{said}");
    assert!(!file.exists());
}
