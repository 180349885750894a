//! What identity providers tell this server without a browser.

use actix_web::{HttpRequest, HttpResponse, web};
use berth_schema::IdentityProviderId;
use serde::Deserialize;

use crate::edge::Admission;
use crate::http::asker::origin_of;
use crate::http::body::Form;
use crate::services::openid;
use crate::{Context, Error, clock};

#[derive(Debug, Deserialize)]
pub(crate) struct Path {
    provider: IdentityProviderId,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LogoutForm {
    logout_token: String,
}

/// OpenID Connect Back-Channel Logout 1.0, 2.5.
#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn backchannel_logout(
    request: HttpRequest,
    context: web::Data<Context>,
    path: web::Path<Path>,
    form: Form<LogoutForm>,
) -> Result<HttpResponse, Error> {
    let admission = Admission::of(&request).ok_or_else(|| Error::internal("the request passed no gate"))?;
    let turn = admission.turn().await?;
    let when = (origin_of(&request), clock::now());
    let told = openid::backchannel(&context, path.provider, &form.0.logout_token, when).await;
    drop(turn);
    told.inspect_err(|_| admission.refused())?;
    admission.passed();
    Ok(HttpResponse::Ok().finish())
}
