//! sshd's bytes in a WebSocket, for whoever was let in. What is said in SSH is between the client and the workspace's sshd.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_proxy_core::Carried;
use berth_tunnel::{Role, carry};
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use tokio::net::TcpStream;

use crate::body::{Body, full};
use crate::pages::say;
use crate::streams::Stream;
use crate::upgrade::Kind;

const CONNECT: Duration = Duration::from_secs(5);
/// What RFC 6455 has both sides put behind the key, to show that they speak of a WebSocket.
const PROTOCOL: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Agrees to a WebSocket, and carries what goes through it to one of these addresses until either end is done or it is no longer
/// allowed.
pub(crate) async fn open(
    mut request: Request<Incoming>,
    places: &[SocketAddr],
    stream: Stream,
) -> Response<Body> {
    let kind = Kind::of(&request);
    let headers = request.headers();
    let is_version = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let accept = match (kind, accept(headers)) {
        (Kind::Http1, Some(accept)) if is_version => Some(accept),
        (Kind::Http2, _) if is_version => None,
        _ => {
            return say(
                StatusCode::BAD_REQUEST,
                "SSH is carried here in a WebSocket, and in nothing else.\n",
            );
        }
    };
    let Some(place) = places.first() else {
        return say(StatusCode::SERVICE_UNAVAILABLE, "The workspace does not run, or is not ready yet.\n");
    };
    let Ok(Ok(sshd)) = tokio::time::timeout(CONNECT, TcpStream::connect(place)).await else {
        return say(StatusCode::BAD_GATEWAY, "No sshd answers in the workspace.\n");
    };
    // What is typed is sent at once.
    let _ = sshd.set_nodelay(true);
    let browser = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let cut = stream.cut().clone();
        let carried = cut.run_until_cancelled(async {
            let (reader, writer) = sshd.into_split();
            let meter = stream.connection(Carried::Tunnel);
            let (reader, writer) = (meter.reads(reader), meter.writes(writer));
            match browser.await {
                Ok(client) => {
                    if let Err(error) = carry(TokioIo::new(client), Role::Server, reader, writer).await {
                        tracing::debug!(%error, "a tunnel broke");
                    }
                }
                Err(error) => tracing::debug!(%error, "an upgrade was agreed on and did not come"),
            }
        });
        carried.await;
        drop(stream);
    });
    let mut response = Response::new(full(""));
    if let Some(accept) = accept {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// What answers a client's key (RFC 6455, 4.2.2).
fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return None };
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(PROTOCOL);
    HeaderValue::from_str(&STANDARD.encode(hash.finish())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_answered_as_the_standard_has_it() {
        let mut headers = HeaderMap::new();
        assert_eq!(accept(&headers), None);
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(accept(&headers).expect("an answer"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        headers.append(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(accept(&headers), None, "two keys");
    }
}
