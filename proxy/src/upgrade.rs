//! WebSockets: by HTTP/1.1's upgrade (RFC 6455) and by HTTP/2's extended CONNECT (RFC 8441). To a workspace it is always the first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_proxy_core::{Carried, GOING_AWAY};
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};

use crate::body::{Body, full};
use crate::streams::Stream;

mod followed;

use followed::Followed;

const WEBSOCKET: &str = "websocket";

/// Whether a request asks for another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    /// `Upgrade: websocket`
    Http1,
    /// `CONNECT` with `:protocol: websocket`
    Http2,
    /// What is not served: a tunnel, or another protocol by CONNECT.
    Other,
}

impl Kind {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        if *request.method() == Method::CONNECT {
            let protocol = request.extensions().get::<Protocol>();
            let is_websocket = protocol.is_some_and(|protocol| protocol.as_str() == WEBSOCKET);
            return if is_websocket && request.version() == Version::HTTP_2 {
                Self::Http2
            } else {
                Self::Other
            };
        }
        let mut asked = request.headers().get_all(UPGRADE).iter();
        let is_websocket = asked.any(|value| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()));
        // Whoever does not know a protocol goes on without it (RFC 9110, 7.8).
        let is_whole =
            is_websocket && *request.method() == Method::GET && request.version() == Version::HTTP_11;
        if is_whole { Self::Http1 } else { Self::None }
    }
}

/// Names the upgrade again to the workspace. `random` is for the key that HTTP/2 has none of.
pub(crate) fn ask<B>(request: &mut Request<B>, kind: Kind, random: [u8; 16]) {
    if kind == Kind::Http2 {
        *request.method_mut() = Method::GET;
        if let Ok(key) = HeaderValue::from_str(&STANDARD.encode(random)) {
            request.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
        }
    }
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

/// The workspace has agreed: from now on bytes are bytes, until one of both ends it or it is no longer allowed.
pub(crate) fn join(
    (kind, browser): (Kind, OnUpgrade),
    mut response: Response<Incoming>,
    stream: Stream,
) -> Response<Body> {
    let workspace = hyper::upgrade::on(&mut response);
    let (mut head, _) = response.into_parts();
    if kind == Kind::Http2 {
        head.status = StatusCode::OK;
        head.headers.remove(SEC_WEBSOCKET_ACCEPT);
    } else {
        head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
    }
    head.version = Version::default();
    tokio::spawn(async move {
        let (cut, stop) = (stream.cut().clone(), stream.stop());
        let copied = cut.run_until_cancelled(async {
            let (browser, workspace) = tokio::try_join!(browser, workspace)?;
            let meter = stream.connection(Carried::WebSocket);
            let mut workspace = meter.reads(meter.writes(TokioIo::new(workspace)));
            let (mut browser, mut between) = Followed::new(TokioIo::new(browser));
            let is_over = async {
                stop.cancelled().await;
                // Whoever follows lives as long as what is copied.
                let _ = between.wait_for(|is_between| *is_between).await;
            };
            // That one of both went away is how such connections end.
            let is_stopped = tokio::select! {
                _ = copy_bidirectional(&mut browser, &mut workspace) => false,
                () = is_over => true,
            };
            // A page that is told so comes again, to another proxy.
            if is_stopped && browser.write_all(&GOING_AWAY).await.is_ok() {
                let _ = browser.shutdown().await;
            }
            Ok::<_, hyper::Error>(())
        });
        if let Some(Err(error)) = copied.await {
            tracing::debug!(%error, "an upgrade was agreed on and did not come");
        }
        drop(stream);
    });
    Response::from_parts(head, full(""))
}
