//! `/api/v1/organizations/{organization}/workspaces/{workspace}/ports`.

use actix_web::web;
use berth_schema::ports::{ClosePort, OpenPort, Ports, PublishPort, SharePort, UnsharePort};

use crate::http::body::Json;
use crate::identity::Member;
use crate::services::ports;
use crate::{Error, Op};

pub(crate) async fn list(op: Op<Member>, (): ()) -> Result<web::Json<Ports>, Error> {
    ports::list(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn share(op: Op<Member>, body: Json<SharePort>) -> Result<web::Json<Ports>, Error> {
    ports::share(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn publish(op: Op<Member>, body: Json<PublishPort>) -> Result<web::Json<Ports>, Error> {
    ports::publish(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn unshare(op: Op<Member>, body: Json<UnsharePort>) -> Result<web::Json<Ports>, Error> {
    ports::unshare(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn open(op: Op<Member>, body: Json<OpenPort>) -> Result<web::Json<Ports>, Error> {
    ports::open(&op, op.target(), &body.value).await.map(web::Json)
}

pub(crate) async fn close(op: Op<Member>, body: Json<ClosePort>) -> Result<web::Json<Ports>, Error> {
    ports::close(&op, op.target(), body.value).await.map(web::Json)
}
