//! Reads an answer: JSON where it went well, a problem where it did not, and words of our own for anything else.

use berth_schema::{Problem, TokenUrl};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The largest body that is read, decompressed.
const LIMIT_MIB: usize = 10;

pub(super) async fn read<T: DeserializeOwned>(
    response: Response,
    doing: &str,
    server: &TokenUrl,
    unreachable: impl Fn(reqwest::Error) -> Error,
) -> Result<T, Error> {
    let status = response.status();
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/problem+json"));
    let too_large =
        || Error::AnswerTooLarge { doing: doing.to_owned(), url: server.to_string(), limit_mib: LIMIT_MIB };
    let body =
        read_bounded(response, LIMIT_MIB * 1024 * 1024).await.map_err(unreachable)?.ok_or_else(too_large)?;
    let foreign = |source| Error::Foreign {
        doing: doing.to_owned(),
        url: server.to_string(),
        status: status.as_u16(),
        source,
    };
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| foreign(Some(error)));
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if is_problem => {
            let problem = Box::new(Problem { status: status.as_u16(), ..problem });
            Err(Error::Refused { doing: doing.to_owned(), problem })
        }
        _ => Err(foreign(None)),
    }
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
