//! One request, from the door to the workspace.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use berth_proxy_core::{Address, Asked, CALLBACK, Navigation, ONWARD, Place, Session, Site, Visit};
use berth_schema::WorkspaceId;
use berth_schema::connected::ConnectionKind;
use berth_schema::connection::Why;
use berth_schema::logs::LOGS_PATH;
use berth_schema::ports::PublicPort;
use http::header::{HOST, HeaderName, SET_COOKIE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::authorise::Verdict;
use crate::body::Body;
use crate::held::Held;
use crate::pages::{crowded, no_answer, not_open, nowhere, say};
use crate::server::Target;
use crate::shared::Shared;
use crate::streams::Stream;
use crate::upgrade;

/// What browsers say when they ask for the script of a service worker, and no page can take away (Service Workers, 3.2.6).
static SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");

/// Paths that are ours at every host.
pub(crate) const OWN_PATHS: &str = "/.berth/";

/// Where a request comes in.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) held: Arc<Held>,
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
        if uri.path() == LOGS_PATH && *method == Method::GET {
            return self.show_logs(&address, (uri, headers)).await;
        }
        if uri.path().starts_with(OWN_PATHS) {
            return nowhere();
        }
        let kind = upgrade::Kind::of(&request);
        let site = Site::of(method, headers, kind != upgrade::Kind::None, &address);
        let session = Session::read(&shared.sealer, &address, headers, Shared::now());
        let session = session.filter(|_| site == Site::Own);
        let found = self.find(&address, session.is_some());
        // Who was let in is a stranger at another workspace that has the name now.
        let session = session
            .filter(|session| found.as_ref().is_none_or(|(workspace, _)| *workspace == session.workspace));
        // Without a session there is nothing that another site's page could use; its own pages alone send forms, all the same.
        let is_for_all = found.as_ref().is_some_and(|(workspace, _)| {
            shared.decisions().is_public(PublicPort { workspace: *workspace, port: address.port })
        }) && Site::of_program(headers, &address) == Site::Own;
        if site == Site::Other && !is_for_all {
            return say(StatusCode::FORBIDDEN, "Another site's page asked for this.\n");
        }
        let navigation = Navigation::of(method, headers);
        let sign_in = || match navigation {
            Navigation::Page => shared.sign_in(&address, uri),
            Navigation::Part => {
                say(StatusCode::UNAUTHORIZED, "Nobody is signed in here; load the page anew.\n")
            }
        };
        let (workspace, places) = match found {
            Some(found) => found,
            None if session.is_some() => return nowhere(),
            None => return sign_in(),
        };
        let port = Target { workspace, name: address.workspace.clone(), port: address.port };
        let stream = match self.admit(session.as_ref(), is_for_all, &port).await {
            Ok(stream) => stream.by(&self.held),
            Err(Verdict::Denied(Why::Session)) => return sign_in(),
            Err(Verdict::Denied(Why::Port)) => return not_open(&address),
            Err(Verdict::Allowed | Verdict::Denied(_)) => return nowhere(),
            Err(Verdict::NoAnswer) => return no_answer(),
            Err(Verdict::Full) => return crowded(),
        };
        if navigation == Navigation::Page {
            stream.happens();
        }
        // Whose it is can start it there.
        let is_theirs = stream.is_somebodys() && !shared.decisions().is_by_share(stream.question());
        // It would answer in its visitor's browser for ever, whose host it may be by then.
        if !is_theirs && headers.contains_key(&SERVICE_WORKER) {
            return say(StatusCode::FORBIDDEN, "Only whose workspace it is keeps a service worker of it.\n");
        }
        if places.is_empty() && navigation == Navigation::Page && is_theirs {
            return shared.wait(&address, workspace, uri);
        }
        let session = session.filter(|_| stream.is_somebodys());
        let asked = Asked { address: &address, peer: self.peer, issuer: &shared.identity.issuer };
        let way = (asked, places.as_slice());
        let mut response = crate::upstream::forward(request, kind, way, &shared.connections, stream).await;
        let session = session.filter(|session| session.is_due(Shared::now()));
        let is_due = response.status() != StatusCode::SWITCHING_PROTOCOLS;
        let cookie = session.filter(|_| is_due).and_then(|session| shared.keep(&session, &address));
        if let Some(cookie) = cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }

    /// Where a host leads. Whoever has not signed in fills no log.
    fn find(&self, address: &Address, is_somebody: bool) -> Option<(WorkspaceId, Vec<SocketAddr>)> {
        match self.shared.directory().find(address) {
            Place::Workspace(workspace, places) => return Some((workspace, places)),
            Place::Ambiguous if is_somebody => {
                tracing::error!(host = address.host, "two workspaces claim this host: none is served");
            }
            Place::Ambiguous | Place::Nowhere => {}
        }
        None
    }

    /// Lets in whoever has signed in and may; where that is nobody and the port is public, whoever it is.
    async fn admit(
        &self,
        session: Option<&Session>,
        is_for_all: bool,
        port: &Target,
    ) -> Result<Stream, Verdict> {
        let visit = |kind| Visit { kind, address: self.peer };
        let refused = match session {
            Some(session) => {
                match self.shared.admit(Some(&session.grant), port, visit(ConnectionKind::Browser)).await {
                    Err(Verdict::Denied(why)) => Verdict::Denied(why),
                    decided => return decided,
                }
            }
            None => Verdict::Denied(Why::Session),
        };
        if !is_for_all {
            return Err(refused);
        }
        match self.shared.admit(None, port, visit(ConnectionKind::Public)).await {
            Err(Verdict::Denied(_)) => Err(refused),
            decided => decided,
        }
    }
}

#[cfg(test)]
mod tests;
