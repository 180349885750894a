//! Waking the servers that hold an agent's long poll or a watcher's stream. It is a hint: what is true stands in the tables.

use std::time::Duration;

use berth_schema::{AgentId, OrganizationId, TokenId};
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_postgres::{AsyncMessage, Client, Notification};
use tracing::{info, warn};

use crate::connect::{self, Raw};
use crate::error::DbError;
use crate::scope::OrganizationConn;
use crate::transitions::CHANNEL as WORKSPACES;

const INTENT: &str = "berth_intent";
/// A trigger of `access_tokens` tells it.
const REVOKED: &str = "berth_revoked";
/// Something is on record that may end connections to workspaces.
const CONNECTIONS: &str = "berth_connections";
/// Which agents a server has heard of.
const CONTACTS: &str = "berth_contacts";
/// So many agents are in a notification, which may hold 8,000 bytes.
const OF_ONE: usize = 150;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What users want of this agent's workspaces changed, and is committed.
    Intent(AgentId),
    /// A workspace of this organisation changed in any way that is worth a transition, and that is committed.
    Workspaces(OrganizationId),
    /// This token of that organisation was revoked, and that is committed.
    Revoked(OrganizationId, TokenId),
    /// Something that may end connections to this organisation's workspaces is on record, and committed.
    Connections(OrganizationId),
    /// A server has heard of these agents.
    Contacts(Vec<Heard>),
    /// The connection is new: whatever happened before may have been missed, so everyone who waits must look. It is also
    /// the first event.
    Reconnected,
}

/// An agent that spoke to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub agent: AgentId,
    pub seconds_ago: u32,
}

/// Tells every server which agents one has heard of. Nothing is written: it is lost where nobody listens.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn tell_of_contacts(url: &str, heard: &[Heard]) -> Result<(), DbError> {
    let mut connection = connect::as_jobs(&connect::parse(url)?).await?;
    for some in heard.chunks(OF_ONE) {
        let words: Vec<_> = some.iter().map(|one| format!("{} {}", one.agent, one.seconds_ago)).collect();
        diesel::select(pg_notify(CONTACTS, words.join(","))).execute(&mut connection).await?;
    }
    Ok(())
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Its result is void, which is no type of Diesel's; nobody looks at it.
    fn pg_notify(channel: Text, payload: Text) -> Text;
}

/// Notifications that go out when the transaction commits.
#[derive(Debug)]
pub struct Notifications<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Notifications<'_> {
    /// Wakes whoever waits for intent of this agent, on every server.
    pub async fn notify_agent(&self, agent: AgentId) -> Result<(), DbError> {
        let statement = diesel::select(pg_notify(INTENT, agent.to_string()));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }

    /// Wakes whoever waits for what may end connections to the organisation's workspaces, on every server.
    pub(crate) async fn notify_connections(&self) -> Result<(), DbError> {
        let statement = diesel::select(pg_notify(CONNECTIONS, self.0.organization().to_string()));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(())
    }
}

/// Listens on a connection of its own, and connects again whenever it breaks, after 0.1 s to 10 s. The stream does not end.
///
/// An error is only that the URL is none.
pub fn listen(url: &str) -> Result<impl Stream<Item = Event> + Send + use<>, DbError> {
    let config = connect::parse(url)?;
    let start = Listener { config, connected: None, backoff: FIRST_BACKOFF };
    Ok(futures::stream::unfold(start, |mut listener| async move { Some((listener.next().await, listener)) })
        .boxed())
}

struct Listener {
    config: tokio_postgres::Config,
    connected: Option<Connected>,
    backoff: Duration,
}

/// A live connection. Dropping it ends the task that drives it.
struct Connected {
    notifications: mpsc::UnboundedReceiver<Event>,
    /// Postgres closes the session when the client is gone.
    _client: Client,
    _driver: JoinSet<()>,
}

impl Listener {
    async fn next(&mut self) -> Event {
        loop {
            if let Some(connected) = &mut self.connected {
                if let Some(event) = connected.notifications.recv().await {
                    return event;
                }
                self.connected = None;
            }
            match Connected::new(&self.config).await {
                Ok(connected) => {
                    info!("listening for changes");
                    self.connected = Some(connected);
                    self.backoff = FIRST_BACKOFF;
                    return Event::Reconnected;
                }
                Err(error) => {
                    warn!(error = berth_logging::causes(&error), "cannot listen for changes");
                    tokio::time::sleep(self.backoff).await;
                    self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
                }
            }
        }
    }
}

impl Connected {
    async fn new(config: &tokio_postgres::Config) -> Result<Self, DbError> {
        let (sender, notifications) = mpsc::unbounded_channel();
        let mut driver = JoinSet::new();
        let client = match connect::raw(config).await? {
            Raw::Tls(client, mut connection) => {
                driver.spawn(async move { drive(sender, |cx| connection.poll_message(cx)).await });
                client
            }
            Raw::Plain(client, mut connection) => {
                driver.spawn(async move { drive(sender, |cx| connection.poll_message(cx)).await });
                client
            }
        };
        client
            .batch_execute(&format!(
                "SET ROLE berth_app; LISTEN {INTENT}; LISTEN {WORKSPACES}; LISTEN {REVOKED}; LISTEN {CONNECTIONS}; LISTEN {CONTACTS}"
            ))
            .await?;
        Ok(Self { notifications, _client: client, _driver: driver })
    }
}

type Message = Option<Result<AsyncMessage, tokio_postgres::Error>>;

/// Moves the connection's messages until it breaks or nobody listens.
async fn drive(
    sender: mpsc::UnboundedSender<Event>,
    poll_message: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Message>,
) {
    let mut messages = futures::stream::poll_fn(poll_message);
    while let Some(message) = messages.next().await {
        match message {
            Ok(AsyncMessage::Notification(notification)) => {
                let Some(event) = event(&notification) else {
                    warn!("a notification that names nobody");
                    continue;
                };
                if sender.send(event).is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => {
                warn!(error = berth_logging::causes(&error), "the listening connection broke");
                return;
            }
        }
    }
}

fn event(notification: &Notification) -> Option<Event> {
    match notification.channel() {
        INTENT => notification.payload().parse().ok().map(Event::Intent),
        REVOKED => {
            let (organization, token) = notification.payload().split_once(' ')?;
            Some(Event::Revoked(organization.parse().ok()?, token.parse().ok()?))
        }
        CONNECTIONS => notification.payload().parse().ok().map(Event::Connections),
        CONTACTS => {
            let heard = |word: &str| {
                let (agent, ago) = word.split_once(' ')?;
                Some(Heard { agent: agent.parse().ok()?, seconds_ago: ago.parse().ok()? })
            };
            notification.payload().split(',').map(heard).collect::<Option<_>>().map(Event::Contacts)
        }
        WORKSPACES => notification.payload().parse().ok().map(Event::Workspaces),
        _ => None,
    }
}
