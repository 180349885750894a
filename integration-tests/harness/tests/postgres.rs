//! A Postgres of one's own.

use berth_harness::Postgres;
use tokio_postgres::NoTls;

async fn query(url: &str, statement: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let rows = client.query(statement, &[]).await;
    drop(client);
    connection.await.expect("the connection's task")?;
    Ok(rows?.iter().map(|row| row.get(0)).collect())
}

#[tokio::test]
async fn databases_are_apart_and_the_process_ends_with_its_handle() {
    let postgres = Postgres::start(None).await.expect("Postgres starts");
    let one = postgres.create_database().await.expect("a database");
    let two = postgres.create_database().await.expect("another");
    query(&one, "CREATE TABLE here AS SELECT 'text' AS word").await.expect("a table");
    assert_eq!(query(&one, "SELECT word FROM here").await.expect("rows"), ["text"]);
    assert!(query(&two, "SELECT word FROM here").await.is_err(), "a table of another database is seen");

    let process = postgres.process();
    assert!(process.is_alive());
    let directory = std::fs::read_link(format!("/proc/{}/cwd", process.pid)).expect("its directory");
    drop(postgres);
    assert!(!process.is_alive());
    assert!(!directory.exists(), "its data is left");
}

#[tokio::test]
async fn a_directory_of_ones_own_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = Postgres::start(Some(dir.path())).await.expect("Postgres starts");
    query(&first.url(), "CREATE TABLE kept AS SELECT 'text' AS word").await.expect("a table");
    first.stop().await.expect("it stops");
    let second = Postgres::start(Some(dir.path())).await.expect("Postgres starts again");
    assert_eq!(query(&second.url(), "SELECT word FROM kept").await.expect("rows"), ["text"]);
}
