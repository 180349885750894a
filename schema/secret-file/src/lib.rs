//! Files that hold secrets: keys and tokens. They are read only where nobody else can read them, never waited for and never
//! without a bound; they are written whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

/// The largest file, in bytes: a thousand keys.
pub const MAX_BYTES: u64 = 256 * 1024;
/// What only its owner can read and write.
const OWNER_ALONE: u32 = 0o600;

/// Why a file is not read. Each says what to do, and none repeats what is in the file; whoever reports it names the file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("does not exist")]
    Missing,
    #[error("is a directory: name the file in it")]
    Directory,
    #[error("is no regular file")]
    Irregular,
    #[error("is a symbolic link that leads back to itself")]
    Loop,
    #[error("may not be read by user {0}: give it to that user (chown {0})")]
    Forbidden(u32),
    #[error(
        "can be read or changed by others than its owner (mode {0:04o}): chmod 0600, and replace what it holds if others had access"
    )]
    Open(u32),
    #[error("is empty")]
    Empty,
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("is not text")]
    NoText,
    #[error("cannot be read")]
    Io(#[source] io::Error),
}

impl SecretFileError {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Forbidden(rustix::process::geteuid().as_raw()),
            _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Self::Loop,
            _ => Self::Io(error),
        }
    }
}

/// Who may read or change a file, from its mode and owner. The group may read one that is root's, where the reader is
/// another user: that is how a Secret is mounted into a pod.
fn is_open(mode: u32, owner: u32, reader: u32) -> bool {
    let others = mode & 0o007 != 0;
    let group_writes = mode & 0o020 != 0;
    let group_reads = mode & 0o040 != 0 && (owner != 0 || reader == 0);
    others || group_writes || group_reads
}

/// The text of a secret file, without what it has of white space at its ends.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    // What is no file may let an open or a read wait for ever.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(SecretFileError::of)?;
    let metadata = file.metadata().map_err(SecretFileError::Io)?;
    if metadata.is_dir() {
        return Err(SecretFileError::Directory);
    }
    if !metadata.is_file() {
        return Err(SecretFileError::Irregular);
    }
    let mode = metadata.mode() & 0o7777;
    if is_open(mode, metadata.uid(), rustix::process::geteuid().as_raw()) {
        return Err(SecretFileError::Open(mode));
    }
    if metadata.len() > MAX_BYTES {
        return Err(SecretFileError::TooLong);
    }
    text_of(file)
}

fn text_of(file: File) -> Result<Zeroizing<String>, SecretFileError> {
    // Room for all of it, so that no outgrown buffer keeps a part.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_BYTES).unwrap_or(0) + 1));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(SecretFileError::Io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretFileError::TooLong);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretFileError::NoText)?.trim();
    if text.is_empty() {
        return Err(SecretFileError::Empty);
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Writes a secret file in the place of the one that may be there: whole or not at all, and for nobody else to read.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

/// A new file that is its owner's alone; [`io::ErrorKind::AlreadyExists`] where there is one.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(OWNER_ALONE).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn written(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");
        replace(&path, text).expect("written");
        set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        (directory, path)
    }

    #[test]
    fn what_others_can_read_or_change_is_refused_and_the_cure_is_said() {
        for mode in [0o644, 0o604, 0o640, 0o660, 0o620, 0o602, 0o777, 0o601] {
            let (_directory, path) = written(b"hunter2", mode);
            let error = read(&path).expect_err("open").to_string();
            assert!(error.contains("chmod 0600") && error.contains(&format!("{mode:04o}")), "{error}");
            assert!(!error.contains("hunter2"));
        }
        for mode in [0o600, 0o400] {
            let (_directory, path) = written(b" hunter2\n", mode);
            assert_eq!(read(&path).expect("closed").as_str(), "hunter2");
        }
    }

    #[test]
    fn a_group_may_read_what_is_roots_and_mounted_for_another_user() {
        assert!(!is_open(0o440, 0, 65_532));
        assert!(is_open(0o440, 0, 0), "root needs no group");
        assert!(is_open(0o440, 65_532, 65_532), "the owner needs no group");
        assert!(is_open(0o460, 0, 65_532));
        assert!(is_open(0o444, 0, 65_532));
    }

    #[test]
    fn what_is_no_file_is_named_and_never_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let said = |path: &Path| read(path).expect_err("no file").to_string();
        assert!(said(directory.path()).contains("is a directory"));
        assert!(said(&at("nothing")).contains("does not exist"));
        symlink(at("two"), at("one")).expect("a link");
        symlink(at("one"), at("two")).expect("a link");
        assert!(said(&at("one")).contains("leads back to itself"));
        for device in ["/dev/null", "/dev/zero"] {
            assert!(said(Path::new(device)).contains("no regular file"), "{device}");
        }
        let status = std::process::Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo runs");
        assert!(status.success() && said(&at("pipe")).contains("no regular file"));
    }

    #[test]
    fn a_link_to_a_closed_file_is_followed() {
        let (directory, path) = written(b"s", 0o600);
        let link = directory.path().join("link");
        symlink(&path, &link).expect("a link");
        assert_eq!(read(&link).expect("closed").as_str(), "s");
    }

    #[test]
    fn what_is_empty_too_long_or_no_text_is_told_apart() {
        let (_directory, path) = written(b" \n", 0o600);
        assert!(matches!(read(&path), Err(SecretFileError::Empty)));
        let (_directory, path) = written(&vec![b'x'; 256 * 1024 + 1], 0o600);
        assert!(matches!(read(&path), Err(SecretFileError::TooLong)));
        let (_directory, path) = written(&[0xff, 0xfe], 0o600);
        assert!(matches!(read(&path), Err(SecretFileError::NoText)));
    }

    #[test]
    fn a_file_is_replaced_and_stays_its_owners_alone() {
        let (_directory, path) = written(b"old and longer", 0o644);
        replace(&path, b"new").expect("replaced");
        assert_eq!(read(&path).expect("closed").as_str(), "new");
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        assert_eq!(create(&path).expect_err("there").kind(), io::ErrorKind::AlreadyExists);
    }
}
