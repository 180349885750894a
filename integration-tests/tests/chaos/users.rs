//! Users who act at random and, as a good client does, ask again until they have an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use berth_integration_tests::{Actor, Answer, WORKSPACE_IMAGE};
use berth_schema::api::Workspace;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::story::{Stories, Story};

/// More than a server and Postgres need to come back.
const PATIENCE: Duration = Duration::from_secs(60);
/// Those that are still on their way out included: how fast namespaces end is Kubernetes' own affair, and a heap of them would
/// be all that is measured.
const MOST: usize = 12;

pub(crate) struct Crowd {
    home: Arc<AtomicBool>,
    users: JoinSet<anyhow::Result<()>>,
}

impl Crowd {
    pub(crate) fn start(admin: &Actor, stories: &Stories, count: u64, seed: u64) -> Self {
        let home = Arc::new(AtomicBool::new(false));
        let mut users = JoinSet::new();
        for number in 0..count {
            let mut user = User {
                admin: admin.clone(),
                stories: stories.clone(),
                dice: fastrand::Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(number)),
                name: format!("{seed}-{number}"),
                acts: 0,
            };
            let home = Arc::clone(&home);
            users.spawn(async move {
                while !home.load(Ordering::Relaxed) {
                    user.act().await?;
                    sleep(Duration::from_millis(user.dice.u64(100..1_500))).await;
                }
                Ok(())
            });
        }
        Self { home, users }
    }

    /// Everyone ends what they began.
    pub(crate) async fn go_home(mut self) -> anyhow::Result<()> {
        self.home.store(true, Ordering::Relaxed);
        while let Some(user) = self.users.join_next().await {
            user.context("a user broke")??;
        }
        Ok(())
    }
}

struct User {
    admin: Actor,
    stories: Stories,
    dice: fastrand::Rng,
    name: String,
    acts: u64,
}

impl User {
    async fn act(&mut self) -> anyhow::Result<()> {
        self.acts += 1;
        let living = self.stories.living();
        let room = self.exist().await? < MOST;
        let wish = match self.dice.u32(..100) {
            0..20 if room => None,
            _ if living.is_empty() && room => None,
            _ if living.is_empty() => return Ok(()),
            0..35 => Some("start"),
            35..50 => Some("stop"),
            50..70 => Some("restart"),
            70..85 => Some("rebuild"),
            _ => Some("terminate"),
        };
        match wish {
            None => self.create().await,
            Some(wish) => {
                let story = living[self.dice.usize(..living.len())].clone();
                self.change(&story, wish).await
            }
        }
    }

    /// How many workspaces are listed.
    async fn exist(&self) -> anyhow::Result<usize> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.admin.workspaces().await {
                Ok(all) => return Ok(all.len()),
                Err(cause) if Instant::now() > deadline => return Err(cause),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Without a name, so that the key alone keeps it from being made twice.
    async fn create(&mut self) -> anyhow::Result<()> {
        let mark = self.mark();
        let body = json!({
            "devfile": devfile(&mark),
            "variables": [{"name": "SECRET", "value": mark}, {"name": "file", "kind": "file", "value": mark}],
        });
        let answer = self.insist("workspaces", &body).await?;
        let workspace: Workspace = answer.expect().context("a creation was refused")?;
        // Whoever asks again is told of the same one.
        if self.dice.bool() {
            let again: Workspace = self.insist("workspaces", &body).await?.expect()?;
            ensure!(again.id == workspace.id, "one key made {} and {}", workspace.id, again.id);
        }
        self.stories.created(&workspace, mark);
        Ok(())
    }

    async fn change(&mut self, story: &Story, wish: &str) -> anyhow::Result<()> {
        let mark = (wish == "rebuild").then(|| self.mark());
        let body = mark.as_ref().map_or_else(|| json!({}), |mark| json!({"devfile": devfile(mark)}));
        let answer = self.insist(&format!("workspaces/{}/{wish}", story.created.id), &body).await?;
        match answer.status.as_u16() {
            200..=299 => self.stories.changed(&answer.expect()?, mark),
            // Another user has stopped or terminated it meanwhile.
            409 => {}
            _ => bail!("{wish} of {} was refused: {answer:?}", story.created.name),
        }
        Ok(())
    }

    fn mark(&self) -> String {
        format!("{}-{}", self.name, self.acts)
    }

    /// Asks, under the key of this act, until somebody answers.
    async fn insist(&mut self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let key = self.mark();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let outcome = self.admin.post_once(path, &key, body).await;
            match outcome {
                Ok(answer) if !answer.status.is_server_error() && answer.status.as_u16() != 429 => {
                    return Ok(answer);
                }
                outcome if Instant::now() > deadline => bail!("nobody answers POST {path}: {outcome:?}"),
                _ => sleep(Duration::from_millis(self.dice.u64(50..300))).await,
            }
        }
    }
}

/// A devfile with a mark that can be read off the Deployment.
fn devfile(mark: &str) -> String {
    format!(
        "schemaVersion: 2.2.0\nmetadata: {{name: chaos}}\ncomponents:\n  - name: main\n    container:\n      image: {WORKSPACE_IMAGE}\n      env:\n        - {{name: MARK, value: '{mark}'}}\n"
    )
}
