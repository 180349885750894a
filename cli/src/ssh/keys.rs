//! The files that OpenSSH reads: a key of this machine, and for each workspace a certificate and the key of its host.
//!
//! The key opens nothing by itself. What does is the certificate, which is good for minutes and for one workspace; so it is asked for
//! before each connection.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use berth_schema::connection::{ProgramConnection, SshCredentials};
use berth_schema::ssh::{PublicKey, private_key_file};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use crate::error::Error;

/// What OpenSSH calls a workspace: its name below this.
const DOMAIN: &str = ".berth";
const KEY: &str = "id_ed25519";

/// What OpenSSH calls a workspace.
pub(crate) fn host_alias(name: &str) -> String {
    format!("{name}{DOMAIN}")
}

/// The workspace that OpenSSH calls so.
pub(crate) fn of_alias(alias: &str) -> &str {
    alias.strip_suffix(DOMAIN).unwrap_or(alias)
}

/// The folder with these files, which is nobody else's.
#[derive(Clone, Debug)]
pub(crate) struct Keys(PathBuf);

impl Keys {
    /// Beside the configuration file.
    pub(crate) fn beside(config: &Path) -> Self {
        let folder = config.parent().unwrap_or_else(|| Path::new(".")).join("ssh");
        Self(std::path::absolute(&folder).unwrap_or(folder))
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.join(KEY)
    }

    /// Of a host, as OpenSSH calls it.
    pub(crate) fn certificate(&self, host: &str) -> PathBuf {
        self.0.join(format!("{host}-cert.pub"))
    }

    pub(crate) fn known_hosts(&self, host: &str) -> PathBuf {
        self.0.join(format!("{host}.hosts"))
    }

    /// The public half of the key, which is made with the first use.
    pub(crate) fn public(&self) -> Result<String, Error> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(|error| Error::file("make the folder", &self.0, error))?;
        let public = self.0.join(format!("{KEY}.pub"));
        let read = || fs::read_to_string(&public).ok().and_then(|line| line.parse::<PublicKey>().ok());
        if let Some(known) = read().filter(|_| self.key().exists()) {
            return Ok(known.to_string());
        }
        // Whoever comes first makes it, and everybody else waits for them.
        let lock = self.0.join("lock");
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock);
        let file = file.map_err(|error| Error::file("open", &lock, error))?;
        file.lock().map_err(|error| Error::file("lock", &lock, error))?;
        if let Some(known) = read().filter(|_| self.key().exists()) {
            return Ok(known.to_string());
        }
        let mut seed = Zeroizing::new([0; 32]);
        let failed = || Error::Other("this system has no random numbers".to_owned());
        SystemRandom::new().fill(seed.as_mut_slice()).map_err(|_| failed())?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| failed())?;
        let mut key = [0; 32];
        key.copy_from_slice(pair.public_key().as_ref());
        let key = PublicKey::new(key);
        self.write(&self.key(), private_key_file(&seed, key).as_bytes())?;
        self.write(&public, format!("{key} berth\n").as_bytes())?;
        Ok(key.to_string())
    }

    /// Keeps what a connection needs, under the name that OpenSSH has for its host.
    pub(crate) fn keep(&self, host: &str, connection: &ProgramConnection) -> Result<SshCredentials, Error> {
        let lacks = || {
            let doing = format!("connect to workspace '{}'", connection.name);
            Error::Other(format!(
                "cannot {doing}: the server gives no certificate; is it older than this program?"
            ))
        };
        let ssh = connection.ssh.clone().ok_or_else(lacks)?;
        // It goes into files by lines: what is no key or no line is not written.
        let host_key: PublicKey = ssh.host_key.parse().map_err(|_| lacks())?;
        if ssh.certificate.contains(char::is_control)
            || !ssh.user.bytes().all(|byte| byte.is_ascii_lowercase())
        {
            return Err(lacks());
        }
        self.write(&self.certificate(host), format!("{}\n", ssh.certificate).as_bytes())?;
        self.write(&self.known_hosts(host), format!("{host} {host_key}\n").as_bytes())?;
        Ok(ssh)
    }

    /// Whole or not at all: others read it at the same moment.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            // Readable by the user alone, as such files are made.
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            file.write_all(bytes)?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| Error::file("write", path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    #[test]
    fn a_key_is_made_once_and_openssh_reads_it() {
        let home = tempfile::tempdir().expect("a folder");
        let keys = Keys::beside(&home.path().join("berth/config.yaml"));
        let public: Vec<_> = std::thread::scope(|scope| {
            let made: Vec<_> = (0..8).map(|_| scope.spawn(|| keys.public().expect("a key"))).collect();
            made.into_iter().map(|made| made.join().expect("no panic")).collect()
        });
        assert!(public.iter().all(|key| *key == public[0]));
        let read =
            Command::new("ssh-keygen").arg("-y").arg("-f").arg(keys.key()).output().expect("ssh-keygen");
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim_end(), public[0]);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&home.path().join("berth/ssh")), mode(&keys.key())), (0o700, 0o600));
    }

    #[test]
    fn what_is_no_key_or_no_line_is_not_written() {
        let home = tempfile::tempdir().expect("a folder");
        let keys = Keys::beside(&home.path().join("config.yaml"));
        let public = keys.public().expect("a key");
        let connection = |certificate: &str, host_key: &str, user: &str| ProgramConnection {
            workspace: berth_schema::WorkspaceId::random(),
            name: berth_schema::WorkspaceName::new("a").expect("a name"),
            token: "a.b.c".to_owned().into(),
            expires_at: jiff::Timestamp::UNIX_EPOCH,
            url: String::new(),
            tunnel: String::new(),
            plain_ssh: None,
            ssh: Some(SshCredentials {
                user: user.to_owned(),
                certificate: certificate.to_owned(),
                certificate_until: jiff::Timestamp::UNIX_EPOCH,
                host_key: host_key.to_owned(),
            }),
        };
        for (certificate, host_key, user) in [
            ("a\n* b", public.as_str(), "workspace"),
            ("a", "ssh-rsa AAAA", "workspace"),
            ("a", &format!("{public}\n* {public}"), "workspace"),
            ("a", &public, "-oProxyCommand=x"),
        ] {
            keys.keep("a.berth", &connection(certificate, host_key, user)).expect_err("refused");
            assert!(!keys.known_hosts("a.berth").exists() && !keys.certificate("a.berth").exists());
        }
        keys.keep("a.berth", &connection("a", &format!("{public} with a comment"), "workspace"))
            .expect("kept");
        let known = fs::read_to_string(keys.known_hosts("a.berth")).expect("there");
        assert_eq!(known, format!("a.berth {public}\n"));
    }
}
