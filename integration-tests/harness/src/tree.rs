//! Removing a directory of ours with all that is in it, and nothing that is not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Removes `directory` with everything below it. One that is not there is as good.
///
/// # Errors
/// When something is mounted there or below: what is in a mount belongs to somebody else, and removing would go into it.
pub fn remove(directory: &Path) -> anyhow::Result<()> {
    let directory = match fs::canonicalize(directory) {
        Ok(found) => found,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => {
            return Err(cause).with_context(|| format!("{} cannot be looked at", directory.display()));
        }
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("the mounts cannot be read")?;
    if let Some(point) = mounted_below(&mounts, &directory) {
        bail!(
            "{} is not removed, since something is mounted at {}: unmount it first",
            directory.display(),
            point.display()
        );
    }
    fs::remove_dir_all(&directory).with_context(|| format!("{} cannot be removed", directory.display()))
}

/// The first mount point at `directory` or below it, by the text of `/proc/self/mountinfo`.
fn mounted_below(mountinfo: &str, directory: &Path) -> Option<PathBuf> {
    // The fifth field; blanks and the like stand there as octal numbers.
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    points.into_iter().find(|point| point.starts_with(directory))
}

/// `\040` is a blank, `\134` a backslash.
fn unescaped(field: &str) -> PathBuf {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match number {
            Some(number) => {
                text.push(char::from(number));
                text.push_str(&part[3..]);
            }
            None => text.push_str(part),
        }
    }
    PathBuf::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 8:1 / / rw - ext4 /dev/sda1 rw
40 21 0:35 / /srv/state\\040two/cluster/shelf rw - tmpfs tmpfs rw
41 21 0:36 / /srv/stateful rw - tmpfs tmpfs rw
";

    #[test]
    fn what_is_mounted_below_a_directory_is_found_by_whole_names() {
        assert_eq!(mounted_below(MOUNTS, Path::new("/srv/state")), None, "a longer name is another");
        assert_eq!(
            mounted_below(MOUNTS, Path::new("/srv/state two")),
            Some("/srv/state two/cluster/shelf".into())
        );
        assert_eq!(mounted_below(MOUNTS, Path::new("/srv/stateful")), Some("/srv/stateful".into()));
    }

    #[test]
    fn a_directory_is_removed_and_what_a_link_in_it_shows_stays() {
        let all = tempfile::tempdir().expect("a directory");
        let (ours, other) = (all.path().join("ours"), all.path().join("other"));
        fs::create_dir_all(ours.join("deep/er")).expect("made");
        fs::create_dir(&other).expect("made");
        fs::write(other.join("kept"), "").expect("written");
        std::os::unix::fs::symlink(&other, ours.join("deep/link")).expect("linked");
        remove(&ours).expect("removed");
        assert!(!ours.exists());
        assert!(other.join("kept").exists());
        remove(&ours).expect("what is gone already");
    }
}
