//! Whether anybody is there still to take an answer that is held.

use std::sync::Arc;

use actix_web::HttpRequest;

use crate::edge::Connection;

/// Ends when the connection of the request has.
pub(crate) fn gone(request: &HttpRequest) -> impl Future<Output = ()> + use<> {
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    async move {
        match connection {
            Some(connection) => connection.gone().await,
            None => std::future::pending().await,
        }
    }
}
