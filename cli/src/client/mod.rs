//! HTTP to the server: bounded in time and size, no redirects, retried where that is safe.

mod agents;
mod answer;
mod api;
mod audit;
mod authority;
mod bearer;
mod connected;
mod connections;
pub(crate) mod elevations;
mod events;
mod http;
mod identity_providers;
mod idle;
mod keeper;
mod logs;
mod members;
mod policy;
mod ports;
mod settings;
mod ssh_keys;
mod tokens;
mod tree;

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use berth_schema::TokenUrl;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

pub(crate) use api::{Listing, Organization, WorkspaceFilter};
pub(crate) use audit::AuditFilter;
pub(crate) use authority::{Authority, CLIENT_ID, DeviceAuthorization, Issuer};
pub(crate) use bearer::Bearer;
pub(crate) use connections::tunnel;
pub(crate) use events::Events;
pub(crate) use idle::Idle;
pub(crate) use keeper::{Keeper, Place};
pub(crate) use logs::read_logs;
pub(crate) use settings::Whose;
pub(crate) use tree::At;

use crate::error::Error;
use crate::terminal::Talk;
use crate::token::Token;
use http::REQUEST_TIMEOUT;

/// No stream of events is followed for longer; it is opened again then.
const STREAM_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// The pauses before the second and the third attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// Speaks to one server as one bearer.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: TokenUrl,
    bearer: Bearer,
    talk: Talk,
}

/// When a failed attempt may be followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// Always: it changes nothing, or carries an Idempotency-Key.
    Safe,
    /// Only where no connection was made, so that the server cannot have acted.
    WhenUnsent,
}

/// One request.
#[derive(Debug)]
struct Call {
    /// Completes "cannot …".
    doing: String,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
    repeat: Repeat,
}

impl Client {
    pub(crate) fn new(
        server: TokenUrl,
        bearer: Bearer,
        ca_file: Option<&Path>,
        talk: Talk,
    ) -> Result<Self, Error> {
        Ok(Self { http: http::http(&server, ca_file)?, server, bearer, talk })
    }

    /// Sends, again where that is safe, and reads the answer.
    async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let mut pauses = PAUSES.iter();
        loop {
            let error = match interruptible(self.attempt(&call)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match (call.repeat, &error) {
                (Repeat::WhenUnsent, Error::Unreachable { source, .. }) => source.is_connect(),
                (Repeat::WhenUnsent, _) => false,
                (Repeat::Safe, error) => error.passes_by_itself(),
            };
            let Some(pause) = pauses.next().filter(|_| again) else {
                return Err(error);
            };
            self.talk.trace(&format!("{error}; trying again in {} ms", pause.as_millis()));
            interruptible(async {
                tokio::time::sleep(*pause).await;
                Ok(())
            })
            .await?;
        }
    }

    /// Opens a stream of events, tried once: whoever follows it has to cope with its end anyway.
    async fn open(&self, call: Call) -> Result<Events, Error> {
        let unreachable =
            |source| Error::Unreachable { doing: call.doing.clone(), url: self.server.to_string(), source };
        // Until the head of the answer it may take as long as any other request.
        let response = self.dispatch(&call, |request| request.timeout(STREAM_TIMEOUT));
        let response = tokio::time::timeout(REQUEST_TIMEOUT, response).await;
        let silent = |_| Error::Other(format!("cannot {}: {} does not answer", call.doing, self.server));
        let response = response.map_err(silent)??;
        self.talk.trace(&format!("{} {} {}", call.method, call.url, response.status().as_u16()));
        let is_stream = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/event-stream"));
        if response.status().is_success() && is_stream {
            return Ok(Events::new(response, call.doing, self.server.to_string()));
        }
        let status = response.status().as_u16();
        // A problem becomes its error; anything else that is no stream is none of Berth's answers.
        answer::read::<serde_json::Value>(response, &call.doing, &self.server, unreachable).await?;
        Err(Error::Foreign { doing: call.doing, url: self.server.to_string(), status, source: None })
    }

    async fn attempt<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let started = Instant::now();
        let unreachable =
            |source| Error::Unreachable { doing: call.doing.clone(), url: self.server.to_string(), source };
        let response = self.dispatch(call, |request| request).await?;
        let status = response.status();
        self.talk.trace(&format!(
            "{} {} {} in {} ms",
            call.method,
            call.url,
            status.as_u16(),
            started.elapsed().as_millis()
        ));
        answer::read(response, &call.doing, &self.server, unreachable).await
    }

    /// Sends once, or once more with another access token where the server refuses a login's: then it has done nothing yet.
    async fn dispatch(
        &self,
        call: &Call,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Error> {
        let unreachable =
            |source| Error::Unreachable { doing: call.doing.clone(), url: self.server.to_string(), source };
        let token = self.bearer.token().await?;
        let response = with(self.request(call, &token)?).send().await.map_err(unreachable)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let Some(token) = self.bearer.instead_of(&token).await? else {
            return Ok(response);
        };
        self.talk.trace(&format!("{} {} 401; the login is refreshed", call.method, call.url));
        with(self.request(call, &token)?).send().await.map_err(unreachable)
    }

    fn request(&self, call: &Call, token: &Token) -> Result<RequestBuilder, Error> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| Error::usage("the token holds characters that no token has"))?;
        authorization.set_sensitive(true);
        let request = self.http.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
        let request = request.header(AUTHORIZATION, authorization);
        Ok(match &call.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
            None => request,
        })
    }
}

impl Call {
    fn get(doing: impl Into<String>, url: Url) -> Self {
        Self {
            doing: doing.into(),
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: None,
            repeat: Repeat::Safe,
        }
    }

    /// Repeated, it does the same again.
    fn put(doing: impl Into<String>, url: Url) -> Self {
        Self { method: Method::PUT, ..Self::get(doing, url) }
    }

    fn post(doing: impl Into<String>, url: Url) -> Self {
        Self { method: Method::POST, repeat: Repeat::WhenUnsent, ..Self::get(doing, url) }
    }

    /// It says how something is to be: repeated, it does the same again.
    fn patch(doing: impl Into<String>, url: Url) -> Self {
        Self { method: Method::PATCH, ..Self::get(doing, url) }
    }

    fn delete(doing: impl Into<String>, url: Url) -> Self {
        Self { method: Method::DELETE, repeat: Repeat::WhenUnsent, ..Self::get(doing, url) }
    }

    fn body(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let json =
            serde_json::to_vec(body).map_err(|error| Error::Other(format!("cannot write JSON: {error}")))?;
        self.body = Some(json.into());
        Ok(self)
    }

    /// Lets the server recognise a repetition: an answer that got lost is given again, nothing is made twice.
    fn idempotent(mut self) -> Self {
        let key = uuid::Uuid::new_v4().to_string();
        if let Ok(key) = HeaderValue::try_from(key) {
            self.headers.insert(HeaderName::from_static("idempotency-key"), key);
            self.repeat = Repeat::Safe;
        }
        self
    }
}

/// Runs until done or until Ctrl-C.
pub(crate) async fn interruptible<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
    }
}
