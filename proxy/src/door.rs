//! One request, from the door to the workspace.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use berth_proxy_core::{Address, Asked, CALLBACK, Navigation, ONWARD, Place, Session, Site};
use berth_schema::connection::Why;
use http::header::{HOST, SET_COOKIE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::authorise::{Verdict, question};
use crate::body::Body;
use crate::pages::{no_answer, nowhere, say};
use crate::server::Target;
use crate::shared::Shared;
use crate::upgrade;

/// Paths that are ours at every host.
pub(crate) const OWN_PATHS: &str = "/.berth/";

/// Where a request comes in.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) peer: IpAddr,
    /// The name that the browser asked for in the TLS handshake.
    pub(crate) name: Option<Arc<str>>,
}

impl Door {
    /// Answers, and says so in the log: without the path, which may hold a secret.
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let (begin, method, version) = (Instant::now(), request.method().clone(), request.version());
        let response = match self.address(&request) {
            Ok(address) => {
                let host = address.host.clone();
                let response = self.at(address, request).await;
                let status = response.status().as_u16();
                let ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(%host, %method, ?version, status, ms, peer = %self.peer, "answered");
                response
            }
            Err(response) => *response,
        };
        self.shared.metrics.answered(response.status());
        response
    }

    /// Which host is asked: in one way, and the one that the connection was made for.
    fn address(&self, request: &Request<Incoming>) -> Result<Address, Box<Response<Body>>> {
        let bad = |text| Err(Box::new(say(StatusCode::BAD_REQUEST, text)));
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (hosts.next().map(|host| host.to_str()), hosts.next()) {
            (None, _) => None,
            (Some(Ok(host)), None) => Some(host),
            _ => return bad("The request names its host in no way that can be read.\n"),
        };
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let asked = match (authority, host) {
            (Some(authority), None) => authority,
            (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => authority,
            (None, Some(host)) if request.version() < Version::HTTP_2 => host,
            _ => return bad("The request names no host, or two.\n"),
        };
        let Some(address) = self.shared.zones.parse(asked) else { return Err(Box::new(nowhere())) };
        // A browser that shares a connection among hosts of one certificate asks again on one of its own.
        if self.name.as_deref().is_none_or(|name| !name.eq_ignore_ascii_case(&address.host)) {
            return Err(Box::new(say(
                StatusCode::MISDIRECTED_REQUEST,
                "This connection is another host's.\n",
            )));
        }
        Ok(address)
    }

    async fn at(&self, address: Address, request: Request<Incoming>) -> Response<Body> {
        let shared = &self.shared;
        let request = match self.program(&address, request).await {
            Ok(response) => return response,
            Err(of_a_browser) => of_a_browser,
        };
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        if uri.path() == CALLBACK {
            return shared.callback(&address, (method, uri, headers)).await;
        }
        if uri.path() == ONWARD && *method == Method::GET {
            return shared.onward(&address, uri);
        }
        if uri.path().starts_with(OWN_PATHS) {
            return nowhere();
        }
        let kind = upgrade::Kind::of(&request);
        if Site::of(method, headers, kind != upgrade::Kind::None, &address) == Site::Other {
            return say(StatusCode::FORBIDDEN, "Another site's page asked for this.\n");
        }
        let navigation = Navigation::of(method, headers);
        let sign_in = || match navigation {
            Navigation::Page => shared.sign_in(&address, uri),
            Navigation::Part => {
                say(StatusCode::UNAUTHORIZED, "Nobody is signed in here; load the page anew.\n")
            }
        };
        let Some(session) = Session::read(&shared.sealer, &address, headers, Shared::now()) else {
            return sign_in();
        };
        let place = shared.directory().find(&address);
        let (workspace, places) = match place {
            Place::Workspace(workspace, places) => (workspace, places),
            Place::Nowhere => return nowhere(),
            Place::Ambiguous => {
                tracing::error!(host = address.host, "two workspaces claim this host: none is served");
                return nowhere();
            }
        };
        let port = Target { workspace, name: address.workspace.clone(), port: address.port };
        let question = question(&session.grant, &port);
        // Before it is decided, so that a change meanwhile finds it.
        let stream = shared.streams.enter(question, &session.grant, &port);
        match shared.may(question, &session.grant, &port).await {
            Verdict::Allowed => {}
            Verdict::Denied(Why::Session) => return sign_in(),
            Verdict::Denied(_) => return nowhere(),
            Verdict::NoAnswer => return no_answer(),
        }
        if navigation == Navigation::Page {
            stream.happens();
        }
        if places.is_empty() && navigation == Navigation::Page {
            return shared.wait(&address, workspace, uri);
        }
        let asked = Asked { address: &address, peer: self.peer, issuer: &shared.identity.issuer };
        let way = (asked, places.as_slice());
        let mut response = crate::upstream::forward(request, kind, way, &shared.connections, stream).await;
        let is_due = session.is_due(Shared::now()) && response.status() != StatusCode::SWITCHING_PROTOCOLS;
        if let Some(cookie) = is_due.then(|| shared.keep(&session, &address)).flatten() {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

#[cfg(test)]
mod tests;
