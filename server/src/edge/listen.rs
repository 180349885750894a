//! From a listener to the framework.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::AppConfig;
use anyhow::Context as _;
use rustix::net::sockopt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::answered::Encrypted;
use super::socket::Socket;
use super::stream::Guarded;
use super::{Edge, source};

/// Clients that may wait to be let in: the kernel's own limit holds beside it.
const BACKLOG: u32 = 4_096;
/// A peer that is silent is asked whether it is there: after 30 s, and then three times in 30 s. Connections that were let in have
/// it from their listener.
const SILENCE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);
/// For the framework to give up what it cannot read to its end.
const DISCONNECT: Duration = Duration::from_secs(1);

/// Must be called within a runtime.
pub(crate) fn bind(address: &SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = || -> std::io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, SILENCE.0)?;
        sockopt::set_tcp_keepintvl(&socket, SILENCE.1)?;
        sockopt::set_tcp_keepcnt(&socket, SILENCE.2)?;
        socket.bind(*address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    bound().with_context(|| format!("cannot listen on {address}"))
}

/// Serves an application on a listener, behind an edge: by TLS, where there is something to accept it.
pub(crate) fn listen<F, I, S, B>(
    builder: ServerBuilder,
    (listener, tls): (TcpListener, Option<TlsAcceptor>),
    edge: &Edge,
    application: F,
) -> std::io::Result<ServerBuilder>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let (edge, drains) = (edge.clone(), builder.graceful_shutdown_signal());
    builder.listen("edge", listener, move || {
        let (edge, tls) = (edge.clone(), tls.clone());
        let (drains, stops) = (drains.clone(), drains.clone());
        let application = application().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let drains = drains.clone();
                async move { drains.notified().await }
            })
            // The stream has a time for everything.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT)
            .on_connect_ext(|stream: &Guarded, data| {
                data.insert(Arc::clone(stream.connection()));
                if stream.is_encrypted() {
                    data.insert(Encrypted);
                }
            })
            .finish(map_config(application, |()| AppConfig::default()));
        fn_service(move |socket: TcpStream| {
            let (guarded, stops) = (guard(socket, tls.as_ref(), &edge), stops.clone());
            async move {
                let (mut guarded, protocol, peer) = guarded?;
                // The framework, which has buffers for it, is not bothered with whoever has not asked anything.
                let asks = tokio::select! {
                    biased;
                    asks = guarded.asks() => asks?,
                    () = stops.notified() => false,
                };
                if asks { Ok((guarded, protocol, peer)) } else { Err(nothing_asked()) }
            }
        })
        .map_err(actix_http::error::DispatchError::Io)
        .and_then(http)
    })
}

/// Nobody is told.
fn nothing_asked() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "nothing was asked")
}

fn guard(
    socket: TcpStream,
    tls: Option<&TlsAcceptor>,
    edge: &Edge,
) -> std::io::Result<(Guarded, Protocol, Option<SocketAddr>)> {
    let peer = socket.peer_addr()?;
    // An answer leaves in two pieces, head and body: without this the second waits 40 ms for the peer's delayed
    // acknowledgement of the first.
    socket.set_nodelay(true)?;
    let (address, is_known) = (source::counted(peer.ip()), source::is_trusted(&edge.trusted, peer.ip()));
    let connection = edge
        .connections
        .open(address, is_known)
        .ok_or_else(|| std::io::Error::other("every connection is in use"))?;
    let guarded = Guarded::new(Socket::new(socket, tls), connection, edge.connections.clone(), edge.times);
    Ok((guarded, Protocol::Http1, Some(peer)))
}
