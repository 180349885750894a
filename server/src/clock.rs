//! The one place that looks at the time.

use jiff::Timestamp;

/// Now, as the database keeps it, so that an answer says what was stored. For the beginning of an operation
/// ([`Op::begin`](crate::identity::Op::begin), [`Run::begin`](crate::identity::Run::begin)) alone.
pub fn now() -> Timestamp {
    berth_db::stored_time(Timestamp::now())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn no_service_looks_at_the_time_by_itself() {
        let mut found = Vec::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        for file in found.iter().filter(|file| !file.ends_with("src/clock.rs")) {
            let text = std::fs::read_to_string(file).expect("text");
            let looks = ["Timestamp::now(", "SystemTime::now("].iter().any(|clock| text.contains(clock));
            assert!(!looks, "{} has a clock of its own; take Op::now", file.display());
        }
        assert!(found.len() > 100, "the sources are elsewhere");
    }
}
