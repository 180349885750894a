//! What can go wrong, by meaning: each error has a sentence, perhaps details and advice, and an exit code.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use berth_schema::server_url::InTheClear;
use berth_schema::{ActualState, Problem};

use crate::exit::Exit;

/// Why a command did not do what it was asked. No variant ever holds a token or the value of a variable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What was typed or given cannot be sent.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },

    #[error("{0}")]
    LoginNeeded(String),

    /// A session that was ended, or has ended by itself. `context`: where it is not the current one.
    #[error("your login has ended; run `berth login{}`", of(.context.as_deref()))]
    LoginEnded { context: Option<String> },

    /// Somebody said no in the browser.
    #[error("{0}")]
    Denied(String),

    /// The words of an OAuth server (RFC 6749, 5.2; RFC 8628, 3.5).
    #[error("cannot {doing}: the server says {code}{}", because(Some(description.as_str()).filter(|text| !text.is_empty())))]
    NotGranted { doing: String, code: String, description: String },

    #[error(transparent)]
    InTheClear(#[from] InTheClear),

    /// Something of this machine (a context) that does not exist.
    #[error("{message}")]
    NotFound { message: String, hint: String },

    /// The server answered with a problem.
    #[error("cannot {doing}: {}", summary(.problem))]
    Refused { doing: String, problem: Box<Problem> },

    /// An answer that no Berth server gives.
    #[error("cannot {doing}: {url} answered {status} in words that are not Berth's")]
    Foreign {
        doing: String,
        url: String,
        status: u16,
        #[source]
        source: Option<serde_json::Error>,
    },

    #[error("cannot {doing}: the answer of {url} is larger than {limit_mib} MiB")]
    AnswerTooLarge { doing: String, url: String, limit_mib: usize },

    #[error("cannot {doing}: no connection to {url}: {}", root_cause(.source))]
    Unreachable {
        doing: String,
        url: String,
        #[source]
        source: reqwest::Error,
    },

    /// A local file or stream.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    /// The parser's own words are left out: they may quote a token.
    #[error("the configuration file {} is not understood {place}", path.display())]
    Config { path: PathBuf, place: String },

    #[error("cannot set up TLS: {}", root_cause(.0))]
    Tls(#[source] reqwest::Error),

    /// It will not get there by itself.
    #[error("workspace '{workspace}' is {state}{}", because(.reason.as_deref()))]
    Failed { workspace: String, state: ActualState, reason: Option<String>, hint: String },

    /// Somebody asked for something else meanwhile.
    #[error("workspace '{workspace}' was changed by somebody else meanwhile: {change}")]
    Overtaken { workspace: String, change: String },

    /// `--wait` was at its end first.
    #[error("timed out after {}: {seen}", duration(.after))]
    TimeOut { after: Duration, seen: String, hint: String },

    /// What was tried out is not as it has to be, or could not be found out.
    #[error("{message}")]
    Unproven { message: String, hint: String },

    /// One of several was refused; it was told when it happened.
    #[error("{failed} of {all} failed")]
    Several { failed: usize, all: usize, exit: Exit },

    /// Done, and yet of no use.
    #[error("{message}")]
    Lost { message: String, hint: String },

    #[error("nothing was done")]
    Declined,

    #[error("{0}")]
    Other(String),

    #[error("interrupted; what was asked of the server stays asked")]
    Interrupted,

    /// The reader of our output has seen enough (`berth list | head -1`).
    #[error("output closed")]
    OutputClosed,
}

impl Error {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { doing, path: path.into(), source }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::InTheClear(_) => Exit::Usage,
            Self::LoginNeeded(_) | Self::LoginEnded { .. } => Exit::LoginNeeded,
            Self::Denied(_) => Exit::Denied,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Refused { problem, .. } => match problem.status {
                401 => Exit::LoginNeeded,
                403 => Exit::Denied,
                404 => Exit::NotFound,
                409 | 412 => Exit::Conflict,
                _ => Exit::Error,
            },
            Self::Overtaken { .. } => Exit::Conflict,
            Self::TimeOut { .. } => Exit::TimeOut,
            Self::Unproven { .. } => Exit::Unproven,
            Self::Several { exit, .. } => *exit,
            Self::Interrupted => Exit::Interrupted,
            Self::OutputClosed => Exit::Ok,
            Self::NotGranted { .. }
            | Self::Foreign { .. }
            | Self::AnswerTooLarge { .. }
            | Self::Unreachable { .. }
            | Self::File { .. }
            | Self::Config { .. }
            | Self::Tls(_)
            | Self::Failed { .. }
            | Self::Lost { .. }
            | Self::Declined
            | Self::Other(_) => Exit::Error,
        }
    }

    /// Whether the same request may succeed a moment later, with nothing changed by anybody.
    pub(crate) fn passes_by_itself(&self) -> bool {
        matches!(self, Self::Unreachable { .. }) || self.status().is_some_and(is_transient)
    }

    /// The status of the answer that it came with.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { problem, .. } => Some(problem.status),
            Self::Foreign { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Further lines: the fields that are wrong and the id to look for in the server's log.
    pub(crate) fn details(&self) -> Vec<String> {
        let Self::Refused { problem, .. } = self else {
            return Vec::new();
        };
        // Where there is one thing to say, the sentence above may have said it already.
        let summary = summary(problem);
        let fields =
            problem.errors.iter().map(|error| (format!("{}: {}", error.field, error.message), error));
        let untold = fields.filter(|(line, error)| line != summary && error.message != summary);
        let id = problem.request_id.iter().map(|id| format!("request id: {id}"));
        untold.map(|(line, _)| line).chain(id).collect()
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Usage { hint, .. } => return hint.clone(),
            Self::NotFound { hint, .. }
            | Self::Failed { hint, .. }
            | Self::Lost { hint, .. }
            | Self::TimeOut { hint, .. }
            | Self::Unproven { hint, .. } => hint,
            Self::InTheClear(_) => InTheClear::HINT,
            Self::LoginNeeded(_) => "log in with `berth login URL`",
            Self::Refused { problem, doing } => match problem.status {
                401 => {
                    "the token is unknown, revoked or expired; log in again with `berth login`. Where nobody has a token left, \
                     `berth-server token create`, on the server's machine, makes one"
                }
                409 if problem.kind.ends_with(":agent-revoked") => {
                    "`berth agents adopt OTHER --from AGENT` gives its workspaces to another agent of the cluster; \
                     `berth delete NAME --forget` takes one out of the database"
                }
                409 if problem.kind.ends_with(":last-full-token") => {
                    "make another one with `berth tokens create`, or say --force"
                }
                409 if problem.kind.ends_with(":rotation-pending") && doing.contains("agent") => {
                    "--again makes another in place of the one that is not used yet; --now ends every token at once"
                }
                409 if problem.kind.ends_with(":rotation-pending") => {
                    "wait, or end both secrets at once: rotate without --overlap"
                }
                403 if problem.errors.iter().any(|error| error.field == "elevations") => {
                    "`berth elevations list` shows them; `berth elevations end ID` ends one"
                }
                403 if problem.kind.ends_with(":quota-exceeded") => {
                    "delete or stop something, or ask an administrator for a larger quota"
                }
                // It says itself what to do.
                403 if problem.step_up => {
                    "confirm that it is you in the browser that you are signed in with (/confirm), then run `berth login` again"
                }
                403 if problem.detail.contains("`berth login`") => return None,
                // Against these no role helps.
                403 if problem.detail.starts_with("the organization's rule") => OWNERS_SET_RULES,
                403 if problem.detail.starts_with("this token may look at everything") => {
                    "use a token that is not read-only, or `berth login`"
                }
                // Nobody can give that.
                403 if problem.detail.contains("alone enters it") => return None,
                403 if problem.detail.contains("you signed in too long ago") => {
                    "`berth login`, and then this again within ten minutes"
                }
                403 if problem.detail.contains("own-elevation")
                    || problem.detail.contains("ask for themselves") =>
                {
                    "somebody else who could give you the role decides"
                }
                403 if problem.detail.contains("no role for a time does") => {
                    "ask an owner of the organisation to do it, or for a lasting role that permits it"
                }
                403 => {
                    "ask an owner of the organisation for this right, or for a role for a time: `berth elevations request --help`"
                }
                404 if problem.detail.contains("group") && doing.starts_with("create ") => {
                    "make the group first that it is to be in: `berth groups create PATH`; `berth groups list` shows those there are"
                }
                404 => missing(&problem.detail),
                412 => "somebody changed it meanwhile; look again with `get`, then try again",
                // 429 says itself when.
                503 => "the server is busy; try again in a moment",
                500..=599 => "the server's log says more under the request id",
                _ => return None,
            },
            Self::Foreign { .. } => {
                "check the URL with `berth contexts list`; is it a Berth server of this version?"
            }
            Self::Unreachable { source, .. } if is_untrusted(source) => {
                "if its certificate is signed by an authority of your own, name that authority's file: --ca-file FILE (BERTH_CA_FILE); \
                 `berth login URL --ca-file FILE` keeps it with the context"
            }
            Self::Unreachable { source, .. } if speaks_no_tls(source) => {
                "that address speaks without TLS: does its URL begin with http://, or is it another port?"
            }
            Self::Unreachable { source, .. } if root_cause(source).contains("invalid HTTP version") => {
                "that address speaks no HTTP, or speaks it by TLS: does its URL begin with https://?"
            }
            Self::Unreachable { .. } => "is the server running and the URL right? See `berth contexts list`",
            Self::Config { .. } => "correct the file, or move it away and log in again",
            Self::Tls(_) => {
                "install this system's CA certificates (Debian: ca-certificates), or give --ca-file"
            }
            Self::Overtaken { workspace, .. } => return Some(why(workspace)),
            Self::LoginEnded { .. }
            | Self::Denied(_)
            | Self::NotGranted { .. }
            | Self::AnswerTooLarge { .. }
            | Self::File { .. }
            | Self::Several { .. }
            | Self::Declined
            | Self::Other(_)
            | Self::Interrupted
            | Self::OutputClosed => return None,
        };
        Some(text.to_owned())
    }
}

