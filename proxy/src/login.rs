//! Leading a browser through the server's sign-in and back.

use berth_proxy_core::{Address, CALLBACK, Login, Place, Session, begin, finish, keeps_of};
use berth_schema::connection::{Credential, Decision, OpenConnection, Why};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use url::Url;

use crate::authorise::without_answer;
use crate::body::Body;
use crate::pages::{broken, lead, no_answer, not_open, nowhere, say};
use crate::server::ServerError;
use crate::shared::Shared;

/// What a browser keeps of a host beside cookies, service workers included (W3C Clear Site Data).
static CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
static FORGET: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");

/// What the server has the browser bring.
#[derive(Debug, Default)]
struct Brought {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
}

impl Brought {
    /// Each at most once: a second one is somebody else's.
    fn of(uri: &Uri) -> Option<Self> {
        let mut brought = Self::default();
        let query = uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "code" => &mut brought.code,
                "state" => &mut brought.state,
                "iss" => &mut brought.iss,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(brought)
    }
}

fn again() -> Response<Body> {
    let text = "This sign-in was not begun in this browser, or took too long. Open the address of the workspace anew.\n";
    say(StatusCode::BAD_REQUEST, text)
}

impl Shared {
    /// Sends the browser to the server, which sends it back to [`Self::callback`].
    pub(crate) fn sign_in(&self, address: &Address, uri: &Uri) -> Response<Body> {
        let wanted = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let Ok(entropy) = self.random() else { return broken() };
        let Ok(begun) = begin(&self.sealer, address, wanted, &entropy, Self::now()) else { return broken() };
        let query = [
            ("response_type", "code"),
            ("client_id", self.identity.client_id.as_str()),
            ("redirect_uri", &redirect_uri(address)),
            ("code_challenge", &begun.challenge),
            ("code_challenge_method", "S256"),
            ("state", &begun.state),
        ];
        let authorize = format!("{}/oauth/authorize", self.public_origin);
        match Url::parse_with_params(&authorize, query) {
            Ok(url) => lead(url.as_str(), [begun.cookie]),
            Err(_) => broken(),
        }
    }

    /// The browser is back, and brings a code.
    pub(crate) async fn callback(
        &self,
        address: &Address,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
    ) -> Response<Body> {
        if *method != Method::GET {
            return say(StatusCode::METHOD_NOT_ALLOWED, "Only GET.\n");
        }
        let Some(Brought { code, state: Some(state), iss }) = Brought::of(uri) else { return again() };
        let (login, gone) = match finish(&self.sealer, address, headers, &state, Self::now()) {
            Ok(finished) => finished,
            Err(refused) => {
                tracing::info!(host = address.host, reason = %refused, "a sign-in is refused");
                return again();
            }
        };
        // RFC 9207: it is our server that answers, not another one that the browser was led to.
        let (Some(code), true) = (code, iss.as_deref() == Some(self.public_origin.as_str())) else {
            return again();
        };
        let mut response = self.exchange((address, headers), login, code).await;
        response.headers_mut().append(http::header::SET_COOKIE, gone);
        response
    }

    async fn exchange(
        &self,
        (address, headers): (&Address, &HeaderMap),
        login: Login,
        code: String,
    ) -> Response<Body> {
        let place = self.directory().find(address);
        let Place::Workspace(workspace, _) = place else { return nowhere() };
        let opening = OpenConnection {
            code: Credential::from(code),
            redirect_uri: redirect_uri(address),
            code_verifier: login.verifier,
            workspace,
            name: address.workspace.clone(),
            port: address.port,
        };
        let opened = match self.server.open(&opening).await {
            Ok(opened) => opened,
            Err(ServerError::Code) => return again(),
            Err(error) => {
                without_answer(&error);
                return no_answer();
            }
        };
        match (opened.decision, opened.grant, opened.grant_until) {
            (Decision::Allowed { .. }, Some(grant), Some(until)) => {
                tracing::info!(%workspace, port = address.port, "somebody is let in");
                self.metrics.decided("allowed");
                let session = Session::new(grant, workspace, until, Self::now());
                let Some(cookie) = self.keep(&session, address) else { return broken() };
                let Ok(nonce) = self.nonce() else { return broken() };
                let kept = keeps_of(&self.sealer, (address, headers), workspace, nonce);
                let Ok((is_its, last)) = kept else { return broken() };
                let mut response = lead(&format!("{}{}", address.origin(), login.wanted), [cookie, last]);
                if !is_its {
                    response.headers_mut().insert(&CLEAR_SITE_DATA, FORGET.clone());
                }
                response
            }
            (Decision::Denied { why: Why::Session }, ..) => again(),
            (Decision::Denied { why }, ..) => {
                tracing::info!(%workspace, port = address.port, why = why.as_str(), "somebody is not let in");
                self.metrics.decided(why.as_str());
                if why == Why::Port { not_open(address) } else { nowhere() }
            }
            _ => broken(),
        }
    }

    /// The cookie that keeps a session, sealed now.
    pub(crate) fn keep(&self, session: &Session, address: &Address) -> Option<HeaderValue> {
        session.cookie(&self.sealer, address, self.nonce().ok()?, Self::now()).ok()
    }
}

fn redirect_uri(address: &Address) -> String {
    format!("{}{CALLBACK}", address.origin())
}
