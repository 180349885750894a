//! An agent's proxies, which ask whom they may let in.

use std::sync::Arc;

use actix_web::HttpRequest;
use berth_policy::Resource;
use berth_schema::Action;
use tracing::Span;
use tracing::field::display;

use super::{Bearer, Channel, Proven, admission, bearer, refused};
use crate::edge::Whom;
use crate::error::Unproven;
use crate::http::asker::Asker;
use crate::identity::ProxyIdentity;
use crate::services::connections;
use crate::{Context, Error, clock};

impl Proven for ProxyIdentity {
    /// By a signed token, and nothing else: what proves anybody else is no proxy's. What it asks for is decided by what whoever it is
    /// about may do.
    #[expect(
        clippy::disallowed_methods,
        reason = "whether it has ended is asked before the operation begins"
    )]
    async fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        _: Action,
        _: Channel,
    ) -> Result<(Self, Option<Resource>), Error> {
        let Bearer::Account(token) = bearer(request)? else {
            return Err(Error::Unauthenticated(Unproven::NoToken));
        };
        let admission = admission(request)?;
        let turn = admission.turn().await?;
        let proxy = connections::proxy_of(&context.issuer, &token, clock::now());
        let proxy = proxy.ok_or_else(|| refused(&admission, Unproven::UnknownToken))?;
        let found = context.database.read(proxy.organization, "authenticate_proxy", async |conn| {
            conn.agents().find(proxy.agent).await.map_err(Error::from)
        });
        let found = found.await?;
        drop(turn);
        if found.is_none_or(|agent| agent.revoked_at.is_some()) {
            return Err(refused(&admission, Unproven::Revoked));
        }
        admission.proven(Whom::Proxy(proxy.agent));
        Span::current().record("organization", display(proxy.organization));
        Span::current().record("agent", display(proxy.agent));
        Ok((proxy, None))
    }

    fn asker(&self, action: Action) -> Asker {
        Asker::within(self, action)
    }
}
