//! What somebody is denied: on record, with who and from where.

use std::borrow::Cow;

use actix_web::{HttpMessage as _, HttpRequest};
use berth_db::Acting;
use berth_schema::audit::{Resource, What};
use berth_schema::{Action, ResourceKind};
use tracing_actix_web::RequestId;

use crate::denials::{self, Denial, Whose};
use crate::edge::Admission;
use crate::identity::{Origin, Tenant};
use crate::{Context, Error, clock};

/// Somebody who was proven, and what they ask for: for the record, should it be denied.
#[derive(Clone, Debug)]
pub struct Asker {
    pub(super) whose: Whose,
    pub(super) who: Acting,
    pub(super) action: Action,
}

impl Asker {
    pub(super) fn within(who: &impl Tenant, action: Action) -> Self {
        Self { whose: Whose::Organization(who.organization()), who: who.actor().into(), action }
    }

    /// The refusal, which is on record.
    pub(super) async fn refused(self, request: &HttpRequest, context: &Context, refusal: Error) -> Error {
        self.denied(request, context, &refusal).await;
        refusal
    }

    pub(super) async fn denied(self, request: &HttpRequest, context: &Context, refusal: &Error) {
        let Some(reason) = denials::reason(refusal) else { return };
        let kind = match refusal {
            Error::NotFound { .. } => ResourceKind::Organization,
            _ => self.action.resource(),
        };
        let id = request.match_info().get(kind.slug()).and_then(|id| id.parse().ok());
        // What an account asks for elsewhere is none of its organisations' business.
        let id = id.filter(|_| matches!(self.whose, Whose::Organization(_)));
        self.note(request, context, reason, denials::resource(kind, id)).await;
    }

    #[expect(clippy::disallowed_methods, reason = "a denial is of the moment in which it is made")]
    pub(super) async fn note(
        self,
        request: &HttpRequest,
        context: &Context,
        reason: Cow<'static, str>,
        resource: Resource,
    ) {
        let denial = Denial {
            whose: self.whose,
            who: self.who,
            action: What::Action(self.action),
            reason,
            resource: Some(resource),
            origin: origin_of(request),
        };
        context.denials.note(context, denial, clock::now()).await;
    }
}

/// Of which request, and from where it came.
pub(crate) fn origin_of(request: &HttpRequest) -> Origin {
    let request_id = request.extensions().get::<RequestId>().map(|id| **id);
    Origin { request_id, peer: Admission::of(request).map(|admission| admission.source()) }
}
