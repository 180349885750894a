//! What a workspace's containers write, for whoever may read it: read from the API server, as long as they may. See decision 0083.

mod giving;
mod page;
mod room;
mod source;

pub(crate) use room::Readers;
pub(crate) use source::Cluster;

use berth_proxy_core::{
    Address, Known, Navigation, Outcome, Pod, Session, Site, Taken, Visit, WrongOption, listed, log_options,
};
use berth_schema::WorkspaceId;
use berth_schema::connected::ConnectionKind;
use berth_schema::connection::{Credential, Decision, Why};
use berth_schema::logs::{CONTAINER_HEADER, LOGS, LogContainer, LogOptions, LogsOpened, ReadLogs};
use http::header::{HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri};

use crate::authorise::{TRIES, question, without_answer};
use crate::body::Body;
use crate::door::Door;
use crate::pages::{no_answer, nowhere, say};
use crate::program::refused;
use crate::server::Target;
use crate::shared::Shared;
use crate::streams::Stream;
use giving::Giving;

/// Why nothing is given.
#[derive(Debug)]
enum No {
    Option(WrongOption),
    Denied(Why),
    /// The server gives none.
    Answer,
    Crowded,
    /// There is none of that name, but these.
    Container(String),
    /// It does not run.
    Pod,
    /// It has written nothing yet, or there was no run before: in the cluster's words.
    Begun(String),
    /// The cluster's administrator lets the proxy read none.
    Right,
    Cluster,
}

impl No {
    /// For whoever may know that there is such a workspace.
    fn words(&self) -> (StatusCode, String) {
        let of = |status, words: &str| (status, words.to_owned());
        match self {
            Self::Option(wrong) => (StatusCode::BAD_REQUEST, format!("{wrong}.")),
            Self::Denied(_) => of(StatusCode::NOT_FOUND, "There is nothing here."),
            Self::Answer => of(StatusCode::SERVICE_UNAVAILABLE, "Berth's server does not answer. Try again."),
            Self::Crowded => {
                of(StatusCode::TOO_MANY_REQUESTS, "Too many read at once. End another reader, or try again.")
            }
            Self::Container(there_are) => {
                let words = format!("There is no container of that name. There are: {there_are}.");
                (StatusCode::BAD_REQUEST, words)
            }
            Self::Pod => {
                of(StatusCode::CONFLICT, "The workspace does not run: nothing is kept of what it wrote.")
            }
            Self::Begun(words) => (StatusCode::CONFLICT, format!("There is nothing to read yet: {words}")),
            Self::Right => of(
                StatusCode::SERVICE_UNAVAILABLE,
                "The cluster lets this proxy read no logs; its administrator gives that right (ClusterRole berth-proxy-logs).",
            ),
            Self::Cluster => of(StatusCode::BAD_GATEWAY, "The cluster gives no answer. Try again."),
        }
    }
}

/// An output that somebody may read.
struct Output {
    containers: Vec<LogContainer>,
    container: String,
    giving: Giving,
}

impl Door {
    /// To a program, which has shown a token.
    pub(crate) async fn give_logs(&self, address: &Address, token: &Credential, uri: &Uri) -> Response<Body> {
        let found = self.shared.directory().find_pod(address);
        let Some((workspace, pod)) = found.filter(|(workspace, _)| self.is_worth_asking(token, *workspace))
        else {
            return refused();
        };
        let visit = Visit { kind: ConnectionKind::Program, address: self.peer };
        let read = match options(uri) {
            Ok(options) => self.shared.read((address, workspace, pod), (token, visit), &options).await,
            Err(wrong) => Err(No::Option(wrong)),
        };
        let Output { container, giving, .. } = match read {
            Ok(output) => output,
            Err(No::Denied(_)) => return refused(),
            Err(no) => {
                let (status, words) = no.words();
                return say(status, format!("{words}\n"));
            }
        };
        let mut response = say(StatusCode::OK, "");
        if let Ok(name) = HeaderValue::from_str(&container) {
            response.headers_mut().insert(CONTAINER_HEADER, name);
        }
        *response.body_mut() = giving.body();
        response
    }

