//! What the users were told, workspace by workspace: the truth that everything is held against.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_schema::api::Workspace;
use berth_schema::{DesiredState, Generation, WorkspaceId};

/// One workspace's.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// As it was created.
    pub(crate) created: Workspace,
    /// The answer of the highest generation.
    pub(crate) generation: Generation,
    pub(crate) desired: DesiredState,
    /// The mark of the newest devfile, and its generation.
    pub(crate) mark: (Generation, String),
    /// How many wishes were answered with success.
    changes: u64,
}

impl Story {
    /// What shall be in the end. A restart ends by itself.
    pub(crate) fn end(&self) -> DesiredState {
        match self.desired {
            DesiredState::RestartRequested => DesiredState::Running,
            other => other,
        }
    }
}

/// Shared by all users.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stories(Arc<Mutex<BTreeMap<WorkspaceId, Story>>>);

impl Stories {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkspaceId, Story>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A creation was answered with success. Whoever repeats it must be told of the same workspace.
    pub(crate) fn created(&self, workspace: &Workspace, mark: String) {
        let (generation, desired) = (workspace.generation, workspace.desired_state);
        let story =
            Story { generation, desired, mark: (generation, mark), changes: 0, created: workspace.clone() };
        let before = self.lock().insert(workspace.id, story);
        assert!(before.is_none(), "two keys made the workspace {}", workspace.id);
    }

    /// A change was answered with success. The mark is a rebuild's.
    pub(crate) fn changed(&self, workspace: &Workspace, mark: Option<String>) {
        let mut stories = self.lock();
        let story = stories.get_mut(&workspace.id).expect("nobody changes what nobody created");
        if workspace.generation >= story.generation {
            (story.generation, story.desired) = (workspace.generation, workspace.desired_state);
        }
        if let Some(mark) = mark
            && workspace.generation > story.mark.0
        {
            story.mark = (workspace.generation, mark);
        }
        story.changes += 1;
    }

    pub(crate) fn all(&self) -> Vec<Story> {
        self.lock().values().cloned().collect()
    }

    /// Those that shall not end.
    pub(crate) fn living(&self) -> Vec<Story> {
        self.all().into_iter().filter(|story| story.desired != DesiredState::Terminated).collect()
    }

    pub(crate) fn changes(&self) -> u64 {
        self.lock().values().map(|story| story.changes).sum()
    }

    pub(crate) fn tally(&self) -> String {
        let (all, living) = (self.all().len(), self.living().len());
        format!("{all} workspaces created, {} terminated, {} changes granted", all - living, self.changes())
    }
}
