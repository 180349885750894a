//! One request of a program, which shows a token in place of a browser's cookie. See decision 0063.

use berth_proxy_core::{Address, Asked, Place, Question, Shown, Site, Visit, is_worth_asking};
use berth_schema::WorkspaceId;
use berth_schema::connected::ConnectionKind;
use berth_schema::connection::{Credential, TUNNEL_PATH, token_audience};
use berth_schema::kubernetes::SSH_PORT;
use berth_schema::logs::LOGS_PATH;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::authorise::{Begun, TRIES, without_answer};
use crate::body::Body;
use crate::door::{Door, OWN_PATHS};
use crate::pages::{no_answer, nowhere, say};
use crate::server::Target;
use crate::shared::Shared;
use crate::{tunnel, upgrade, upstream};

/// The same whatever is wrong with it: whether there is such a workspace, only its own people are told.
pub(crate) fn refused() -> Response<Body> {
    say(StatusCode::UNAUTHORIZED, "The token opens nothing here, or its time is over: ask for another one.\n")
}

impl Door {
    /// `Err`: it shows no token.
    pub(crate) async fn program(
        &self,
        address: &Address,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Request<Incoming>> {
        match Shown::read(request.headers()) {
            Shown::Nothing => Err(request),
            Shown::Wrong => Ok(refused()),
            Shown::Token(token) => Ok(self.by_token(address, &token, request).await),
        }
    }

    async fn by_token(
        &self,
        address: &Address,
        token: &Credential,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let shared = &self.shared;
        if Site::of_program(request.headers(), address) == Site::Other {
            return say(StatusCode::FORBIDDEN, "Another site's page asked for this.\n");
        }
        if request.uri().path() == LOGS_PATH && *request.method() == Method::GET {
            return self.give_logs(address, token, request.uri()).await;
        }
        let is_tunnel = request.uri().path() == TUNNEL_PATH;
        if !is_tunnel && request.uri().path().starts_with(OWN_PATHS) {
            return nowhere();
        }
        let place = {
            let directory = shared.directory();
            if is_tunnel { directory.find_ssh(address) } else { directory.find(address) }
        };
        let Place::Workspace(workspace, places) = place else { return refused() };
        if !self.is_worth_asking(token, workspace) {
            return refused();
        }
        let port = if is_tunnel { SSH_PORT } else { address.port };
        let port = Target { workspace, name: address.workspace.clone(), port };
        let (question, grant) = match begin(shared, token, &port).await {
            Ok(begun) => begun,
            Err(response) => return *response,
        };
        let kind = if is_tunnel { ConnectionKind::Ssh } else { ConnectionKind::Program };
        let visit = Visit { kind, address: self.peer };
        let stream = shared.open(question, &grant, &port, visit).by(&self.held);
        if is_tunnel {
            return tunnel::open(request, &places, stream).await;
        }
        let kind = upgrade::Kind::of(&request);
        let asked = Asked { address, peer: self.peer, issuer: &shared.identity.issuer };
        upstream::forward(request, kind, (asked, &places), &shared.connections, stream).await
    }

    /// Whether a token is for that workspace, by its own words.
    pub(crate) fn is_worth_asking(&self, token: &Credential, workspace: WorkspaceId) -> bool {
        let identity = &self.shared.identity;
        let audience = token_audience(&identity.issuer, &identity.client_id, workspace);
        is_worth_asking(token, &audience, Shared::now())
    }
}

/// Each beginning is asked about: nothing that was known before lets anybody in.
async fn begin(
    shared: &Shared,
    token: &Credential,
    port: &Target,
) -> Result<(Question, Credential), Box<Response<Body>>> {
    for _ in 0..TRIES {
        let opened = match shared.server.begin(token, port).await {
            Ok(opened) => opened,
            Err(error) => {
                without_answer(&error);
                shared.metrics.decided("none");
                return Err(Box::new(no_answer()));
            }
        };
        match shared.begins(opened, Some(port)) {
            Begun::So(question, grant) => return Ok((question, grant)),
            Begun::Not => return Err(Box::new(refused())),
            Begun::Overtaken => {}
        }
    }
    Err(Box::new(no_answer()))
}
