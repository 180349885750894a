//! Looks into Git repositories for the file that says what a workspace is made of: by git's own protocol, which every host speaks.
//!
//! What is believed of what git prints is `berth-repository`'s to say. Here is what asks: the addresses that may be asked, the program
//! within its bounds, the directory that it writes to, and what was found before.

mod address;
mod cache;
mod program;
mod room;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use berth_oidc::Reachable;
use berth_repository::{Next, ObjectId, Resolved, Search, Unusable, Why};
use berth_schema::{GitReference, ProjectUrl, RepositoryPath, SubjectId};
use tokio::time::Instant;
use tracing::error;

use crate::services::git::Credential;
use crate::{Error, Turns};
use cache::{Cache, Known};
use program::Git;
use room::Room;
use store::Store;

/// A whole look ends within it: a person waits, and their request is given up after 30 seconds.
const TIME: Duration = Duration::from_secs(15);
/// How many look at the same time, and how many of those for one person.
const PLACES: usize = 6;
const OF_ONE: usize = 2;

/// What is configured of looking into repositories.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long a look may take.
    pub time: Duration,
    /// Where hosts may be.
    pub reachable: Reachable,
    /// The only authorities that are trusted, in a PEM file; `None`: the system's.
    pub authorities: Option<PathBuf>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { time: TIME, reachable: Reachable::default(), authorities: None }
    }
}

/// What looks into repositories; the clones are one.
#[derive(Clone, Debug, Default)]
pub struct Repositories(Option<Arc<Looker>>);

#[derive(Debug)]
struct Looker {
    rules: Rules,
    turns: Turns<SubjectId>,
    cache: Cache,
    /// Why there is none is in the log.
    room: Option<Room>,
}

/// What is to be looked at, and for whom.
#[derive(Debug)]
pub struct Ask {
    pub who: SubjectId,
    pub url: ProjectUrl,
    pub reference: Option<GitReference>,
    /// The only file that is taken.
    pub path: Option<RepositoryPath>,
    pub credential: Option<Credential>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    pub commit: ObjectId,
    /// `None`: it has none.
    pub file: Option<File>,
}

/// A file, which may hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: RepositoryPath,
    pub content: Arc<[u8]>,
}

/// Why nothing is known of a repository.
#[derive(Debug, thiserror::Error)]
pub enum NotLooked {
    #[error("{0}")]
    Why(#[from] Why),
    #[error("{0}")]
    Unusable(#[from] Unusable),
    /// Others look, too.
    #[error(transparent)]
    Busy(Error),
}

impl Repositories {
    /// Nobody is asked for anything.
    pub fn unread() -> Self {
        Self(None)
    }

    /// Must be called once a process: it clears up what another one has left.
    pub fn new(rules: Rules) -> Self {
        let room = Room::open().inspect_err(|error| error!(%error, "no room to look into repositories")).ok();
        Self(Some(Arc::new(Looker {
            rules,
            turns: Turns::with_most(PLACES, OF_ONE),
            cache: Cache::default(),
            room,
        })))
    }

    /// Whether this server looks at what is at that address. Of SSH it has no key.
    pub fn reads(&self, url: &ProjectUrl) -> bool {
        self.0.is_some() && !url.is_ssh()
    }

    /// The file of a repository, where it has one.
    ///
    /// # Errors
    /// Why nothing is known of it.
    pub async fn look(&self, ask: &Ask) -> Result<Looked, NotLooked> {
        let looker = self.0.as_deref().ok_or(NotLooked::Why(Why::NoGit))?;
        let _turn = looker.turns.take(ask.who).await.map_err(|_| NotLooked::Busy(Error::RepositoriesBusy))?;
        let deadline = Instant::now() + looker.rules.time;
        let result = looker.look_at(&ask.url, ask, deadline).await;
        // Some hosts know a repository by its whole name alone, and lead there.
        let Err(NotLooked::Why(Why::Redirect)) = result else { return result };
        let url = ask.url.to_string();
        let url = url.trim_end_matches('/');
        if url.strip_suffix(".git").is_some() {
            return result;
        }
        let whole = ProjectUrl::new(&format!("{url}.git")).map_err(|_| Why::Redirect)?;
        looker.look_at(&whole, ask, deadline).await
    }
}

impl Looker {
    async fn look_at(&self, url: &ProjectUrl, ask: &Ask, deadline: Instant) -> Result<Looked, NotLooked> {
        let room = self.room.as_ref().ok_or(Why::NoRoom)?;
        let pin = address::pin(&self.rules.reachable, url, deadline).await?;
        let directory = room.directory().map_err(|error| {
            error!(%error, "no room to look into a repository");
            Why::NoRoom
        })?;
        let git = Git {
            url,
            pin,
            credential: ask.credential.as_ref(),
            authorities: self.rules.authorities.as_deref(),
            directory: directory.path(),
            deadline,
        };
        // Asked each time, also of what was found before: it is what proves that they may read it.
        let commit = match git.resolve(ask.reference.as_ref()).await? {
            Resolved::Commit(commit) => commit,
            Resolved::Missing => return Err(Why::Reference.into()),
            Resolved::Empty => return Err(Why::Empty.into()),
        };
        let key = (url.to_string(), commit.clone(), ask.path.clone());
        match self.cache.get(&key) {
            Known::File(file) => return Ok(Looked { commit, file: Some(file) }),
            Known::Nothing => return Ok(Looked { commit, file: None }),
            Known::Unknown => {}
        }
        let file = search(&git, &commit, ask.path.clone()).await?;
        self.cache.put(key, file.clone());
        Ok(Looked { commit, file })
    }
}

async fn search(
    git: &Git<'_>,
    commit: &ObjectId,
    path: Option<RepositoryPath>,
) -> Result<Option<File>, NotLooked> {
    let mut store = Store::new(git, commit.is_sha256())?;
    let root = store.root(commit).await?;
    let mut search = Search::new(root, path);
    loop {
        match search.next() {
            Next::Trees(ids) => {
                for (id, entries) in store.trees(ids).await? {
                    search.know(id, entries);
                }
            }
            Next::File { path, id } => {
                return Ok(Some(File { path, content: store.file(&id).await?.into() }));
            }
            Next::Nothing => return Ok(None),
            Next::Unusable(unusable) => return Err(unusable.into()),
        }
    }
}
