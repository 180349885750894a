//! What a workspace's containers write, from its agent's proxy.

use std::path::Path;

use berth_schema::connection::ProgramConnection;
use berth_schema::kubernetes::EDITOR_PORT;
use berth_schema::logs::{CONTAINER_HEADER, LOGS_PATH, LogOptions};
use bytes::Bytes;
use reqwest::{Response, StatusCode};

use super::connections::{Asked, at};
use crate::error::{Error, why};

/// An output that comes.
#[derive(Debug)]
pub(crate) struct Logs {
    /// Whose it is.
    pub(crate) container: String,
    workspace: String,
    response: Response,
}

/// Asks for it, and comes back when it begins.
pub(crate) async fn read_logs(
    connection: &ProgramConnection,
    ca_file: Option<&Path>,
    options: &LogOptions,
) -> Result<Logs, Error> {
    let workspace = connection.name.to_string();
    let doing = format!("read the logs of workspace '{workspace}'");
    let origin = connection.url.replace("{port}", &EDITOR_PORT.to_string());
    let address = format!("{}{LOGS_PATH}", origin.trim_end_matches('/'));
    let asked = Asked::new(connection, &address, doing.clone())?;
    let response = asked.send(ca_file, |request| request.query(options)).await?;
    if response.status() == StatusCode::OK {
        let container = response.headers().get(CONTAINER_HEADER).and_then(|name| name.to_str().ok());
        let container = container.unwrap_or_default().to_owned();
        return Ok(Logs { container, workspace, response });
    }
    let (status, said) = asked.refusal(response).await;
    let message = format!("cannot {doing}: {said}");
    let hint = match status {
        StatusCode::BAD_REQUEST => return Err(Error::Usage { message, hint: None }),
        StatusCode::CONFLICT => format!("`berth start {workspace}` starts it; {}", why(&workspace)),
        StatusCode::UNAUTHORIZED => format!(
            "`berth auth can-i workspace.read-logs {workspace} --explain` says whether you may read them; \
             the workspace may also be too new for its proxy to know"
        ),
        StatusCode::NOT_FOUND => {
            format!("the proxy at {} may be of a version that gives no logs", at(&asked.url))
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => {
            why(&workspace)
        }
        _ => format!("is {} the proxy of the workspace's agent?", at(&asked.url)),
    };
    Err(Error::Lost { message, hint })
}

impl Logs {
    /// What comes next; nothing at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        self.response.chunk().await.map_err(|_| Error::Lost {
            message: format!("the logs of workspace '{}' were cut off", self.workspace),
            hint: "it ends when somebody ends it, when you are signed out, when a right or a role for a time of yours is over, or when the proxy or its \
                   cluster goes away; ask again"
                .to_owned(),
        })
    }
}
