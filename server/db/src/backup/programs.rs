//! Postgres' own programs.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::BackupError;
use crate::connect::is_local;
use crate::embedded::newest_program;

/// An installed program: the newest, since an old one cannot read a newer server.
pub(super) struct Program {
    name: &'static str,
    path: PathBuf,
}

impl Program {
    pub(super) fn find(name: &'static str) -> Result<Self, BackupError> {
        let path = newest_program(name).ok_or(BackupError::NotInstalled(name))?;
        Ok(Self { name, path })
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.env("LC_ALL", "C").env("PGAPPNAME", "berth-backup").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs it to its end against a database. The password goes by environment: options are everyone's to read.
    pub(super) async fn run(
        &self,
        database: &Config,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<(), BackupError> {
        let mut command = self.command();
        command.args(arguments).arg("--no-password").envs(environment(database));
        let failed = |said: String| BackupError::Failed { program: self.name, said };
        let output = command.output().await.map_err(|source| BackupError::Io {
            what: format!("{} cannot be run", self.path.display()),
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// How libpq reaches what a URL names; TLS as the server itself demands it.
fn environment(database: &Config) -> Vec<(&'static str, String)> {
    let hosts: Vec<String> = database
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let ports: Vec<String> = database.get_ports().iter().map(ToString::to_string).collect();
    let plain = match database.get_ssl_mode() {
        SslMode::Disable => true,
        SslMode::Require => false,
        _ => is_local(database),
    };
    let mut environment = vec![
        ("PGHOST", hosts.join(",")),
        ("PGSSLMODE", if plain { "disable" } else { "verify-full" }.to_owned()),
    ];
    if !ports.is_empty() {
        environment.push(("PGPORT", ports.join(",")));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    environment.extend(database.get_user().map(|user| ("PGUSER", user.to_owned())));
    environment.extend(database.get_password().map(|password| ("PGPASSWORD", text(password))));
    environment.extend(database.get_dbname().map(|name| ("PGDATABASE", name.to_owned())));
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_database_is_spoken_to_over_verified_tls_and_no_password_is_an_option() {
        let config: Config = "postgres://u:hunter2@db.example.com:6543/berth".parse().expect("a URL");
        let environment = environment(&config);
        assert!(environment.contains(&("PGSSLMODE", "verify-full".to_owned())));
        assert!(environment.contains(&("PGPASSWORD", "hunter2".to_owned())));
        assert!(environment.contains(&("PGPORT", "6543".to_owned())));
    }
}
