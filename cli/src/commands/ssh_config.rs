//! `berth ssh-config`

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::args::Global;
use crate::error::Error;
use crate::output;
use crate::ssh;

const HELP: &str = "\
After that, every program that uses OpenSSH gets into a workspace of the current context by the name
NAME.berth: ssh, scp, sftp, rsync, git, VS Code, JetBrains Gateway.

Examples:
  berth ssh-config --install
  ssh calm-blue-reef.berth
  berth ssh-config --remove";

const BEGIN: &str =
    "# >>> berth: written by `berth ssh-config --install`, taken away by `berth ssh-config --remove`";
const END: &str = "# <<< berth";
/// What a shell would obey. OpenSSH before 9.6 puts a host's name into commands as it is, and such a name can come from anywhere: a
/// repository's list of submodules, for one.
const OBEYED: [&str; 12] = ["'", "\\\"", "\\\\", "`", "$", ";", "&", "|", "<", ">", "(", "!"];

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Put the block into the file, in place of what is there of it
    #[arg(long, conflicts_with = "remove")]
    install: bool,

    /// Take the block out of the file
    #[arg(long)]
    remove: bool,

    /// OpenSSH's configuration [default: ~/.ssh/config]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Error> {
    if args.remove {
        let file = file(args.file.as_deref())?;
        let Some(text) = read(&file)? else { return Ok(()) };
        return replace(&file, &without(&text));
    }
    let keys = ssh::keys(global)?;
    let block = block(global, &keys)?;
    if !args.install {
        return output::write(&block);
    }
    keys.public()?;
    let file = file(args.file.as_deref())?;
    let rest = without(&read(&file)?.unwrap_or_default());
    let gap = if rest.is_empty() || rest.ends_with("\n\n") { "" } else { "\n" };
    replace(&file, &format!("{rest}{gap}{block}"))?;
    global.talk().say(&format!("{} knows workspaces as NAME.berth now.", file.display()));
    Ok(())
}

/// Whether OpenSSH knows workspaces.
pub(super) fn is_installed() -> Result<bool, Error> {
    Ok(read(&file(None)?)?.is_some_and(|text| text.lines().any(|line| line == BEGIN)))
}

fn file(given: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(file) = given {
        return Ok(file.to_owned());
    }
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let home = home.ok_or_else(|| Error::usage("you have no home; say which file with --file"))?;
    Ok(home.join(".ssh/config"))
}

fn read(file: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", file, error)),
    }
}

/// The file without the block. What follows a block that has no end is somebody's own.
fn without(text: &str) -> String {
    let Some((before, rest)) = text.split_once(BEGIN) else { return text.to_owned() };
    let Some((_, after)) = rest.split_once(END) else { return text.to_owned() };
    let after = after.strip_prefix('\n').unwrap_or(after);
    let before = before.strip_suffix('\n').filter(|before| before.ends_with('\n')).unwrap_or(before);
    format!("{before}{after}")
}

/// Whole or not at all; what the file is a link to is what is written.
fn replace(file: &Path, text: &str) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let failed = |error| Error::file("write", file, error);
    let place = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let mode = fs::metadata(&place).map_or(0o600, |metadata| metadata.permissions().mode() & 0o777);
    let mut written = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    written.write_all(text.as_bytes()).map_err(failed)?;
    written.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    written.persist(&place).map_err(|error| failed(error.error)).map(drop)
}

/// What OpenSSH has to know. The certificate is asked for by `Match exec`, before there is a connection: OpenSSH reads it while its
/// `ProxyCommand` begins already.
fn block(global: &Global, keys: &ssh::Keys) -> Result<String, Error> {
    let mut own = ssh::own_program();
    if let Some(config) = &global.config {
        let config = std::path::absolute(config).map_err(|error| Error::file("find", config, error))?;
        let text =
            config.to_str().ok_or_else(|| Error::usage("--config: OpenSSH cannot be told of such a path"))?;
        own = format!("{own} --config {}", ssh::quoted(text).replace('%', "%%"));
    }
    if own.contains(['"', '\\']) {
        return Err(Error::usage(
            "OpenSSH cannot be told of this program: its path, or that of --config, has a quote or a backslash",
        ));
    }
    let refused: Vec<_> = OBEYED.iter().map(|character| format!("\"!*{character}*\"")).collect();
    let refused = refused.join(" ");
    let in_list = refused.replace("\" \"", ",").replace('"', "");
    let at = |path: &Path| Ok::<_, Error>(ssh::path_value(path)?.replace("HOST", "%n"));
    let mut lines = vec![
        BEGIN.to_owned(),
        format!("Host *.berth {refused}"),
        format!("    User {}", berth_schema::ssh::USER),
        format!("    ProxyCommand {own} ssh --stdio %n"),
        format!("    IdentityFile {}", at(&keys.key())?),
        format!("    CertificateFile {}", at(&keys.certificate("HOST"))?),
        format!("    UserKnownHostsFile {}", at(&keys.known_hosts("HOST"))?),
    ];
    lines.extend(ssh::OPTIONS.iter().map(|option| format!("    {option}")));
    lines.push(format!("Match originalhost \"*.berth,{in_list}\" exec \"{own} ssh --prepare %n\""));
    lines.push("Match all".to_owned());
    lines.push(END.to_owned());
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn global(home: &Path) -> Global {
        Global { config: Some(home.join("berth/config.yaml")), ..Global::default() }
    }

    /// What OpenSSH makes of a configuration, for a host.
    fn told(file: &Path, host: &str) -> String {
        let asked =
            Command::new("ssh").arg("-G").arg("-F").arg(file).arg("--").arg(host).output().expect("ssh");
        String::from_utf8_lossy(&asked.stdout).into_owned()
    }

    #[test]
    fn the_block_is_there_once_and_goes_without_a_trace() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("ssh/config");
        let (global, text) = (global(home.path()), "Host other\n    User me\n");
        let args = |remove: bool| Args { install: !remove, remove, file: Some(file.clone()) };
        run(&global, &args(false)).expect("installed where there is no file");
        fs::write(&file, text).expect("written");
        run(&global, &args(false)).expect("installed");
        let once = fs::read_to_string(&file).expect("there");
        run(&global, &args(false)).expect("installed again");
        assert_eq!(fs::read_to_string(&file).expect("there"), once);
        assert!(once.starts_with(text) && once.matches("Host *.berth").count() == 1, "{once}");
        run(&global, &args(true)).expect("removed");
        assert_eq!(fs::read_to_string(&file).expect("there"), text);
        run(&global, &args(true)).expect("removed again");
    }

    #[test]
    fn openssh_finds_a_workspaces_files_and_knows_other_hosts_as_before() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("config");
        let global = global(home.path());
        run(&global, &Args { install: true, remove: false, file: Some(file.clone()) }).expect("installed");
        let told_of = told(&file, "calm-blue-reef.berth");
        let folder = home.path().join("berth/ssh");
        for line in [
            "user workspace".to_owned(),
            "stricthostkeychecking true".to_owned(),
            format!("identityfile {}", folder.join("id_ed25519").display()),
            format!("certificatefile {}", folder.join("%n-cert.pub").display()),
        ] {
            assert!(told_of.lines().any(|known| known == line), "{line} is not in {told_of}");
        }
        assert!(told_of.contains("proxycommand ") && told_of.contains("ssh --stdio %n"), "{told_of}");
        for other in ["calm-blue-reef", "example.com", "x`id`.berth", "$(id).berth", "a;b.berth", "a'b.berth"]
        {
            assert!(!told(&file, other).contains("--stdio"), "{other}");
        }
    }
}
