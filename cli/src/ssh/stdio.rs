//! `berth ssh --stdio`: what OpenSSH calls as its `ProxyCommand`.

use std::convert::Infallible;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_tunnel::Role;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::client::tunnel;
use crate::error::Error;
use crate::exit::Exit;
use crate::names::WorkspaceRef;
use crate::session::Session;

/// Carries what comes in by standard input to the workspace's sshd, and what it answers to standard output. Once that has begun it does not
/// come back: the process ends with it.
pub(crate) async fn carry(
    session: &Session,
    workspace: &WorkspaceRef,
    ca_file: Option<&Path>,
) -> Result<Infallible, Error> {
    let connection = session.organization.connect(workspace, None).await?;
    let mut key = [0; 16];
    SystemRandom::new()
        .fill(&mut key)
        .map_err(|_| Error::Other("this system has no random numbers".to_owned()))?;
    let socket = tunnel(&connection, ca_file, &STANDARD.encode(key)).await?;
    let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
    let carried = berth_tunnel::carry(socket, Role::Client, stdin, stdout).await;
    // A thread may wait for standard input still, which nothing but the process's end takes back.
    let Err(broken) = carried else { std::process::exit(Exit::Ok as i32) };
    let name = connection.name.as_str();
    let error = Error::Lost {
        message: format!("the connection to workspace '{name}' ended: {broken}"),
        hint: format!(
            "it ends when somebody ends it (`berth sessions end`), when you are signed out, when a right or a role for a time of yours is over, or when the workspace stops; {}",
            crate::error::why(name)
        ),
    };
    session.talk.error(&error);
    std::process::exit(error.exit() as i32)
}
