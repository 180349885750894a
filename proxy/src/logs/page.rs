//! The end of an output as a page, for whoever is signed in at the host of a workspace.

use std::time::Duration;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_proxy_core::{Address, lines_of_a_page};
use berth_schema::WorkspaceId;
use berth_schema::logs::{LOGS_PATH, LogContainer, LogOptions};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use ring::digest;

use super::giving::Giving;
use super::{No, Output};
use crate::body::Body;
use crate::pages::{broken, say};
use crate::shared::Shared;

/// So many lines from the end are shown, where nothing else is asked for, and at most.
const LINES: u32 = 500;
const MOST_LINES: u32 = 5_000;
/// The most that is shown, in bytes: of the end.
const BYTES: usize = 512 * 1_024;
/// How long it may take to read it.
const PATIENCE: Duration = Duration::from_secs(20);
const STYLE: &str =
    "body{font-family:system-ui,sans-serif;margin:1rem}pre{white-space:pre-wrap;overflow-wrap:anywhere}";

#[derive(Template)]
#[template(path = "logs.html")]
struct Page<'p> {
    style: &'static str,
    path: &'static str,
    workspace: &'p str,
    /// The workspace's page at the server.
    back: String,
    containers: &'p [LogContainer],
    container: Option<&'p str>,
    previous: bool,
    /// What is said in place of lines.
    note: Option<String>,
    lines: &'p [String],
}

/// What of a query is for a page.
pub(super) fn options(asked: LogOptions) -> LogOptions {
    LogOptions { follow: false, tail: Some(asked.tail.unwrap_or(LINES).min(MOST_LINES)), ..asked }
}

pub(super) async fn show(
    shared: &Shared,
    (address, workspace): (&Address, WorkspaceId),
    previous: bool,
    read: Result<Output, No>,
) -> Response<Body> {
    let (containers, container, shown) = match read {
        Ok(Output { containers, container, giving }) => {
            let end = tokio::time::timeout(PATIENCE, end(giving)).await;
            (containers, Some(container), end.unwrap_or(Err("The cluster gave no answer in time.")))
        }
        Err(no) => return in_words(shared, (address, workspace), previous, &no),
    };
    let (lines, note) = match shown {
        Ok(bytes) => (lines_of_a_page(&bytes), None),
        Err(words) => (Vec::new(), Some(words.to_owned())),
    };
    let note = note.or_else(|| lines.is_empty().then(|| "It has written nothing.".to_owned()));
    let page = Page {
        containers: &containers,
        container: container.as_deref(),
        note,
        lines: &lines,
        ..of(shared, (address, workspace), previous)
    };
    html(StatusCode::OK, &page)
}

fn of<'p>(shared: &Shared, (address, workspace): (&'p Address, WorkspaceId), previous: bool) -> Page<'p> {
    let organization = &shared.identity.organization;
    Page {
        style: STYLE,
        path: LOGS_PATH,
        workspace: address.workspace.as_str(),
        back: format!("{}/organizations/{organization}/workspaces/{workspace}", shared.public_origin),
        containers: &[],
        container: None,
        previous,
        note: None,
        lines: &[],
    }
}

fn in_words(shared: &Shared, whose: (&Address, WorkspaceId), previous: bool, no: &No) -> Response<Body> {
    let (status, words) = no.words();
    html(status, &Page { note: Some(words), ..of(shared, whose, previous) })
}

/// The last of it.
async fn end(mut giving: Giving) -> Result<Vec<u8>, &'static str> {
    let mut kept = Vec::new();
    loop {
        let piece = giving.piece().await.map_err(|_| "It ended before all of it was read.")?;
        if piece.is_empty() {
            break;
        }
        kept.extend_from_slice(&piece);
        if kept.len() > 2 * BYTES {
            kept.drain(..kept.len() - BYTES);
        }
    }
    kept.drain(..kept.len().saturating_sub(BYTES));
    Ok(kept)
}

/// As a document of no origin: the workspace's own pages, which are of this one, read nothing of it.
fn html(status: StatusCode, page: &Page<'_>) -> Response<Body> {
    let Ok(text) = page.render() else { return broken() };
    let mut response = say(status, text);
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
    );
    let Ok(policy) = HeaderValue::from_str(&policy) else { return broken() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
