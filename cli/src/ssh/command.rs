//! How OpenSSH's programs are called.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use berth_schema::connection::{ProgramConnection, SshCredentials};

use super::keys::{Keys, host_alias};
use crate::args::Global;
use crate::error::Error;

/// The options that lead OpenSSH into one workspace.
#[derive(Clone, Debug)]
pub(crate) struct Openssh {
    /// What OpenSSH calls the workspace.
    pub(crate) host: String,
    options: Vec<OsString>,
}

impl Openssh {
    /// With a certificate that was just issued.
    pub(crate) fn new(global: &Global, keys: &Keys, connection: &ProgramConnection) -> Result<Self, Error> {
        // Of the id: another context may have a workspace of the same name.
        let id = connection.workspace.to_string();
        let SshCredentials { user, .. } = keys.keep(&id, connection)?;
        let proxy = proxy_command(global, &id)?;
        let mut options = Vec::new();
        let mut set = |option: String| options.extend(["-o".into(), OsString::from(option)]);
        set(format!("ProxyCommand={proxy}"));
        set(format!("User={user}"));
        set(format!("HostKeyAlias={id}"));
        for (name, path) in [
            ("IdentityFile", keys.key()),
            ("CertificateFile", keys.certificate(&id)),
            ("UserKnownHostsFile", keys.known_hosts(&id)),
        ] {
            set(format!("{name}={}", path_value(&path)?));
        }
        for option in OPTIONS {
            set(option.replacen(' ', "=", 1));
        }
        Ok(Self { host: host_alias(connection.name.as_str()), options })
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }
}

/// What holds for every workspace: its host key is known beforehand or it is not the one, no other key is tried, and who is not there
/// any more is noticed.
pub(crate) const OPTIONS: [&str; 8] = [
    "IdentitiesOnly yes",
    "GlobalKnownHostsFile /dev/null",
    "StrictHostKeyChecking yes",
    "UpdateHostKeys no",
    "CheckHostIP no",
    "ServerAliveInterval 15",
    "ServerAliveCountMax 4",
    "LogLevel ERROR",
];

/// This program, as a shell finds it.
pub(crate) fn own_program() -> String {
    let own = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned));
    own.map_or_else(|| "berth".to_owned(), |path| quoted(&path).replace('%', "%%"))
}

/// A path as OpenSSH reads it from an option: in quotes, with nothing that it replaces.
pub(crate) fn path_value(path: &Path) -> Result<String, Error> {
    let odd =
        || Error::usage(format!("{}: OpenSSH cannot be told of a path with such characters", path.display()));
    let text = path.to_str().filter(|text| !text.contains(['"', '\\', '\n', '$'])).ok_or_else(odd)?;
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

/// Led to the same server as this call: the token of the environment goes on by itself.
fn proxy_command(global: &Global, workspace: &str) -> Result<String, Error> {
    let mut words = vec![own_program()];
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.push(format!("--{name}"));
            words.push(quoted(&value).replace('%', "%%"));
        }
    };
    let path = |path: &Option<std::path::PathBuf>| match path {
        Some(path) => match path.to_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(Error::usage(format!("{}: OpenSSH cannot be told of such a path", path.display()))),
        },
        None => Ok(None),
    };
    // Named on the command line it would mean more than in the environment, which goes on by itself.
    let inherited = std::env::var("BERTH_CONTEXT").ok();
    option("context", global.context.clone().filter(|context| Some(context) != inherited.as_ref()));
    option("url", global.url.as_ref().map(ToString::to_string));
    option("organization", global.organization.as_ref().map(ToString::to_string));
    option("ca-file", path(&global.ca_file)?);
    option("config", path(&global.config)?);
    if global.allow_http {
        words.push("--allow-http".to_owned());
    }
    words.extend(["ssh".to_owned(), "--stdio".to_owned(), workspace.to_owned()]);
    Ok(words.join(" "))
}

/// A word as a shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Goes on as that program: its exit code is ours. Comes back only where that fails.
pub(crate) fn become_program(mut command: Command) -> Error {
    let name = command.get_program().to_string_lossy().into_owned();
    let error = command.exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::NotFound {
            message: format!("there is no program '{name}'"),
            hint: "install OpenSSH's client (Debian: openssh-client)".to_owned(),
        };
    }
    Error::Other(format!("cannot run {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for word in ["plain", "", "two words", "it's", "$(x) `y` \"z\" \\ * ? ~ # !", "-", "a\nb", "ä"] {
            let script = format!("printf %s {}", quoted(word));
            let said = Command::new("sh").arg("-c").arg(script).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&said.stdout), word);
        }
    }

    #[test]
    fn the_tunnel_is_led_where_the_command_was() {
        let global = Global {
            context: Some("at work".to_owned()),
            config: Some("/home/a%b/config".into()),
            allow_http: true,
            ..Global::default()
        };
        let command = proxy_command(&global, "some-id").expect("a command");
        let (_, rest) = command.split_once(" --context ").expect("the context");
        assert_eq!(rest, "'at work' --config '/home/a%%b/config' --allow-http ssh --stdio some-id");
    }
}
