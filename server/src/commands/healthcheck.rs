//! `berth-server healthcheck`: for container images, which have no HTTP client.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::ask;

/// 0 when the first address answers `/readyz` with 200.
pub(super) async fn run(addresses: &[SocketAddr]) -> ExitCode {
    let Some(address) = addresses.first() else { return ExitCode::FAILURE };
    match ask::get(*address, "/readyz").await {
        Ok((200, _)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
