//! Reads an answer: JSON where it went well, a problem where it did not, and words of our own for anything else.

use berth_schema::{Problem, TokenUrl};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::Error;

/// The largest body that is read, decompressed.
const LIMIT_MIB: usize = 10;

/// An answer whose body is here.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    is_problem: bool,
    /// It may hold a token.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    pub(super) async fn read(
        response: Response,
        doing: &str,
        server: &TokenUrl,
        unreachable: impl Fn(reqwest::Error) -> Error,
    ) -> Result<Self, Error> {
        let status = response.status();
        let is_problem = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/problem+json"));
        let too_large = || Error::AnswerTooLarge {
            doing: doing.to_owned(),
            url: server.to_string(),
            limit_mib: LIMIT_MIB,
        };
        let body = read_bounded(response, LIMIT_MIB * 1024 * 1024).await.map_err(unreachable)?;
        Ok(Self { status, is_problem, body: Zeroizing::new(body.ok_or_else(too_large)?) })
    }

    /// What it is where it did not go well.
    pub(super) fn refusal(&self, doing: &str, server: &TokenUrl) -> Error {
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) if self.is_problem => {
                let problem = Box::new(Problem { status: self.status.as_u16(), ..problem });
                Error::Refused { doing: doing.to_owned(), problem }
            }
            _ => self.foreign(doing, server, None),
        }
    }

    pub(super) fn foreign(&self, doing: &str, server: &TokenUrl, source: Option<serde_json::Error>) -> Error {
        Error::Foreign {
            doing: doing.to_owned(),
            url: server.to_string(),
            status: self.status.as_u16(),
            source,
        }
    }
}

pub(super) async fn read<T: DeserializeOwned>(
    response: Response,
    doing: &str,
    server: &TokenUrl,
    unreachable: impl Fn(reqwest::Error) -> Error,
) -> Result<T, Error> {
    let answer = Answer::read(response, doing, server, unreachable).await?;
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body)
            .map_err(|error| answer.foreign(doing, server, Some(error)));
    }
    Err(answer.refusal(doing, server))
}

/// `None`: there is more than `limit` bytes.
async fn read_bounded(mut response: Response, limit: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
