//! Runs git: within bounds, without anybody's configuration, and towards one address alone.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_repository::{Resolved, Why, patterns, resolve, why};
use berth_schema::{GitReference, ProjectUrl};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};
use zeroize::Zeroizing;

use crate::services::git::Credential;

/// What git and what it calls may use, set where it cannot be raised again: the largest file in blocks of 512 bytes (64 MiB), memory in
/// KiB (384 MiB, a third of it addresses of libraries: a host's answer may be packed a thousand times smaller than it is), and seconds of a processor. A limit that is lower already stays.
const START: &str = "ulimit -f 131072; ulimit -v 393216; ulimit -t 20; ulimit -c 0; exec git \"$@\"";
/// The most that is read of what a reference is.
const MAX_REFERENCES: usize = 64 * 1024;
/// The most that is read of its complaints.
const MAX_COMPLAINT: u64 = 16 * 1024;

/// Git, for one repository and for one look.
#[derive(Debug)]
pub(super) struct Git<'a> {
    pub(super) url: &'a ProjectUrl,
    /// Its host's addresses, as curl takes them.
    pub(super) pin: Option<String>,
    pub(super) credential: Option<&'a Credential>,
    pub(super) authorities: Option<&'a Path>,
    /// With a home and a repository in it.
    pub(super) directory: &'a Path,
    pub(super) deadline: Instant,
}

/// Whether a command may reach the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Host,
    Nothing,
}

/// What a command has printed.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) output: Vec<u8>,
    /// There is more of it.
    pub(super) is_cut: bool,
}

impl Git<'_> {
    /// Which commit a reference is.
    pub(super) async fn resolve(&self, reference: Option<&GitReference>) -> Result<Resolved, Why> {
        let url = self.url.to_string();
        let patterns = patterns(reference);
        let mut arguments = vec!["ls-remote", "--quiet", "--", &url];
        arguments.extend(patterns.iter().map(String::as_str));
        let printed = self.run(&arguments, b"", Reach::Host, MAX_REFERENCES).await?;
        if printed.is_cut {
            return Err(Why::TooLarge);
        }
        Ok(resolve(&printed.output, reference))
    }

    /// What a command prints, of which at most `limit` bytes are read; or why it has failed.
    pub(super) async fn run(
        &self,
        arguments: &[&str],
        input: &[u8],
        reach: Reach,
        limit: usize,
    ) -> Result<Printed, Why> {
        let mut child = self.command(arguments, reach).spawn().map_err(|error| {
            warn!(%error, "git cannot be started");
            Why::NoGit
        })?;
        // What is not over when this is given up or cut short ends with its group.
        let group = Group::of(&child);
        let (output, complaint, code) = match timeout_at(self.deadline, talk(&mut child, input, limit)).await
        {
            Ok(Ok(ended)) => ended,
            Ok(Err(Stop::Cut(output))) => return Ok(Printed { output, is_cut: true }),
            Ok(Err(Stop::Broken(error))) => {
                warn!(%error, "git cannot be talked to");
                return Err(Why::Strange);
            }
            Err(_) => return Err(Why::Slow),
        };
        group.ended();
        if code == Some(0) {
            return Ok(Printed { output, is_cut: false });
        }
        let why = why(&complaint, &self.url.to_string(), code);
        debug!(?why, ?code, "git has failed");
        Err(why)
    }

    fn command(&self, arguments: &[&str], reach: Reach) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", START, "git"]).args(arguments);
        command.env_clear().current_dir(self.directory).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let transport = match (reach, self.url.is_plain_http()) {
            (Reach::Nothing, _) => "",
            (Reach::Host, false) => "https",
            // Where the server allows it, which was looked at before.
            (Reach::Host, true) => "http",
        };
        command
            .env("LC_ALL", "C")
            .env("HOME", self.directory.join("home"))
            .env("GIT_DIR", self.directory.join("repository"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", transport)
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // Nothing is fetched behind our back.
            .env("GIT_NO_LAZY_FETCH", "1");
        let settings = self.settings();
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (index, (name, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{index}"), name);
            command.env(format!("GIT_CONFIG_VALUE_{index}"), value.as_str());
        }
        command
    }

    /// By environment: arguments are everybody's to read, and the file of a repository outlives a look that was killed.
    fn settings(&self) -> Vec<(&'static str, Zeroizing<String>)> {
        let fixed = [
            ("core.hooksPath", "/dev/null"),
            ("core.bigFileThreshold", "1m"),
            ("credential.helper", ""),
            ("core.askPass", ""),
            ("fetch.negotiationAlgorithm", "noop"),
            ("fetch.unpackLimit", "1"),
            ("fetch.recurseSubmodules", "false"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("http.followRedirects", "false"),
            ("http.lowSpeedLimit", "100"),
            ("http.lowSpeedTime", "10"),
            ("http.maxRequests", "1"),
            ("http.sslVerify", "true"),
            ("http.userAgent", concat!("git/2.37 berth-server/", env!("CARGO_PKG_VERSION"))),
            ("pack.threads", "1"),
            ("protocol.version", "2"),
            ("remote.origin.promisor", "true"),
            ("transfer.bundleURI", "false"),
        ];
        let plain = |(name, value): (&'static str, String)| (name, Zeroizing::new(value));
        let mut settings: Vec<_> = fixed.map(|(name, value)| plain((name, value.to_owned()))).into();
        settings.push(plain(("remote.origin.url", self.url.to_string())));
        settings.extend(self.pin.clone().map(|pin| plain(("http.curloptResolve", pin))));
        settings.extend(
            self.authorities.map(|file| plain(("http.sslCAInfo", file.to_string_lossy().into_owned()))),
        );
        settings.extend(self.credential.map(|credential| ("http.extraHeader", header(credential))));
        settings
    }
}

/// It goes to the one host that is asked, and nowhere else: no redirect is followed.
fn header(credential: &Credential) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(credential.username.clone().into_bytes());
    pair.push(b':');
    pair.extend_from_slice(credential.password.expose());
    Zeroizing::new(format!("Authorization: Basic {}", STANDARD.encode(&*pair)))
}

/// Why a program is not listened to any more.
enum Stop {
    Broken(std::io::Error),
    /// It says more than is read: this is the beginning.
    Cut(Vec<u8>),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Hands a program its input, and reads what it says and complains of until it ends.
async fn talk(
    child: &mut Child,
    input: &[u8],
    limit: usize,
) -> Result<(Vec<u8>, Vec<u8>, Option<i32>), Stop> {
    let missing = || std::io::Error::other("a pipe is missing");
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let mut stderr = child.stderr.take().ok_or_else(missing)?;
    let told = async move {
        // A program that wants nothing more has its reason, which it tells.
        let _ = stdin.write_all(input).await;
        drop(stdin);
        Ok::<_, Stop>(())
    };
    let complained = async {
        let mut complaint = Vec::new();
        (&mut stderr).take(MAX_COMPLAINT).read_to_end(&mut complaint).await?;
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
        Ok::<_, Stop>(complaint)
    };
    let ((), output, complaint) = tokio::try_join!(told, read(stdout, limit), complained)?;
    let status = child.wait().await?;
    Ok((output, complaint, status.code()))
}

async fn read(mut from: impl AsyncRead + Unpin, limit: usize) -> Result<Vec<u8>, Stop> {
    let mut output = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    (&mut from).take(most).read_to_end(&mut output).await?;
    if output.len() > limit {
        output.truncate(limit);
        return Err(Stop::Cut(output));
    }
    Ok(output)
}

/// A program and all that it has called, which end with this unless they are over.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Its number may be somebody else's from here on.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
