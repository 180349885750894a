//! What can go wrong, by meaning. `http::problem` says how each looks to a client.

use berth_db::{ConfigurationUnreadable, Conflict, DbError, DbErrorKind};
use berth_planner::intent::TransitionError;
use berth_schema::{AgentName, FieldError, Generation};
use jiff::Timestamp;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a request is not served. No message holds the value of a variable or a token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    MalformedRequest(String),
    #[error("{name}: {message}")]
    MalformedHeader { name: &'static str, message: String },
    #[error("the body is not JSON: {0}")]
    MalformedJson(String),
    #[error("{0}")]
    Unauthenticated(&'static str),
    #[error("{0}")]
    Forbidden(&'static str),
    /// What was looked for. It may exist for somebody else.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The methods that the path knows, as in the header `Allow`.
    #[error("this path knows {allowed} only")]
    MethodNotAllowed { allowed: String },
    #[error("the head did not arrive in time")]
    SlowHead,
    #[error("the head is larger than {limit} bytes, or has too many headers")]
    HeadTooLarge { limit: usize },
    /// For those who have proven nothing, when they may try again.
    #[error("too many requests without a valid token came from this address; try again in {seconds} seconds")]
    TooManyRequests { seconds: u64 },
    #[error("this agent has {limit} questions waiting for an answer already, which is the most")]
    TooManyPolls { limit: usize },
    #[error("the body did not arrive within {seconds} seconds")]
    SlowBody { seconds: u64 },
    #[error("there is already {what} named '{name}'; choose another name")]
    NameTaken { what: &'static str, name: String },
    #[error(
        "this is the last token that may change anything: without it nobody can manage the organization; make another one \
         first, or say with 'force' that it is meant (`berth-server token create` on the server's machine makes a new one)"
    )]
    LastFullToken,
    #[error(
        "the secret before the last rotation goes on until {until}; wait, or rotate without an overlap to end both"
    )]
    RotationPending { until: Timestamp },
    #[error(
        "its agent '{0}' was revoked, so nobody carries that out: have another agent of the same cluster adopt its workspaces, \
         or forget the workspace"
    )]
    WorkspaceStranded(AgentName),
    #[error("agent '{0}' was revoked, which is for good")]
    AgentRevoked(AgentName),
    #[error("its agent '{0}' is not revoked and can remove it: delete it instead of forgetting it")]
    AgentLives(AgentName),
    #[error("{0}")]
    NotAdopted(String),
    #[error("the token was revoked, which is for good; make another one")]
    TokenEnded,
    #[error(transparent)]
    WrongState(#[from] TransitionError),
    #[error("epoch {given} is over: epoch {current} has begun, so this agent must no longer act")]
    StaleEpoch { given: i64, current: i64 },
    #[error("the workspace is at generation {current}; look at it again before changing it")]
    GenerationMismatch { current: Generation },
    #[error("the configuration is at version {current}; look at it again before changing it")]
    ConfigurationMismatch { current: i64 },
    #[error(
        "this version of the server cannot read the agent's configuration: set it anew, or run the version that wrote it"
    )]
    ConfigurationUnreadable,
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("{0}")]
    UnsupportedMediaType(String),
    #[error("{}", summary(.0))]
    Invalid(Vec<FieldError>),
    /// Each quota that has no room for it.
    #[error("{}", summary(.0))]
    QuotaExceeded(Vec<FieldError>),
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    #[error("{of} holds {limit} streams of events already, which is the most; close one or try again later")]
    TooManyStreams { limit: usize, of: &'static str },
    #[error("the request took longer than {seconds} seconds and was given up")]
    DeadlineExceeded { seconds: u64 },
    #[error("the database cannot be reached or is too busy; try again")]
    Unavailable(#[source] Source),
    #[error("something went wrong in the server; its log says what")]
    Internal(#[source] Source),
}

impl Error {
    /// One field that is wrong.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// A header that cannot be read.
    pub fn header(name: &'static str, message: impl Into<String>) -> Self {
        Self::MalformedHeader { name, message: message.into() }
    }

    pub fn internal(source: impl Into<Source>) -> Self {
        Self::Internal(source.into())
    }

    /// Whether the same request may succeed later without being changed.
    pub fn retryable(&self) -> bool {
        match self {
            Self::SlowBody { .. }
            | Self::SlowHead
            | Self::TooManyRequests { .. }
            | Self::TooManyPolls { .. }
            | Self::TooManyStreams { .. }
            | Self::DeadlineExceeded { .. }
            | Self::Unavailable(_) => true,
            Self::MalformedRequest(_)
            | Self::MalformedHeader { .. }
            | Self::MalformedJson(_)
            | Self::Unauthenticated(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed { .. }
            | Self::NameTaken { .. }
            | Self::LastFullToken
            | Self::TokenEnded
            | Self::RotationPending { .. }
            | Self::AgentRevoked(_)
            | Self::WorkspaceStranded(_)
            | Self::AgentLives(_)
            | Self::NotAdopted(_)
            | Self::WrongState(_)
            | Self::StaleEpoch { .. }
            | Self::GenerationMismatch { .. }
            | Self::ConfigurationMismatch { .. }
            | Self::ConfigurationUnreadable
            | Self::BodyTooLarge { .. }
            | Self::HeadTooLarge { .. }
            | Self::UnsupportedMediaType(_)
            | Self::Invalid(_)
            | Self::QuotaExceeded(_)
            | Self::KeyReused
            | Self::Internal(_) => false,
        }
    }
}

fn summary(errors: &[FieldError]) -> String {
    match errors {
        [] => "the request is not valid".to_owned(),
        [only] => format!("{}: {}", only.field, only.message),
        [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.message, rest.len()),
    }
}

impl From<ConfigurationUnreadable> for Error {
    fn from(_: ConfigurationUnreadable) -> Self {
        Self::ConfigurationUnreadable
    }
}

impl From<DbError> for Error {
    /// For what no service told apart before. A row that is missing or taken where nobody expected it is our mistake.
    fn from(error: DbError) -> Self {
        match &error.kind {
            DbErrorKind::Conflict(Conflict::Generation { current }) => {
                Self::GenerationMismatch { current: *current }
            }
            DbErrorKind::Conflict(Conflict::Terminated) => Self::WrongState(TransitionError::Terminated),
            DbErrorKind::Conflict(Conflict::TokenEnded) => {
                Self::Unauthenticated("the agent's token was replaced or revoked")
            }
            kind if kind.retryable() => Self::Unavailable(Box::new(error)),
            _ => Self::internal(error),
        }
    }
}
