//! What a server says to Postgres, recorded on its way, in the messages of Postgres' own protocol (version 3).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A message: its kind, and what follows its length. What opens a connection has no kind: 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) const BIND: u8 = b'B';
    pub(crate) const CLOSE: u8 = b'C';
    pub(crate) const PARSE: u8 = b'P';
    pub(crate) const QUERY: u8 = b'Q';
    pub(crate) const SYNC: u8 = b'S';
    pub(crate) const READY: u8 = b'Z';
    pub(crate) const ERROR: u8 = b'E';

    /// The next one of a stream; none at its end.
    pub(crate) async fn read(
        from: &mut (impl AsyncRead + Unpin),
        opens: bool,
    ) -> anyhow::Result<Option<Self>> {
        let kind = if opens { Ok(0) } else { from.read_u8().await };
        let Ok(kind) = kind else { return Ok(None) };
        let Ok(length) = from.read_u32().await else { return Ok(None) };
        let length = usize::try_from(length)?.checked_sub(4).context("a message shorter than its length")?;
        ensure!(length < 16 << 20, "a message of {length} bytes");
        let mut body = vec![0; length];
        from.read_exact(&mut body).await?;
        Ok(Some(Self { kind, body }))
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) -> anyhow::Result<()> {
        if self.kind != 0 {
            to.push(self.kind);
        }
        to.extend(u32::try_from(self.body.len() + 4)?.to_be_bytes());
        to.extend(&self.body);
        Ok(())
    }

    /// The name of the statement that it prepares.
    pub(crate) fn prepares(&self) -> Option<&[u8]> {
        let is_so = self.kind == Self::PARSE;
        is_so.then(|| self.body.split(|byte| *byte == 0).next().unwrap_or_default())
    }

    /// Whether Postgres says that it is ready again after it.
    fn is_answered(&self) -> bool {
        matches!(self.kind, Self::SYNC | Self::QUERY)
    }
}

/// Messages that went out before the answer to any of them was waited for.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    /// Which of the server's connections said it.
    pub(crate) connection: usize,
    pub(crate) messages: Vec<Message>,
}

impl Flight {
    /// How often Postgres says after it that it is ready again.
    pub(crate) fn answers(&self) -> usize {
        self.messages.iter().filter(|message| message.is_answered()).count()
    }

    fn is_whole(&self) -> bool {
        self.messages.last().is_some_and(Message::is_answered)
    }
}

/// How a connection began, and the statements that it has prepared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    pub(crate) opening: Option<Message>,
    /// What was set for all of it.
    pub(crate) settings: Vec<Message>,
    /// By the names that the server gave them.
    pub(crate) statements: HashMap<Vec<u8>, Message>,
    unanswered: usize,
    /// Its newest flight, where that is not whole or not answered.
    flight: Option<usize>,
}

#[derive(Debug, Default)]
struct Said {
    connections: Vec<Connection>,
    flights: Vec<Flight>,
}

impl Said {
    fn hear(&mut self, number: usize, message: &Message) {
        let Self { connections, flights } = self;
        let connection = &mut connections[number];
        match message.kind {
            0 => return connection.opening = Some(message.clone()),
            Message::QUERY if message.body.starts_with(b"SET ") => {
                connection.unanswered += 1;
                return connection.settings.push(message.clone());
            }
            _ => {}
        }
        if let Some(name) = message.prepares() {
            connection.statements.insert(name.to_vec(), message.clone());
        }
        let goes_on = |flight: &usize| connection.unanswered > 0 || !flights[*flight].is_whole();
        let flight = connection.flight.filter(goes_on).unwrap_or_else(|| {
            flights.push(Flight { connection: number, messages: Vec::new() });
            flights.len() - 1
        });
        connection.flight = Some(flight);
        flights[flight].messages.push(message.clone());
        connection.unanswered += usize::from(message.is_answered());
    }
}

/// Passes every connection on to Postgres and keeps what it said. It ends when it is dropped.
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<Said>>,
    task: JoinHandle<()>,
}

impl Tap {
    pub(crate) async fn before(postgres: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
        let (address, said) = (listener.local_addr()?, Arc::<Mutex<Said>>::default());
        let kept = Arc::clone(&said);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let number = {
                    let mut said = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    said.connections.push(Connection::default());
                    said.connections.len() - 1
                };
                connections.spawn(pass(client, postgres, number, Arc::clone(&kept)));
            }
        });
        Ok(Self { address, said, task })
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said meanwhile, in the order in which it began.
    pub(crate) async fn during(
        &self,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Vec<Flight>> {
        let before = self.said().flights.len();
        work.await?;
        Ok(self.said().flights[before..].to_vec())
    }

    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.said().connections.clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    client: TcpStream,
    postgres: SocketAddr,
    number: usize,
    kept: Arc<Mutex<Said>>,
) -> anyhow::Result<()> {
    let server = TcpStream::connect(postgres).await?;
    // A message at a time goes through: none waits for another one.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let said = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    let there = async {
        let mut opens = true;
        while let Some(message) = Message::read(&mut from_client, opens).await? {
            opens = false;
            said().hear(number, &message);
            let mut bytes = Vec::new();
            message.write(&mut bytes)?;
            to_server.write_all(&bytes).await?;
        }
        anyhow::Ok(())
    };
    let back = async {
        while let Some(message) = Message::read(&mut from_server, false).await? {
            if message.kind == Message::READY {
                let connection = &mut said().connections[number];
                connection.unanswered = connection.unanswered.saturating_sub(1);
            }
            let mut bytes = Vec::new();
            message.write(&mut bytes)?;
            to_client.write_all(&bytes).await?;
        }
        anyhow::Ok(())
    };
    // Whoever ends, ends both: a session that Postgres takes for open keeps its locks.
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
    }
}
