//! What the supervisor tells whoever started it: lines of JSON in a file, so that it can be read while it runs and after.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::process::log_file;

const FILE: &str = "events.jsonl";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Event {
    Started(String),
    /// A component, and how it ended.
    Ended(String, String),
    /// The API server answers and everything else was started.
    Ready,
    Failed(String),
    Stopped,
}

#[derive(Clone, Debug)]
pub(super) struct Events(Arc<Mutex<File>>);

impl Events {
    pub(super) fn append_to(dir: &Path) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(log_file(&dir.join(FILE))?))))
    }

    pub(super) fn write(&self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        if let Ok(mut file) = self.0.lock() {
            // The directory may have been removed under a cluster that is stopping.
            let _ = file.write_all(&line);
        }
    }
}

/// All events of the present run so far.
pub(super) fn read(dir: &Path) -> Vec<Event> {
    let text = fs::read_to_string(dir.join(FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Forgets an earlier run.
pub(super) fn clear(dir: &Path) {
    let _ = fs::remove_file(dir.join(FILE));
}