/// What to do about a rule that forbids.
pub(crate) const OWNERS_SET_RULES: &str = "owners set the rules: `berth policy set`";

/// Who knows what a workspace waits for.
pub(crate) fn why(workspace: &str) -> String {
    format!("`berth why {workspace}` says what it waits for and who acts next")
}

/// Where to look for what is not there, by what the server says that it was.
fn missing(detail: &str) -> &'static str {
    let of = |word: &str| detail.contains(word);
    if detail.starts_with("there is no such token") {
        "`berth tokens list --state all` shows those that you may see"
    } else if of("variable") {
        "`berth variables list`, with the same --group, --project or --mine, shows those there are; one that is a file is meant with --kind file"
    } else if of("git credential") {
        "`berth git-credentials list`, with the same --group, --project or --mine, shows those there are"
    } else if of("elevation") {
        "`berth elevations list --state all` shows those that you may see"
    } else if of("orphan") {
        "`berth agents orphans AGENT` shows those there are"
    } else if of("agent") {
        "`berth agents list` shows those there are"
    } else if of("organization") {
        "`berth whoami` shows who you are and where, and whether you are suspended there; see --organization and BERTH_ORGANIZATION"
    } else if of("group") {
        "`berth groups list` shows those that you may see; `berth groups create PATH` makes one"
    } else if of("project") {
        "`berth projects list` shows those that you may see; `berth projects create PATH` makes one"
    } else if of("path") {
        "is this a Berth server of the same version, and its URL right? See `berth contexts list`"
    } else {
        "`berth list` shows the workspaces, `berth agents list` the agents"
    }
}

/// Statuses of a server or a proxy that is busy or just starting.
pub(crate) const fn is_transient(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// One sentence; of several fields that are wrong it names none, as all of them follow.
fn summary(problem: &Problem) -> &str {
    if problem.detail.is_empty() || problem.errors.len() > 1 { &problem.title } else { &problem.detail }
}

/// ` --context NAME`.
fn of(context: Option<&str>) -> String {
    context.map(|name| format!(" --context {name}")).unwrap_or_default()
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// `90s` is clearer than `90000ms`, and `1m 30s` than both.
fn duration(after: &Duration) -> String {
    jiff::SignedDuration::try_from(*after).map_or_else(|_| format!("{after:?}"), |after| format!("{after:#}"))
}

/// Whether no authority that this machine trusts has signed the server's certificate. What an I/O error carries is not among its
/// sources.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    matches!(of_tls(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// Whether what answers a greeting of TLS does not speak it.
fn speaks_no_tls(error: &(dyn StdError + 'static)) -> bool {
    matches!(of_tls(error), Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)))
}

/// What TLS has against it, if that is the cause.
fn of_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match carried {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The innermost source: `Connection refused`, where the outer ones only say that sending failed.
fn root_cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
