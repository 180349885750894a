//! Whether the process lives, and whether it should be asked.

use actix_web::{HttpResponse, web};

use crate::{Context, Error};

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

/// Migrations run before the server listens, so a database that answers is one that can be used.
pub(crate) async fn ready(context: web::Data<Context>) -> Result<HttpResponse, Error> {
    if context.draining.is_cancelled() {
        return Err(Error::Unavailable("the server is draining".into()));
    }
    context.database.ping().await?;
    Ok(HttpResponse::Ok().content_type("text/plain").body("ready\n"))
}
