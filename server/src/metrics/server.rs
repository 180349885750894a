//! The metrics' own port.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, web};
use berth_db::Database;

use super::Metrics;
use crate::Error;
use crate::edge::{self, Edge};
use crate::error::Sought;
use crate::tasks::Tasks;

/// Serves `/metrics` and `/tasks` on a listener, behind an edge of its own. The caller awaits the server, which ends when it is stopped.
pub fn serve(
    listener: TcpListener,
    edge: &Edge,
    metrics: Metrics,
    database: Database,
    tasks: Tasks,
) -> std::io::Result<Server> {
    let (metrics, database) = (web::Data::new(metrics), web::Data::new(database));
    let tasks = web::Data::new(tasks);
    let builder = Server::build().workers(1).disable_signals();
    let server = edge::listen(builder, (listener, None), edge, move || {
        App::new()
            .app_data(web::Data::clone(&metrics))
            .app_data(web::Data::clone(&database))
            .app_data(web::Data::clone(&tasks))
            .route("/metrics", web::get().to(scrape))
            .route(
                "/tasks",
                web::get().to(async |tasks: web::Data<Tasks>| HttpResponse::Ok().json(tasks.all())),
            )
            .default_service(web::to(async || Err::<HttpResponse, _>(Error::nothing(Sought::MetricsPath))))
            .wrap(from_fn(edge::refused))
            .wrap(from_fn(edge::answered))
    })?;
    Ok(server.run())
}

async fn scrape(metrics: web::Data<Metrics>, database: web::Data<Database>) -> Result<HttpResponse, Error> {
    metrics.pool(database.pool_status());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &metrics.registry).map_err(Error::internal)?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(HttpResponse::Ok().insert_header(("Content-Type", content_type)).body(text))
}
