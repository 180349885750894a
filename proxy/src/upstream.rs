//! The way to a workspace's pod and back.

mod connections;

pub(crate) use connections::{Connections, NoAnswer};

use std::net::SocketAddr;
use std::time::Duration;

use berth_proxy_core::{Asked, to_browser, to_workspace};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::body::{Body, guarded, passed};
use crate::pages::{broken, say};
use crate::streams::Stream;
use crate::upgrade::{Kind, ask, join};

/// How long a workspace may take until its answer begins.
const PATIENCE: Duration = Duration::from_secs(300);

/// Hands a request on to one of the pod's addresses and its answer back. Bodies pass as they come, both ways.
pub(crate) async fn forward(
    mut request: Request<Incoming>,
    kind: Kind,
    (asked, places): (Asked<'_>, &[SocketAddr]),
    connections: &Connections,
    stream: Stream,
) -> Response<Body> {
    if kind == Kind::Other {
        return say(StatusCode::METHOD_NOT_ALLOWED, "This is no tunnel.\n");
    }
    let Some(place) = places.first() else {
        return say(StatusCode::SERVICE_UNAVAILABLE, "The workspace does not run, or is not ready yet.\n");
    };
    let browser = hyper::upgrade::on(&mut request);
    if prepare(&mut request, kind, asked).is_none() {
        return broken();
    }
    let key = (*stream.question(), *place);
    let request = request.map(|body| passed(body, stream.request()));
    let answer = tokio::time::timeout(PATIENCE, connections.send(key, stream.cut(), request));
    match stream.cut().run_until_cancelled(answer).await {
        Some(Ok(Ok(mut response))) => {
            let is_agreed = kind != Kind::None && response.status() == StatusCode::SWITCHING_PROTOCOLS;
            to_browser(response.headers_mut());
            if is_agreed {
                return join((kind, browser), response, stream);
            }
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return say(StatusCode::BAD_GATEWAY, "The workspace speaks what nobody asked for.\n");
            }
            let (mut head, body) = response.into_parts();
            head.version = Version::default();
            let is_endless = is_endless(&head.headers);
            Response::from_parts(head, guarded(body, stream, is_endless))
        }
        Some(Ok(Err(NoAnswer::Nobody))) => {
            say(StatusCode::BAD_GATEWAY, "Nothing answers at this port of the workspace.\n")
        }
        Some(Ok(Err(NoAnswer::Unreadable(error)))) => {
            tracing::debug!(%error, %place, "a workspace's answer is none");
            say(StatusCode::BAD_GATEWAY, "The workspace gave no answer that can be read.\n")
        }
        Some(Err(_)) => say(StatusCode::GATEWAY_TIMEOUT, "The workspace did not answer in time.\n"),
        None => say(StatusCode::UNAUTHORIZED, "Nobody is signed in here any more.\n"),
    }
}

/// The request as the workspace gets it. `None`: the system has no random numbers.
fn prepare(request: &mut Request<Incoming>, kind: Kind, asked: Asked<'_>) -> Option<()> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    *request.version_mut() = Version::HTTP_11;
    to_workspace(request.headers_mut(), asked);
    if kind != Kind::None {
        let mut random = [0; 16];
        SystemRandom::new().fill(&mut random).ok()?;
        ask(request, kind, random);
    }
    Some(())
}

/// Whether an answer is one of events, which whoever listens asks for again when it is over.
fn is_endless(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let name = kind.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("text/event-stream") && !headers.contains_key(CONTENT_LENGTH)
}

#[cfg(test)]
mod tests;
