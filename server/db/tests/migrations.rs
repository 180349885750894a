use crate::support::{client, empty_database};

async fn tables(url: &str) -> Vec<String> {
    let query = "SELECT relname::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
                 WHERE n.nspname = 'public' AND relkind IN ('r', 'S', 'v') ORDER BY 1";
    client(url).await.query(query, &[]).await.expect("tables").iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_migration_goes_up_down_and_up_again() {
    let url = empty_database().await;
    let all = berth_db::versions().expect("versions").len();
    assert_eq!(berth_db::migrate(&url).await.expect("up"), all);
    let made = tables(&url).await;
    assert!(made.contains(&"workspaces".to_owned()));

    assert_eq!(berth_db::revert_all(&url).await.expect("down"), all);
    assert_eq!(tables(&url).await, ["__diesel_schema_migrations"]);
    let functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    assert_eq!(client(&url).await.query_one(functions, &[]).await.expect("functions").get::<_, i64>(0), 0);

    assert_eq!(berth_db::migrate(&url).await.expect("up again"), all);
    assert_eq!(tables(&url).await, made);
    assert_eq!(berth_db::migrate(&url).await.expect("nothing left to do"), 0);
}

#[tokio::test]
async fn servers_that_start_together_migrate_once() {
    let url = empty_database().await;
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { berth_db::migrate(&url).await.expect("migrates") })
        })
        .collect();
    let mut done = 0;
    for start in starts {
        done += start.await.expect("does not panic");
    }
    assert_eq!(done, berth_db::versions().expect("versions").len());
}

#[tokio::test]
async fn two_databases_of_one_postgres_migrate_at_the_same_time() {
    // Several rounds: what they share is the role, and only the very first round of a Postgres creates it.
    for _ in 0..3 {
        let (one, two) = (empty_database().await, empty_database().await);
        let (one, two) = tokio::join!(berth_db::migrate(&one), berth_db::migrate(&two));
        one.expect("one");
        two.expect("two");
    }
}

/// Of two with one version the second would never run, and nobody would be told.
#[test]
fn every_migration_has_a_version_of_its_own() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let names = std::fs::read_dir(path).expect("the migrations").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut versions: Vec<String> =
        names.filter_map(|name| name.split_once('_').map(|(version, _)| version.to_owned())).collect();
    let all = versions.len();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), all, "two migrations have one version: the later one needs another");
}
