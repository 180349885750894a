use std::time::Duration;

use berth_db::embedded::{EmbeddedConfig, EmbeddedError, EmbeddedPostgres};

use crate::support::client;

#[tokio::test]
async fn data_outlives_a_stop_and_a_lock_that_was_left_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("open");
    let config = EmbeddedConfig { durable: false, ..EmbeddedConfig::new(directory.path().join("postgres")) };
    let first = EmbeddedPostgres::start(&config).await.expect("the first start");
    let url = first.url();
    client(&url)
        .await
        .batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        .await
        .expect("works");
    first.stop().await.expect("stops");

    // A lock with the number of a process that lives, which is this one: what is left when the machine lost its power.
    let lock = config.directory.join("data/postmaster.pid");
    assert!(!lock.exists());
    std::fs::write(&lock, format!("{}\n", std::process::id())).expect("written");
    let second = EmbeddedPostgres::start(&config).await.expect("starts over the stale lock");
    assert_eq!(second.url(), url);
    let row = client(&url).await.query_one("SELECT n FROM kept", &[]).await.expect("a row");
    assert_eq!(row.get::<_, i32>(0), 7);
    second.stop().await.expect("stops");
}

#[tokio::test]
async fn a_directory_is_not_used_twice() {
    let postgres = crate::support::postgres().await;
    let directory = client(&postgres.url()).await.query_one("SHOW data_directory", &[]).await.expect("a row");
    let directory = std::path::PathBuf::from(directory.get::<_, String>(0));
    let config =
        EmbeddedConfig { durable: false, ..EmbeddedConfig::new(directory.parent().expect("its place")) };
    let error = EmbeddedPostgres::start(&config).await.expect_err("it is in use");
    assert!(matches!(error, EmbeddedError::InUse { .. }), "{error}");
    // And the one that uses it was not disturbed.
    client(&postgres.url()).await.batch_execute("SELECT 1").await.expect("still answers");
}

#[tokio::test]
async fn a_dropped_postgres_ends_by_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("open");
    let config = EmbeddedConfig { durable: false, ..EmbeddedConfig::new(directory.path().join("postgres")) };
    let postgres = EmbeddedPostgres::start(&config).await.expect("starts");
    drop(postgres);
    let again = tokio::time::timeout(Duration::from_secs(20), EmbeddedPostgres::start(&config)).await;
    again.expect("in time").expect("the one before has ended").stop().await.expect("stops");
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_refused_in_words() {
    let config = EmbeddedConfig::new(std::env::temp_dir().join("long".repeat(30)));
    let error = EmbeddedPostgres::start(&config).await.expect_err("too long");
    assert!(error.to_string().contains("shorter"), "{error}");
}
