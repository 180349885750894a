//! How a server is reached: no redirects, bounded in time, and who may see what is sent.

use std::path::Path;
use std::time::Duration;

use berth_schema::TokenUrl;
use reqwest::Certificate;

use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn http(server: &TokenUrl, ca_file: Option<&Path>) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("berth/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT);
    // A name of this machine is not left to a resolver, and what is not encrypted to no proxy of the environment.
    let builder = match server.own_machine() {
        Some((name, addresses)) => builder.resolve_to_addrs(name, &addresses),
        None => builder,
    };
    let builder = if server.is_https() { builder } else { builder.no_proxy() };
    let builder = match (server.is_https(), ca_file) {
        (true, Some(path)) => builder.tls_certs_only(certificates(path)?),
        (true, None) => builder,
        // Without TLS the system's certificates are not read: a machine may have none.
        (false, _) => builder.tls_certs_only([]),
    };
    builder.build().map_err(Error::Tls)
}

pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let pem = std::fs::read(path).map_err(|error| Error::file("read the certificates in", path, error))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Error::usage(format!("{} holds no certificate in PEM form", path.display()))),
    }
}
