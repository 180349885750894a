//! Agents, which act for themselves.

use std::sync::Arc;

use actix_web::HttpRequest;
use berth_policy::{Circumstances, Proof, Resource, Who};
use berth_schema::access::TokenScope;
use berth_schema::{Action, AgentToken, ResourceKind};
use tracing::Span;
use tracing::field::display;

use super::{Bearer, Channel, Proven, admission, bearer, is_one_of, member, person, refused};
use crate::edge::Whom;
use crate::error::{DenyReason, Unproven};
use crate::http::asker::{Asker, origin_of};
use crate::identity::AgentIdentity;
use crate::services::agent_tokens;
use crate::services::permission::{self, Named};
use crate::services::tokens::hash;
use crate::{Context, Error, Op, clock};

impl Proven for AgentIdentity {
    async fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        action: Action,
        _: Channel,
    ) -> Result<(Self, Option<Resource>), Error> {
        match bearer(request)? {
            Bearer::Agent(token) => {
                let agent = by_token(request, context, &token).await?;
                let itself = itself(&agent);
                let decision = context.rules.built_in().decide(&asking(request, &agent), action, &itself);
                if decision.allowed {
                    Ok((agent, Some(itself)))
                } else {
                    Err(permission::denied(action, decision))
                }
            }
            Bearer::Access(token) => {
                let (member, _) = member::by_token(request, context, &token, &Named::organization()).await?;
                let organization = Resource::organization(member.organization);
                let decision = member.authority.decide(action, &organization);
                let refusal = permission::denied(action, decision);
                Err(member.asker(action).refused(request, context, refusal).await)
            }
            Bearer::Account(token) => {
                let person = person::logged_in(request, context, &token).await?;
                let refusal = Error::Forbidden { action, reason: DenyReason::IsNoAgent, rule: None };
                Err(person.asker(action).refused(request, context, refusal).await)
            }
        }
    }

    fn asker(&self, action: Action) -> Asker {
        Asker::within(self, action)
    }
}

/// The refusal of an agent that asks for what is for members: the platform's rules say so of whatever it is.
pub(super) fn denied(
    request: &HttpRequest,
    context: &Context,
    agent: &AgentIdentity,
    action: Action,
) -> Error {
    let decision = context.rules.built_in().decide(&asking(request, agent), action, &itself(agent));
    permission::denied(action, decision)
}

fn itself(agent: &AgentIdentity) -> Resource {
    Resource::new(ResourceKind::Agent, agent.agent.to_string(), agent.organization)
}

fn asking(request: &HttpRequest, agent: &AgentIdentity) -> berth_policy::Asker {
    berth_policy::Asker {
        who: Who::Agent(agent.agent),
        organization: agent.organization,
        elevations: Vec::new(),
        circumstances: Circumstances {
            proof: Proof::Token(TokenScope::Full),
            mfa: false,
            address: request.peer_addr().map(|peer| peer.ip()),
        },
    }
}

/// Proves an agent's token.
#[expect(
    clippy::disallowed_methods,
    reason = "which of its tokens open is asked before the operation begins"
)]
pub(super) async fn by_token(
    request: &HttpRequest,
    context: &Arc<Context>,
    token: &AgentToken,
) -> Result<AgentIdentity, Error> {
    let admission = admission(request)?;
    let stranger = admission.turn().await?;
    // An agent that was proven lately stands in its own queue.
    let known = match &stranger {
        Some(_) => None,
        None => Some(context.turns.take(token.agent()).await?),
    };
    let shown = hash(token.expose());
    let found = context
        .database
        .read(token.organization(), "authenticate_agent", async |conn| {
            conn.agents().find_shown(token.agent(), &shown).await.map_err(Error::from)
        })
        .await?;
    drop((stranger, known));
    let now = clock::now();
    let stored = found.as_ref().map(|row| row.tokens(now));
    let is_right = is_one_of(&shown, stored.unwrap_or_default());
    let row = match found {
        Some(row) if is_right && row.revoked_at.is_none() => row,
        Some(_) if is_right => return Err(refused(&admission, Unproven::Revoked)),
        Some(_) => return Err(refused(&admission, Unproven::FormerSecret)),
        None => return Err(refused(&admission, Unproven::UnknownToken)),
    };
    admission.proven(Whom::Agent);
    Span::current().record("organization", display(token.organization()));
    Span::current().record("agent", display(row.id));
    let is_new = row.secret_hash == shown && row.previous_secret_hash.is_some();
    let identity = AgentIdentity {
        organization: token.organization(),
        agent: row.id,
        name: row.name,
        secret_hash: shown,
    };
    if is_new {
        let op = Op::begin(identity.clone(), Action::Reconcile, origin_of(request), Arc::clone(context));
        agent_tokens::take_into_use(&op).await?;
    }
    Ok(identity)
}
