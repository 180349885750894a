//! `/oauth`: how a command line is let in (decision 0054). Errors are RFC 6749's, which its clients know; what is no request at all is a
//! problem like everywhere.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::edge::Admission;
use crate::http::asker::origin_of;
use crate::http::body::Form;
use crate::http::observe::OwnWords;
use crate::http::origin;
use crate::services::login::{self, CLIENT_ID, LoginTokens, Refused};
use crate::{Context, Error, clock};

/// A device asks to be let in.
#[derive(Debug, Deserialize)]
pub(crate) struct DeviceForm {
    client_id: String,
    #[serde(default)]
    device_name: String,
}

/// Whoever serves the standard's clients passes over what they add.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenForm {
    grant_type: String,
    client_id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    code_verifier: String,
    #[serde(default)]
    device_code: String,
    #[serde(default)]
    refresh_token: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RevokeForm {
    client_id: String,
    token: String,
}

fn failure(code: &str, description: &str) -> HttpResponse {
    let status = if code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    let mut response =
        HttpResponse::build(status).json(json!({"error": code, "error_description": description}));
    response.extensions_mut().insert(OwnWords);
    response
}

fn other_client() -> HttpResponse {
    failure("invalid_client", "there is one client, 'berth-cli'")
}

fn admission(request: &HttpRequest) -> Result<Admission, Error> {
    Admission::of(request).ok_or_else(|| Error::internal("the request passed no gate"))
}

#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn device_authorization(
    request: HttpRequest,
    context: web::Data<Context>,
    form: Form<DeviceForm>,
) -> Result<HttpResponse, Error> {
    if form.0.client_id != CLIENT_ID {
        return Ok(other_client());
    }
    let admission = admission(&request)?;
    let turn = admission.turn().await?;
    let address = Some(admission.address().to_string());
    let asked = login::request(&context, &form.0.device_name, address, clock::now()).await?;
    drop(turn);
    let page = format!("{}/device", origin::own(&request, &context)?);
    Ok(HttpResponse::Ok().json(json!({
        "device_code": &*asked.device_code,
        "user_code": asked.user_code,
        "verification_uri_complete": format!("{page}?user_code={}", asked.user_code),
        "verification_uri": page,
        "expires_in": asked.expires_in,
        "interval": asked.interval,
    })))
}

#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn token(
    request: HttpRequest,
    context: web::Data<Context>,
    form: Form<TokenForm>,
) -> Result<HttpResponse, Error> {
    let form = form.0;
    if form.client_id != CLIENT_ID {
        return Ok(other_client());
    }
    let admission = admission(&request)?;
    let turn = admission.turn().await?;
    let (address, at) = (Some(admission.address().to_string()), (origin_of(&request), clock::now()));
    let answer = match form.grant_type.as_str() {
        "authorization_code" => {
            let shown = (form.redirect_uri.as_str(), form.code_verifier.as_str());
            login::exchange(&context, &form.code, shown, address, at).await?
        }
        "urn:ietf:params:oauth:grant-type:device_code" => {
            login::poll(&context, &form.device_code, address, at).await?
        }
        "refresh_token" => login::refresh(&context, &form.refresh_token, at).await?,
        _ => return Ok(failure("unsupported_grant_type", "this grant is not known here")),
    };
    drop(turn);
    Ok(match answer {
        Ok(LoginTokens { access, refresh, expires_in }) => {
            admission.passed();
            HttpResponse::Ok().json(json!({
                "access_token": &*access,
                "token_type": "Bearer",
                "expires_in": expires_in,
                "refresh_token": &*refresh,
            }))
        }
        Err(refused) => {
            if matches!(refused, Refused::InvalidGrant(_)) {
                admission.refused();
            }
            failure(refused.code(), refused.description())
        }
    })
}

/// RFC 7009: what is no token of ours is as revoked as it can be.
#[expect(clippy::disallowed_methods, reason = "an operation of nobody begins")]
pub(crate) async fn revoke(
    request: HttpRequest,
    context: web::Data<Context>,
    form: Form<RevokeForm>,
) -> Result<HttpResponse, Error> {
    if form.0.client_id != CLIENT_ID {
        return Ok(other_client());
    }
    let turn = admission(&request)?.turn().await?;
    login::revoke(&context, &form.0.token, (origin_of(&request), clock::now())).await?;
    drop(turn);
    Ok(HttpResponse::Ok().finish())
}

/// RFC 8414.
pub(crate) async fn metadata(
    request: HttpRequest,
    context: web::Data<Context>,
) -> Result<HttpResponse, Error> {
    let own = origin::own(&request, &context)?;
    Ok(HttpResponse::Ok().json(json!({
        "issuer": own,
        "authorization_endpoint": format!("{own}/oauth/authorize"),
        "device_authorization_endpoint": format!("{own}/oauth/device_authorization"),
        "token_endpoint": format!("{own}/oauth/token"),
        "revocation_endpoint": format!("{own}/oauth/revoke"),
        "jwks_uri": format!("{own}/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    })))
}
