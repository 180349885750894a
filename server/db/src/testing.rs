//! For the tests of this crate and of the server: one Postgres for the process, and for each test a database of its own.
//!
//! Everything here panics when it does not work, as a test does.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

use crate::embedded::{EmbeddedConfig, EmbeddedPostgres};

const DIRECTORY_PREFIX: &str = "berth-test-postgres-";
const TEMPLATE: &str = "template_berth";

static POSTGRES: OnceCell<EmbeddedPostgres> = OnceCell::const_new();
static TEMPLATE_MADE: OnceCell<()> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The process's Postgres. It ends with the process; its directory is removed by the next run.
pub async fn postgres() -> &'static EmbeddedPostgres {
    POSTGRES
        .get_or_init(|| async {
            remove_leftovers();
            let directory = std::env::temp_dir().join(format!("{DIRECTORY_PREFIX}{}", std::process::id()));
            let config = EmbeddedConfig { durable: false, ..EmbeddedConfig::new(directory) };
            let postgres = EmbeddedPostgres::start(&config).await.expect("Postgres starts");
            crate::roles::ensure(&postgres.url()).await.expect("its roles are made");
            postgres
        })
        .await
}

fn remove_leftovers() {
    let entries = std::fs::read_dir(std::env::temp_dir()).expect("the temporary directory can be read");
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(DIRECTORY_PREFIX)?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            // Best effort: whoever runs next tries again.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A database's URL for a server's own login, which owns nothing.
pub fn login_url(url: &str) -> String {
    url.replacen("://berth@", &format!("://{}@", crate::roles::LOGIN), 1)
}

/// The URL of a new database without tables.
pub async fn empty_database() -> String {
    create("").await
}

/// The URL of a new database with all migrations.
pub async fn migrated_database() -> String {
    TEMPLATE_MADE
        .get_or_init(|| async {
            let postgres = postgres().await;
            postgres.create_database(TEMPLATE).await.expect("the template is made");
            crate::migrate(&postgres.url_of(TEMPLATE)).await.expect("the template is migrated");
        })
        .await;
    create(&format!("TEMPLATE {TEMPLATE}")).await
}

async fn create(template: &str) -> String {
    let postgres = postgres().await;
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let statement = format!("CREATE DATABASE {name} {template}");
    client(&postgres.url()).await.batch_execute(&statement).await.expect("a database is made");
    postgres.url_of(&name)
}

/// A bare connection of the owner, whom no policy binds (it is a superuser).
pub async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    client
}
