//! Several servers on one Postgres that survives a kill, behind a balancer.

use anyhow::Context as _;
use berth_harness::{AgentOptions, Cluster, Postgres, Server, ServerOptions};
use secrecy::SecretString;
use tempfile::TempDir;

use crate::{Actor, Balancer};

/// In the order in which the parts end.
#[derive(Debug)]
pub struct Fleet {
    /// What users and agents talk to.
    pub balancer: Balancer,
    pub servers: Vec<Server>,
    pub postgres: Postgres,
    pub database_url: String,
    /// The first administrator, through the balancer.
    pub admin: Actor,
    /// For logs and tokens.
    pub dir: TempDir,
    /// Postgres' own, which belongs to its user.
    pub data: TempDir,
}

impl Fleet {
    /// `environment` is further environment of every server (`BERTH_…`).
    pub async fn start(servers: usize, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let directory = |name: &str| tempfile::Builder::new().prefix(name).tempdir().context("no directory");
        let (dir, data) = (directory("berth-fleet-")?, directory("berth-fleet-postgres-")?);
        let postgres = Postgres::start(Some(data.path())).await?;
        let database_url = postgres.create_database().await?;
        let mut started: Vec<Server> = Vec::new();
        for number in 0..servers {
            let mut options =
                ServerOptions::new(&database_url, dir.path().join(format!("server-{number}"))).for_load();
            options.kek = started.first().map(|first| first.kek().to_owned());
            options.environment =
                environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            started.push(Server::start(options).await?);
        }
        let first_token = started.first().context("no server")?.first_token()?;
        let balancer = Balancer::start(started.iter().map(Server::address).collect()).await?;
        let admin = Actor::new(balancer.url(), first_token).await?;
        Ok(Self { balancer, servers: started, postgres, database_url, admin, dir, data })
    }

    /// A new agent of the organisation, and its token.
    pub async fn token(&self, agent: &str) -> anyhow::Result<SecretString> {
        Ok(self.admin.create_agent(agent).await?.token.context("no token")?.into())
    }

    /// A process of an agent: `process` is its name in the Lease, which is in `lease_namespace`.
    pub fn agent(
        &self,
        token: &SecretString,
        cluster: &Cluster,
        process: &str,
        lease_namespace: &str,
    ) -> AgentOptions {
        AgentOptions {
            server_url: self.balancer.url(),
            token: token.clone(),
            kubeconfig: cluster.kubeconfig().to_owned(),
            dir: self.dir.path().join(process),
            environment: vec![
                ("BERTH_AGENT_NAMESPACE".to_owned(), lease_namespace.to_owned()),
                ("POD_NAME".to_owned(), process.to_owned()),
            ],
        }
    }
}
