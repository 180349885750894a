//! What is killed, and started again at once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use berth_harness::{AgentOptions, AgentProcess, Cluster, Postgres, Server};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::LastKill;

const API_SERVER: &str = "kube-apiserver";
/// Falls together with it, as where both run on one machine. What it was about to do waits up to a minute otherwise, which
/// is longer than anything that is measured here.
const CONTROLLERS: &str = "kube-controller-manager";
/// How often somebody looks whether everything runs.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Agent,
    Server,
    Postgres,
    ApiServer,
}

impl Part {
    const ALL: [Self; 4] = [Self::Agent, Self::Server, Self::Postgres, Self::ApiServer];
}

pub(crate) struct Parts {
    agent: Mutex<AgentProcess>,
    servers: Mutex<Vec<Server>>,
    postgres: Mutex<Postgres>,
    cluster: &'static Cluster,
    /// Held while Kubernetes' components are killed and started.
    kubernetes: Mutex<()>,
    /// How often each part was killed.
    kills: Mutex<BTreeMap<Part, u64>>,
}

impl Parts {
    pub(crate) async fn new(
        agent: AgentOptions,
        servers: Vec<Server>,
        postgres: Postgres,
        cluster: &'static Cluster,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            agent: Mutex::new(AgentProcess::start(agent).await?),
            servers: Mutex::new(servers),
            postgres: Mutex::new(postgres),
            cluster,
            kubernetes: Mutex::default(),
            kills: Mutex::default(),
        })
    }

    /// Kills each part `kills` times, in any order, `gap` apart on average. Gives the time of the last kill.
    pub(crate) async fn kill_all(
        &self,
        kills: u64,
        gap: Duration,
        dice: &mut fastrand::Rng,
    ) -> anyhow::Result<LastKill> {
        let mut order: Vec<Part> = Part::ALL.into_iter().cycle().take(4 * usize::try_from(kills)?).collect();
        dice.shuffle(&mut order);
        let mut last = Instant::now();
        for part in order {
            sleep(gap.mul_f64(2.0 * dice.f64())).await;
            last = self.kill(part, dice).await?;
        }
        Ok(last)
    }

    async fn kill(&self, part: Part, dice: &mut fastrand::Rng) -> anyhow::Result<Instant> {
        match part {
            Part::Agent => self.agent.lock().await.kill9()?,
            Part::Server => {
                let mut servers = self.servers.lock().await;
                let victim = dice.usize(..servers.len());
                servers[victim].kill9()?;
            }
            Part::Postgres => self.postgres.lock().await.kill9().await?,
            Part::ApiServer => {
                // One that is not up yet has nothing to lose.
                self.cluster.wait_for_api().await?;
                let _alone = self.kubernetes.lock().await;
                self.cluster.kill(CONTROLLERS).await?;
                self.cluster.kill(API_SERVER).await?;
                self.cluster.start_component(API_SERVER).await?;
            }
        }
        *self.kills.lock().await.entry(part).or_default() += 1;
        Ok(Instant::now())
    }

    /// Starts again whatever has ended, as a kubelet and a service manager do.
    pub(crate) async fn keep(&self) -> anyhow::Result<Infallible> {
        tokio::try_join!(self.keep_ours(), self.keep_kubernetes()).map(|(never, _)| never)
    }

    /// The controllers among them. They end by themselves while the API server is long in coming.
    async fn keep_kubernetes(&self) -> anyhow::Result<Infallible> {
        loop {
            sleep(Duration::from_secs(1)).await;
            let _alone = self.kubernetes.lock().await;
            for component in self.cluster.missing_components().await? {
                // What ends at its start is missing at the next look too.
                let _ = self.cluster.start_component(&component).await;
            }
        }
    }

    async fn keep_ours(&self) -> anyhow::Result<Infallible> {
        loop {
            {
                let mut postgres = self.postgres.lock().await;
                if !postgres.process().is_alive() {
                    postgres.start_again().await?;
                }
            }
            {
                let mut agent = self.agent.lock().await;
                if !agent.is_alive() {
                    agent.spawn_again()?;
                }
            }
            for server in self.servers.lock().await.iter_mut().filter(|server| !server.is_alive()) {
                server.spawn_again()?;
            }
            sleep(LOOK).await;
        }
    }

    pub(crate) async fn tally(&self) -> String {
        let kills = self.kills.lock().await;
        kills
            .iter()
            .map(|(part, count)| format!("{part:?} killed {count} times"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}
