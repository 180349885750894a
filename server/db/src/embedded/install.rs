//! Which Postgres is installed, and as whom it runs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{EmbeddedError, io_error};

/// Where Debian keeps the versions side by side.
const DEBIAN: &str = "/usr/lib/postgresql";
/// How much of the log an error repeats.
const LOG_LINES: usize = 10;

/// As whom Postgres runs: it refuses to be root.
#[derive(Clone, Copy, Debug)]
pub(super) enum RunAs {
    /// Whoever we are.
    Ourselves,
    /// We are root.
    User { uid: u32, gid: u32 },
}

impl RunAs {
    pub(super) fn detect() -> Result<Self, EmbeddedError> {
        let ourselves = fs::metadata("/proc/self").map_err(io_error("cannot read /proc/self"))?.uid();
        if ourselves != 0 {
            return Ok(Self::Ourselves);
        }
        let users = fs::read_to_string("/etc/passwd").map_err(io_error("cannot read /etc/passwd"))?;
        postgres_user(&users).ok_or(EmbeddedError::NoUser)
    }
}

/// The line of `postgres` in the format of passwd(5).
fn postgres_user(users: &str) -> Option<RunAs> {
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut ids = line.split(':').skip(2);
    let (uid, gid) = (ids.next()?.parse().ok()?, ids.next()?.parse().ok()?);
    Some(RunAs::User { uid, gid })
}

/// The programs of one version.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    programs: PathBuf,
    run_as: RunAs,
}

impl Installation {
    /// The newest one, or the one that made the data.
    pub(super) fn find(data: &Path, run_as: RunAs) -> Result<Self, EmbeddedError> {
        let mut found = installed();
        found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        let Some(made_by) = fs::read_to_string(data.join("PG_VERSION")).ok() else {
            let newest = found.into_iter().next().ok_or(EmbeddedError::NotInstalled)?;
            return Ok(Self { programs: newest.1, run_as });
        };
        let made_by = made_by.trim();
        found
            .into_iter()
            .find(|(version, _)| made_by.parse() == Ok(*version))
            .map(|(_, programs)| Self { programs, run_as })
            .ok_or_else(|| EmbeddedError::OtherVersion {
                directory: data.to_owned(),
                found: made_by.to_owned(),
            })
    }

    /// One of its programs, as its user, in a process group of its own (so that Ctrl-C in a terminal reaches us first), and
    /// told to end when its parent does.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new("setpriv");
        if let RunAs::User { uid, gid } = self.run_as {
            command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
        }
        command.args(["--pdeathsig", "INT", "--"]).arg(self.programs.join(program.as_ref()));
        // Ours may be one that the user cannot enter.
        command.current_dir("/").process_group(0);
        command.env_remove("PGDATA").env("LC_ALL", "C");
        command
    }

    /// Makes the directories and gives them to the user, who alone may enter them.
    pub(super) fn own_directories(&self, root: &Path, run: &Path) -> Result<(), EmbeddedError> {
        for directory in [root, run] {
            let what = format!("cannot make {}", directory.display());
            fs::create_dir_all(directory).map_err(io_error(what.clone()))?;
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
                .map_err(io_error(what.clone()))?;
            if let RunAs::User { uid, gid } = self.run_as {
                chown(directory, Some(uid), Some(gid)).map_err(io_error(what))?;
            }
        }
        match self.run_as {
            RunAs::Ourselves => Ok(()),
            RunAs::User { uid, .. } => check_reachable(root, uid),
        }
    }

    /// Makes the data directory beside its place and moves it there, so that one that was interrupted is not taken for
    /// one that is complete.
    pub(super) fn create_cluster(
        &self,
        data: &Path,
        owner: &str,
        durable: bool,
    ) -> Result<(), EmbeddedError> {
        let unfinished = data.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .map_err(io_error("cannot remove an unfinished data directory"))?;
        }
        let mut command = self.command("initdb");
        command.arg("-D").arg(&unfinished).args(["-U", owner, "--auth-local=trust", "--auth-host=reject"]);
        command.args(["--encoding=UTF8", "--no-locale", "--no-instructions", "--data-checksums"]);
        if !durable {
            command.arg("--no-sync");
        }
        run("initdb", &mut command)?;
        fs::rename(&unfinished, data).map_err(io_error("cannot move the data directory to its place"))
    }
}

/// Every directory with the programs, and its major version.
fn installed() -> Vec<(u32, PathBuf)> {
    directories()
        .filter(|programs| programs.join("initdb").is_file() && programs.join("postgres").is_file())
        .filter_map(|programs| Some((major_version(&programs.join("postgres"))?, programs)))
        .collect()
}

fn directories() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    std::env::split_paths(&path).collect::<Vec<_>>().into_iter().chain(debian)
}

/// One of Postgres' programs, of the newest version that is installed.
pub(crate) fn newest_program(name: &str) -> Option<PathBuf> {
    let found = directories().map(|programs| programs.join(name)).filter(|program| program.is_file());
    found
        .filter_map(|program| Some((major_version(&program)?, program)))
        .max_by_key(|(version, _)| *version)
        .map(|(_, program)| program)
}

/// From `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn major_version(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(said: &str) -> Option<u32> {
    let version = said.split_whitespace().nth(2)?;
    version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// Whether another user may walk down to the directory.
fn check_reachable(directory: &Path, uid: u32) -> Result<(), EmbeddedError> {
    for above in directory.ancestors().skip(1) {
        let metadata =
            fs::metadata(above).map_err(io_error(format!("cannot look at {}", above.display())))?;
        if metadata.uid() != uid && metadata.mode() & 0o001 == 0 {
            return Err(EmbeddedError::Unreachable(above.to_owned()));
        }
    }
    Ok(())
}

/// Runs a program to its end; an error repeats what it said.
pub(super) fn run(what: &'static str, command: &mut Command) -> Result<(), EmbeddedError> {
    let output =
        command.output().map_err(io_error(format!("cannot run {what} (by setpriv of util-linux)")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(EmbeddedError::Failed { what, said })
}

/// The end of a log.
pub(super) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn the_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres2:x:7:8::/:/x\npostgres:x:101:104:PostgreSQL:/var:/bin/bash\n";
        assert!(matches!(postgres_user(users), Some(RunAs::User { uid: 101, gid: 104 })));
        assert!(postgres_user("root:x:0:0::/root:/bin/sh").is_none());
    }

    #[test]
    fn a_directory_behind_a_closed_one_is_noticed() {
        let closed = tempfile::tempdir().expect("a directory");
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
        let inner = closed.path().join("data");
        let somebody_else = 4_000_000;
        let error = check_reachable(&inner, somebody_else).expect_err("0700 is closed to others");
        assert!(error.to_string().contains(&closed.path().display().to_string()), "{error}");
    }
}
