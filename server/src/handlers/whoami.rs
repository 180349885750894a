//! Whose a token is.

use actix_web::web;
use berth_schema::api::WhoAmI;

use crate::Op;
use crate::identity::Member;

pub(crate) async fn whoami(op: Op<Member>, (): ()) -> web::Json<WhoAmI> {
    web::Json(WhoAmI {
        organization_id: op.organization(),
        organization: op.who.organization_name,
        token_name: op.who.token_name,
        token_id: Some(op.who.token),
        scope: op.who.scope,
        role: Some(op.who.role),
        expires_at: op.who.expires_at,
        elevations: op.who.elevations,
    })
}
