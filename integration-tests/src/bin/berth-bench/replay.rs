//! What a server said to Postgres for one request, said again by whoever does nothing else.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::tap::{Connection, Flight, Message};

/// Says the same flights again and again, on connections of its own.
pub(crate) struct Replay {
    /// By the numbers of the server's.
    connections: HashMap<usize, Speaker>,
    flights: Vec<Flight>,
    /// What two requests of one kind said differently, and what changes with each further one.
    changing: HashMap<Place, Changing>,
}

/// A connection, and where it stands.
struct Speaker {
    stream: BufReader<TcpStream>,
    /// In a transaction that only reads: the server waits for the end of none.
    only_reads: bool,
    /// Answers that were not waited for.
    owed: usize,
}

/// A parameter of a statement: flight, message and parameter.
type Place = (usize, usize, usize);

enum Changing {
    /// An id that is made for each request. Places with the same id get the same one again.
    Id([u8; 16]),
    /// A number that grows by so much with each request.
    Counter(i64, i64),
}

impl Replay {
    /// Connects to a database as the server did, with its statements prepared. `flights` were said for the last of two requests of
    /// one kind, `before` for the first.
    pub(crate) async fn open(
        postgres: SocketAddr,
        database: &str,
        opened: &[Connection],
        before: &[Flight],
        flights: Vec<Flight>,
    ) -> anyhow::Result<Self> {
        let changing = changing(before, &flights)?;
        let mut replay = Self { connections: HashMap::new(), flights: Vec::new(), changing };
        for number in flights.iter().map(|flight| flight.connection) {
            if replay.connections.contains_key(&number) {
                continue;
            }
            let stream = TcpStream::connect(postgres).await.context("Postgres is gone")?;
            stream.set_nodelay(true)?;
            let stream = BufReader::new(stream);
            replay.connections.insert(number, Speaker { stream, only_reads: false, owed: 0 });
            let opened = &opened[number];
            replay.say(number, &[opening(opened, database)?], 1).await?;
            for setting in &opened.settings {
                replay.say(number, std::slice::from_ref(setting), 1).await?;
            }
            let prepared = |name: &[u8]| {
                let mut messages = flights.iter().flat_map(|flight| &flight.messages);
                messages.any(|message| message.prepares() == Some(name))
            };
            let named =
                opened.statements.iter().filter(|(name, _)| !name.is_empty() && !prepared(name.as_slice()));
            for statement in named.map(|(_, statement)| statement) {
                let sync = Message { kind: Message::SYNC, body: Vec::new() };
                replay.say(number, &[statement.clone(), sync], 1).await?;
            }
        }
        replay.flights = flights;
        Ok(replay)
    }

    /// Does to the database what one request did, and waits for every answer in the places where the server did.
    pub(crate) async fn once(&mut self) -> anyhow::Result<()> {
        let mut ids = HashMap::new();
        for changing in self.changing.values_mut() {
            match changing {
                Changing::Id(id) => {
                    ids.entry(*id).or_insert_with(|| uuid::Uuid::now_v7().into_bytes());
                }
                Changing::Counter(value, step) => *value += *step,
            }
        }
        for number in 0..self.flights.len() {
            let mut flight = self.flights[number].clone();
            for ((_, message, parameter), changing) in
                self.changing.iter().filter(|((flight, ..), _)| *flight == number)
            {
                let body = &mut flight.messages[*message].body;
                let range = parameters(body)?.swap_remove(*parameter);
                match changing {
                    Changing::Id(id) => body[range].copy_from_slice(&ids[id]),
                    Changing::Counter(value, _) => body[range].copy_from_slice(&value.to_be_bytes()),
                }
            }
            let answers = flight.answers();
            self.say(flight.connection, &flight.messages, answers).await?;
        }
        Ok(())
    }

    /// How many statements run: what begins and ends transactions counts, too.
    pub(crate) fn statements(&self) -> usize {
        let runs = |message: &&Message| matches!(message.kind, Message::BIND | Message::QUERY);
        self.flights.iter().flat_map(|flight| &flight.messages).filter(runs).count()
    }