    /// To a browser, as a page that is loaded whole: nothing else of a workspace's host reads it.
    pub(crate) async fn show_logs(
        &self,
        address: &Address,
        (uri, headers): (&Uri, &HeaderMap),
    ) -> Response<Body> {
        let shared = &self.shared;
        let is_page = Navigation::of(&Method::GET, headers) == Navigation::Page;
        if !is_page || Site::of(&Method::GET, headers, false, address) == Site::Other {
            return nowhere();
        }
        let Some(session) = Session::read(&shared.sealer, address, headers, Shared::now()) else {
            return shared.sign_in(address, uri);
        };
        let Some((workspace, pod)) = shared.directory().find_pod(address) else { return nowhere() };
        // Who was let in is a stranger at another workspace that has the name now.
        if session.workspace != workspace {
            return shared.sign_in(address, uri);
        }
        let asked = options(uri).map(page::options);
        let previous = asked.as_ref().is_ok_and(|options| options.previous);
        let visit = Visit { kind: ConnectionKind::Browser, address: self.peer };
        let read = match asked {
            Ok(options) => shared.read((address, workspace, pod), (&session.grant, visit), &options).await,
            Err(wrong) => Err(No::Option(wrong)),
        };
        match read {
            Err(No::Denied(Why::Session)) => shared.sign_in(address, uri),
            Err(No::Denied(_)) => nowhere(),
            // Of those of whom nothing is known nobody is told that there is such a workspace.
            Err(No::Answer) => no_answer(),
            Err(No::Option(wrong)) => say(StatusCode::BAD_REQUEST, format!("{wrong}.\n")),
            read => page::show(shared, (address, workspace), previous, read).await,
        }
    }
}

fn options(uri: &Uri) -> Result<LogOptions, WrongOption> {
    log_options(url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()))
}

impl Shared {
    async fn read(
        &self,
        (address, workspace, pod): (&Address, WorkspaceId, Option<Pod>),
        (shown, visit): (&Credential, Visit),
        options: &LogOptions,
    ) -> Result<Output, No> {
        let room = self.readers.enter(workspace).ok_or(No::Crowded)?;
        let asked = ReadLogs {
            workspace,
            name: address.workspace.clone(),
            container: options.container.clone(),
            previous: options.previous,
            follow: options.follow,
        };
        let (stream, LogsOpened { containers, candidates, .. }) =
            self.begin_to_read((shown, visit), &asked).await?;
        if candidates.is_empty() {
            return Err(No::Container(listed(&containers)));
        }
        let pod = pod.ok_or(No::Pod)?;
        let (container, opening) = source::choose(&self.cluster, &pod, options, &candidates).await?;
        Ok(Output { containers, container, giving: Giving::new(opening, stream, room) })
    }

    /// Each beginning is asked about, and on record: nothing that was known before lets anybody read.
    async fn begin_to_read(
        &self,
        (shown, visit): (&Credential, Visit),
        asked: &ReadLogs,
    ) -> Result<(Stream, LogsOpened), No> {
        let port = Target { workspace: asked.workspace, name: asked.name.clone(), port: LOGS };
        for _ in 0..TRIES {
            let answer = self.server.read_logs(shown, asked).await.map_err(|error| {
                without_answer(&error);
                self.metrics.decided("none");
                No::Answer
            })?;
            let outcome = match answer.opened.decision {
                Decision::Allowed { until, grounds } => Outcome::Allowed { until, grounds },
                Decision::Denied { why } => {
                    self.metrics.decided(why.as_str());
                    return Err(No::Denied(why));
                }
            };
            self.metrics.decided("allowed");
            let grant = answer.opened.grant.as_ref().unwrap_or(shown);
            let question = question(Some(grant), &port);
            let taken = self.decisions().take(question, outcome, Self::now());
            match taken {
                Taken::GoesOn => {
                    let stream = self.streams.enter(question, Some(grant), &port, visit);
                    // What was changed since the answer came has found nothing open of it.
                    if self.decisions().look(&question, Self::now()) == Known::Unknown {
                        self.doubt.notify_one();
                    }
                    return Ok((stream, answer));
                }
                Taken::Ends => return Err(No::Denied(Why::Session)),
                Taken::Overtaken => {}
            }
        }
        Err(No::Answer)
    }
}
