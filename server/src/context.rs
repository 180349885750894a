//! What every handler may use.

use std::fmt;
use std::sync::Arc;

use berth_db::Database;
use berth_schema::configuration::Guardrails;
use berth_schema::{AgentConfiguration, AgentId, OrganizationId};
use ring::rand::{SecureRandom, SystemRandom};
use tokio_util::sync::CancellationToken;

use crate::config::Protocol;
use crate::crypto::Keys;
use crate::denials::Denials;
use crate::identity::HasDatabase;
use crate::issuer::Issuer;
use crate::metrics::Metrics;
use crate::openid::Providers;
use crate::repository::Repositories;
use crate::services::git::Signer;
use crate::services::sign_in::SessionRules;
use crate::services::workspaces::{NewSpec, ProjectRules};
use crate::streams::Streams;
use crate::tasks::Tasks;
use crate::uses::Uses;
use crate::{CompiledRules, Contacts, Hub, Polls, Reports, Turns, clock};

/// Shared by all workers; the clones are one.
#[derive(Clone)]
pub struct Context {
    pub database: Database,
    /// Agents at the database: three quarters of its connections.
    pub turns: Turns<AgentId>,
    pub keys: Arc<Keys>,
    /// What holds where an agent's own configuration says nothing.
    pub agent_defaults: Arc<AgentConfiguration>,
    /// What no organisation's administrator may set.
    pub guardrails: Arc<Guardrails>,
    pub protocol: Protocol,
    /// What a workspace is made of when nobody says it.
    pub default_spec: Arc<NewSpec>,
    /// What signs tokens, and knows those that it signed.
    pub issuer: Arc<Issuer>,
    /// What signs tokens for Git hosts, where that is configured.
    pub signer: Option<Arc<Signer>>,
    pub projects: ProjectRules,
    /// What looks into repositories for what workspaces are made of.
    pub repositories: Repositories,
    /// Who may do what, in each organisation.
    pub rules: CompiledRules,
    /// How long people are signed in.
    pub sessions: SessionRules,
    /// Identity providers, and what is remembered of them.
    pub openid: Arc<Providers>,
    /// The origin at which browsers know this server (`https://berth.example.com`); `None`: the one that they say.
    pub public_url: Option<Arc<str>>,
    pub hub: Hub<AgentId>,
    pub polls: Polls,
    /// Proxies that wait for what may end connections.
    pub connections: Hub<OrganizationId>,
    pub watches: Polls,
    /// How fast each agent may tell and ask.
    pub reports: Reports,
    pub contacts: Contacts,
    /// When access tokens were last used.
    pub uses: Uses,
    pub(crate) denials: Denials,
    pub streams: Streams,
    /// What runs beside requests, and how it goes.
    pub tasks: Tasks,
    pub metrics: Metrics,
    pub random: Arc<dyn SecureRandom + Send + Sync>,
    /// Cancelled when the server is about to stop: it is not ready any more, and held answers go out.
    pub draining: CancellationToken,
    /// Cancelled when the last request has been answered.
    pub(crate) drained: CancellationToken,
}

impl Context {
    /// Must be called within the runtime that the server lives in.
    #[expect(clippy::disallowed_methods, reason = "the server begins to listen")]
    pub fn new(database: Database, keys: Keys, agent_defaults: AgentConfiguration) -> Self {
        let tasks = Tasks::default();
        let metrics = Metrics::new(&tasks);
        let observed = metrics.clone();
        Self {
            turns: Turns::new((database.pool_size() * 3 / 4).max(1)),
            database: database.on_operation(move |sample| observed.operation(sample)),
            keys: Arc::new(keys),
            agent_defaults: Arc::new(agent_defaults),
            guardrails: Arc::default(),
            protocol: Protocol::default(),
            default_spec: Arc::new(NewSpec::built_in()),
            issuer: Arc::new(Issuer::new("http://localhost")),
            signer: None,
            projects: ProjectRules::default(),
            repositories: Repositories::unread(),
            rules: CompiledRules::default(),
            sessions: SessionRules::default(),
            openid: Arc::default(),
            public_url: None,
            hub: Hub::default(),
            polls: Polls::of_agents(),
            connections: Hub::default(),
            watches: Polls::of_proxies(),
            reports: Reports::new(),
            contacts: Contacts::new(clock::now()),
            uses: Uses::default(),
            denials: Denials::default(),
            streams: Streams::new(),
            tasks,
            metrics,
            random: Arc::new(SystemRandom::new()),
            draining: CancellationToken::new(),
            drained: CancellationToken::new(),
        }
    }

    /// With another than the default protocol.
    #[must_use]
    pub fn speaking(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }
}

impl HasDatabase for Arc<Context> {
    fn database(&self) -> &Database {
        &self.database
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("database", &self.database)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
