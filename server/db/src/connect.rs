//! How a connection is made: TLS by where the server is, and the role that cannot pass row-level security.

use std::sync::Arc;
use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, NoTlsStream};
use tokio_postgres::{Client, Config, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{DbError, DbErrorKind};

/// A server that is there answers within this time; one that is not shall not hold a request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After this long without a word the other side is asked whether it still lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

type TlsConnection = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;
type PlainConnection = Connection<Socket, NoTlsStream>;

/// A new connection whose messages are not yet driven.
pub(crate) enum Raw {
    Tls(Client, Box<TlsConnection>),
    Plain(Client, Box<PlainConnection>),
}

/// Reads a `postgres://` URL. An error does not repeat it: it may hold a password.
pub(crate) fn parse(url: &str) -> Result<Config, DbError> {
    let mut config: Config = url.parse().map_err(|error| DbError::because(DbErrorKind::Internal, error))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    config.keepalives_idle(KEEPALIVE_IDLE);
    Ok(config)
}

/// Whether the server is on this machine, so that nobody is in between.
pub(crate) fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    })
}

fn tls() -> Result<MakeRustlsConnect, DbError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| DbError::because(DbErrorKind::Internal, error))?
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Connects. Without `sslmode` in the URL, a server on another machine must prove itself by TLS and one on this machine
/// is spoken to plainly; `sslmode=require` and `disable` say it either way. `prefer` is not offered: what falls back to
/// plain text protects from nobody.
pub(crate) async fn raw(config: &Config) -> Result<Raw, DbError> {
    let plain = match config.get_ssl_mode() {
        SslMode::Disable => true,
        SslMode::Require => false,
        _ => is_local(config),
    };
    if plain {
        let (client, connection) = config.connect(NoTls).await?;
        return Ok(Raw::Plain(client, Box::new(connection)));
    }
    let mut config = config.clone();
    let (client, connection) = config.ssl_mode(SslMode::Require).connect(tls()?).await?;
    Ok(Raw::Tls(client, Box::new(connection)))
}

/// A connection with the rights of the role that the URL names: for migrations.
pub(crate) async fn as_owner(config: &Config) -> Result<AsyncPgConnection, DbError> {
    let connection = match raw(config).await? {
        Raw::Tls(client, connection) => {
            AsyncPgConnection::try_from_client_and_connection(client, *connection).await
        }
        Raw::Plain(client, connection) => {
            AsyncPgConnection::try_from_client_and_connection(client, *connection).await
        }
    };
    Ok(connection?)
}

/// A connection that has given up every right but the application's.
pub(crate) async fn as_application(
    config: &Config,
    statement_timeout: Duration,
) -> Result<AsyncPgConnection, DbError> {
    as_role(config, "berth_app", statement_timeout).await
}

/// A connection that has given up every right but those of a role; `role` is a name of ours.
pub(crate) async fn as_role(
    config: &Config,
    role: &'static str,
    statement_timeout: Duration,
) -> Result<AsyncPgConnection, DbError> {
    let mut connection = as_owner(config).await?;
    let milliseconds = statement_timeout.as_millis();
    // Every statement goes by a key or an index, whatever its parameters are. Left to itself Postgres plans each one with a LIMIT
    // that is a parameter anew, which takes longer than running it.
    connection
        .batch_execute(&format!(
            "SET ROLE {role}; SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; \
             SET idle_in_transaction_session_timeout = {milliseconds}; SET plan_cache_mode = force_generic_plan"
        ))
        .await?;
    Ok(connection)
}

/// A connection that may list the organisations and do nothing else.
pub(crate) async fn as_jobs(config: &Config) -> Result<AsyncPgConnection, DbError> {
    let mut connection = as_owner(config).await?;
    connection.batch_execute("SET ROLE berth_jobs; SET statement_timeout = 10000").await?;
    Ok(connection)
}
