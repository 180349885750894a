//! A stream of events, as the server sends them (`text/event-stream`): bounded in size, given up when it falls silent.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The largest event. A workspace is a few kilobytes.
const MAX_EVENT: usize = 1024 * 1024;
/// The server says something at least every 5 seconds; others in between may be slower.
const SILENCE: Duration = Duration::from_secs(45);

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Where to go on when the stream breaks.
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    data: String,
}

impl Event {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.data).ok()
    }
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Events {
    response: Response,
    doing: String,
    url: String,
    buffer: BytesMut,
}

impl Events {
    pub(super) fn new(response: Response, doing: String, url: String) -> Self {
        Self { response, doing, url, buffer: BytesMut::new() }
    }

    /// The next event; `None` when the server ended the stream. May be given up and called again.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            while let Some(block) = self.block() {
                let event = parse(&block);
                if !event.name.is_empty() {
                    return Ok(Some(event));
                }
            }
            if self.buffer.len() > MAX_EVENT {
                let limit_mib = MAX_EVENT / 1024 / 1024;
                return Err(Error::AnswerTooLarge {
                    doing: self.doing.clone(),
                    url: self.url.clone(),
                    limit_mib,
                });
            }
            let silent = || Error::Other(format!("{} has fallen silent", self.url));
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await.map_err(|_| silent())?;
            let chunk = chunk.map_err(|source| Error::Unreachable {
                doing: self.doing.clone(),
                url: self.url.clone(),
                source,
            })?;
            match chunk {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// What stands before the first empty line.
    fn block(&mut self) -> Option<String> {
        let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
        let block = self.buffer.split_to(end + 2);
        Some(String::from_utf8_lossy(&block).into_owned())
    }
}

/// Comments and unknown fields are passed over.
fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut event.name),
            "data" => {
                if !event.data.is_empty() {
                    event.data.push('\n');
                }
                event.data.push_str(value);
            }
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_field_by_field() {
        let event = parse("id: 7\nevent: workspace\ndata: {\"a\":\ndata: 1}\nodd\n: a comment\n\n");
        assert_eq!((event.id.as_deref(), event.name.as_str()), (Some("7"), "workspace"));
        assert_eq!(event.json::<serde_json::Value>(), Some(serde_json::json!({"a": 1})));
    }

    #[test]
    fn a_comment_is_no_event() {
        assert_eq!(parse(":\n\n"), Event::default());
        assert_eq!(parse("retry: 1000\n\n"), Event::default());
    }
}
