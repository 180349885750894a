//! What was found at commits. A commit is what it is for ever: what is forgotten is only what takes room.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use berth_repository::ObjectId;
use berth_schema::RepositoryPath;

use super::File;

const ENTRIES: usize = 500;
const BYTES: usize = 16 * 1024 * 1024;

/// The URL, the commit, and the only file that was wanted.
pub(super) type Key = (String, ObjectId, Option<RepositoryPath>);

/// What is known of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    File(File),
    /// It has none.
    Nothing,
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    found: HashMap<Key, Option<File>>,
    /// The oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

fn size(file: Option<&File>) -> usize {
    file.map_or(0, |file| file.content.len())
}

impl Cache {
    pub(super) fn get(&self, key: &Key) -> Known {
        match self.lock().found.get(key) {
            Some(Some(file)) => Known::File(file.clone()),
            Some(None) => Known::Nothing,
            None => Known::Unknown,
        }
    }

    pub(super) fn put(&self, key: Key, file: Option<File>) {
        let mut kept = self.lock();
        if kept.found.contains_key(&key) {
            return;
        }
        kept.bytes += size(file.as_ref());
        kept.found.insert(key.clone(), file);
        kept.order.push_back(key);
        while kept.order.len() > ENTRIES || kept.bytes > BYTES {
            let Some(oldest) = kept.order.pop_front() else { return };
            let gone = kept.found.remove(&oldest).flatten();
            kept.bytes -= size(gone.as_ref());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        ("https://git.example/a".to_owned(), ObjectId::new(&format!("{number:040x}")).expect("a hash"), None)
    }

    fn file(bytes: usize) -> File {
        File { path: "devfile.yaml".parse().expect("a path"), content: vec![0; bytes].into() }
    }

    #[test]
    fn the_oldest_is_forgotten_where_there_are_too_many_or_too_large_ones() {
        let cache = Cache::default();
        for number in 0..=ENTRIES {
            cache.put(key(number), None);
        }
        assert!(cache.get(&key(0)) == Known::Unknown && cache.get(&key(1)) == Known::Nothing);
        for number in 1_000..1_010 {
            cache.put(key(number), Some(file(BYTES / 4)));
        }
        let kept = (1_000..1_010).filter(|number| cache.get(&key(*number)) != Known::Unknown).count();
        assert_eq!(kept, 4);
        cache.put(key(2_000), Some(file(BYTES + 1)));
        assert!(cache.get(&key(2_000)) == Known::Unknown && cache.lock().bytes == 0);
    }
}
