//! Whose a token is.

use actix_web::web;
use berth_schema::api::WhoAmI;

use crate::http::identity::Administrator;

pub(crate) async fn whoami(who: Administrator) -> web::Json<WhoAmI> {
    web::Json(WhoAmI {
        organization_id: who.organization,
        organization: who.organization_name,
        token_name: who.token_name,
        token_id: Some(who.token),
        scope: who.scope,
        expires_at: who.expires_at,
    })
}
