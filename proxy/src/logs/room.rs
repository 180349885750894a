//! How many read at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_proxy_core::{READERS, READERS_OF_ONE};
use berth_schema::WorkspaceId;

/// Those who read, by workspace. Cheap to clone; the clones are of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readers(Arc<Mutex<HashMap<WorkspaceId, usize>>>);

/// One who reads, until this is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    all: Readers,
    workspace: WorkspaceId,
}

impl Readers {
    /// `None`: there are too many.
    pub(crate) fn enter(&self, workspace: WorkspaceId) -> Option<Reader> {
        let mut all = self.lock();
        if all.values().sum::<usize>() >= READERS {
            return None;
        }
        let of_it = all.entry(workspace).or_default();
        if *of_it >= READERS_OF_ONE {
            return None;
        }
        *of_it += 1;
        Some(Reader { all: self.clone(), workspace })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(of_it) = all.get_mut(&self.workspace) {
            *of_it -= 1;
            if *of_it == 0 {
                all.remove(&self.workspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_workspace_has_so_many_readers_and_all_of_them_so_many() {
        let readers = Readers::default();
        let one = WorkspaceId::random();
        let of_one: Vec<_> = std::iter::from_fn(|| readers.enter(one)).take(1_000).collect();
        assert_eq!(of_one.len(), READERS_OF_ONE);
        let others: Vec<_> =
            std::iter::from_fn(|| readers.enter(WorkspaceId::random())).take(1_000).collect();
        assert_eq!(of_one.len() + others.len(), READERS);
        drop(of_one);
        assert!(readers.enter(one).is_some(), "there is room again");
        drop(others);
        assert!(readers.lock().is_empty(), "nobody who has left is remembered");
    }
}
