//! The agent's token, which may be replaced while the agent runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use berth_schema::AgentToken;

/// Where the token is, and what was read of it last. Clones share it.
#[derive(Clone)]
pub struct TokenSource {
    /// Looked at by [`Self::refresh`]. Without one the token never changes.
    file: Option<PathBuf>,
    last: Arc<Mutex<Read>>,
}

struct Read {
    token: AgentToken,
    /// How often it was replaced.
    version: u64,
    /// The file held no token of this agent when it was last read.
    broken: bool,
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSource").field("file", &self.file).finish_non_exhaustive()
    }
}

impl TokenSource {
    /// A token that stays as it is.
    pub fn fixed(token: AgentToken) -> Self {
        Self { file: None, last: Arc::new(Mutex::new(Read { token, version: 0, broken: false })) }
    }

    /// The token in a file, which somebody may write anew at any time.
    pub fn file(path: PathBuf) -> anyhow::Result<Self> {
        let token = read(&path)?;
        Ok(Self { file: Some(path), ..Self::fixed(token) })
    }

    /// The token that was read last.
    pub fn current(&self) -> AgentToken {
        self.lock().token.clone()
    }

    /// Looks whether the token was replaced; answers with how often it was. While the file cannot be read, or holds another
    /// agent's token, the one before goes on being used: another agent's would be another identity, for which the process
    /// has to start anew.
    pub fn refresh(&self) -> u64 {
        let mut last = self.lock();
        let Some(path) = &self.file else { return last.version };
        let found = read(path).and_then(|token| {
            let is_ours =
                token.agent() == last.token.agent() && token.organization() == last.token.organization();
            anyhow::ensure!(is_ours, "{} holds the token of another agent", path.display());
            Ok(token)
        });
        match found {
            Ok(token) => {
                if token.expose() != last.token.expose() {
                    tracing::info!("the token was replaced: the new one is used from now on");
                    last.version += 1;
                }
                last.token = token;
                last.broken = false;
            }
            Err(error) => {
                if !last.broken {
                    tracing::warn!(error = %format!("{error:#}"), "the token before goes on being used");
                }
                last.broken = true;
            }
        }
        last.version
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No error holds a part of the file.
fn read(path: &Path) -> anyhow::Result<AgentToken> {
    let place = || format!("the token file {}", path.display());
    let text = berth_secret_file::read(path).with_context(place)?;
    text.trim().parse().with_context(|| format!("the token in {}", place()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::{AgentId, OrganizationId};

    #[test]
    fn a_token_that_is_written_anew_is_used_and_nothing_else_that_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        let (organization, agent) = (OrganizationId::random(), AgentId::random());
        let one = AgentToken::new(organization, agent, &[1; 32]);
        let two = AgentToken::new(organization, agent, &[2; 32]);
        let strange = AgentToken::new(organization, AgentId::random(), &[3; 32]);
        berth_secret_file::replace(&path, format!("{}\n", one.expose()).as_bytes()).expect("a file");
        let source = TokenSource::file(path.clone()).expect("a token");
        for bad in ["", "half a tok", strange.expose()] {
            berth_secret_file::replace(&path, bad.as_bytes()).expect("a file");
            assert_eq!(source.refresh(), 0, "{bad}");
            assert_eq!(source.current().expose(), one.expose(), "{bad}");
        }
        std::fs::remove_file(&path).expect("it was there");
        assert_eq!(source.refresh(), 0);
        berth_secret_file::replace(&path, two.expose().as_bytes()).expect("a file");
        assert_eq!(source.current().expose(), one.expose(), "not before somebody looks");
        assert_eq!(source.refresh(), 1);
        assert_eq!(source.clone().current().expose(), two.expose());
        assert_eq!(source.refresh(), 1, "once");
    }

    #[test]
    fn a_broken_token_file_is_named_but_not_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "berth_agt_s3cr3t\n").expect("a file");
        let open = format!("{:#}", TokenSource::file(path.clone()).expect_err("readable by others"));
        assert!(open.contains("chmod 0600") && open.contains(&*path.to_string_lossy()), "{open}");
        berth_secret_file::replace(&path, b"berth_agt_s3cr3t\n").expect("a file");
        let error = format!("{:#}", TokenSource::file(path.clone()).expect_err("broken"));
        assert!(error.contains(&*path.to_string_lossy()) && !error.contains("s3cr3t"), "{error}");
    }
}