    async fn say(&mut self, connection: usize, messages: &[Message], answers: usize) -> anyhow::Result<()> {
        let speaker = self.connections.get_mut(&connection).context("a connection that was not opened")?;
        let owed = std::mem::take(&mut speaker.owed);
        speaker.hear(owed).await?;
        let mut bytes = Vec::new();
        for message in messages {
            message.write(&mut bytes)?;
        }
        speaker.stream.get_mut().write_all(&bytes).await?;
        let said = |word: &[u8]| messages.iter().any(|message| message.body.starts_with(word));
        speaker.only_reads |= said(b"BEGIN READ ONLY");
        if speaker.only_reads && said(b"COMMIT") {
            (speaker.only_reads, speaker.owed) = (false, answers);
            return Ok(());
        }
        speaker.hear(answers).await
    }
}

impl Speaker {
    /// Waits for so many answers.
    async fn hear(&mut self, answers: usize) -> anyhow::Result<()> {
        let mut ready = 0;
        while ready < answers {
            let message = Message::read(&mut self.stream, false).await?.context("Postgres is gone")?;
            match message.kind {
                Message::READY => ready += 1,
                Message::ERROR => bail!("Postgres refuses: {}", String::from_utf8_lossy(&message.body)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// How the server opened its connection, but to another database.
fn opening(opened: &Connection, database: &str) -> anyhow::Result<Message> {
    let opening = opened.opening.as_ref().context("a connection that never began")?;
    let version = opening.body.get(..4).context("an opening without a version")?;
    let mut body = version.to_vec();
    let mut words = opening.body[4..].split(|byte| *byte == 0);
    while let (Some(name @ [_, ..]), Some(value)) = (words.next(), words.next()) {
        let value = if name == b"database" { database.as_bytes() } else { value };
        body.extend(name);
        body.push(0);
        body.extend(value);
        body.push(0);
    }
    body.push(0);
    Ok(Message { kind: 0, body })
}

fn changing(before: &[Flight], flights: &[Flight]) -> anyhow::Result<HashMap<Place, Changing>> {
    ensure!(before.len() == flights.len(), "two requests of one kind had not as many round trips");
    let mut changing = HashMap::new();
    for (number, (one, other)) in before.iter().zip(flights).enumerate() {
        ensure!(one.messages.len() == other.messages.len(), "two requests of one kind said not as much");
        for (position, (one, other)) in one.messages.iter().zip(&other.messages).enumerate() {
            ensure!(one.kind == other.kind, "two requests of one kind said something else");
            if one.kind != Message::BIND {
                continue;
            }
            let pairs = parameters(&one.body)?.into_iter().zip(parameters(&other.body)?);
            for (parameter, (earlier, later)) in pairs.enumerate() {
                let (earlier, later) = (&one.body[earlier], &other.body[later]);
                if let Some(how) = how(earlier, later) {
                    changing.insert((number, position, parameter), how);
                }
            }
        }
    }
    Ok(changing)
}

/// Whether a value has to change with each request, and how. Times and digests may stay as they are.
fn how(earlier: &[u8], later: &[u8]) -> Option<Changing> {
    if earlier == later {
        return None;
    }
    if let Ok(id) = <[u8; 16]>::try_from(later) {
        return Some(Changing::Id(id));
    }
    let (earlier, later) =
        (i64::from_be_bytes(earlier.try_into().ok()?), i64::from_be_bytes(later.try_into().ok()?));
    let step = later.checked_sub(earlier)?;
    // A time is in microseconds, and no two requests are that near.
    (1..10).contains(&step).then_some(Changing::Counter(later, step))
}

/// Where the parameters of a Bind are in it; one that is NULL is empty.
fn parameters(body: &[u8]) -> anyhow::Result<Vec<std::ops::Range<usize>>> {
    let word = |at: usize| -> anyhow::Result<usize> {
        let bytes = body.get(at..at + 2).context("a Bind that ends early")?;
        Ok(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    };
    let mut ends = body.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1);
    let mut at = ends.nth(1).context("a Bind without names")?;
    at += 2 + 2 * word(at)?;
    let count = word(at)?;
    at += 2;
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        let bytes = body.get(at..at + 4).context("a Bind that ends early")?;
        let length = i32::from_be_bytes(bytes.try_into()?);
        at += 4;
        let length = usize::try_from(length).unwrap_or(0);
        ensure!(at + length <= body.len(), "a Bind that ends early");
        found.push(at..at + length);
        at += length;
    }
    Ok(found)
}
