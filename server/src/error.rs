//! What can go wrong, by meaning. `http::problem` says how each looks to a client.

use berth_db::{ConfigurationUnreadable, Conflict, DbError, DbErrorKind};
use berth_planner::intent::TransitionError;
use berth_schema::elevations::ElevationState;
use berth_schema::{Action, AgentName, FieldError, Generation, ResourceKind};
use jiff::Timestamp;

use crate::http::wording;

mod reasons;

pub use reasons::{DenyReason, Unproven};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What was looked for and is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    Resource(ResourceKind),
    /// Of the REST API.
    Path,
    /// Of the port of metrics.
    MetricsPath,
    /// What would sign tokens.
    Issuer,
    KindOfVariable,
}

/// Why a request is not served. No message holds the value of a variable or a token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    MalformedRequest(String),
    #[error("{name}: {message}")]
    MalformedHeader { name: &'static str, message: String },
    #[error("the body is not JSON: {0}")]
    MalformedJson(String),
    #[error("{}", wording::unproven(*.0))]
    Unauthenticated(Unproven),
    #[error("{}", wording::denied(*action, *reason, rule.as_deref()))]
    Forbidden {
        action: Action,
        reason: DenyReason,
        /// Of the organisation's, by its name, where one decided.
        rule: Option<String>,
    },
    /// What was looked for, by the id or name that was given. It may exist for somebody else.
    #[error("there is no such {}", wording::sought(*what))]
    NotFound { what: Sought, id: Option<String> },
    /// The methods that the path knows, as in the header `Allow`.
    #[error("this path knows {allowed} only")]
    MethodNotAllowed { allowed: String },
    /// Whoever is on the way reads along.
    #[error(
        "what is not encrypted is answered to this machine and to the reverse proxies that the server was told of \
         (--trusted-proxies); use the address that begins with https://"
    )]
    InTheClear,
    #[error("the head did not arrive in time")]
    SlowHead,
    #[error("the head is larger than {limit} bytes, or has too many headers")]
    HeadTooLarge { limit: usize },
    /// For those who have proven nothing, when they may try again.
    #[error("too many requests without a valid token came from this address; try again in {seconds} seconds")]
    TooManyRequests { seconds: u64 },
    /// For those who have, when they may try again.
    #[error("{who} asks too fast; try again in {seconds} seconds")]
    TooFast { who: &'static str, seconds: u64 },
    #[error("this agent has {limit} questions waiting for an answer already, which is the most")]
    TooManyPolls { limit: usize },
    /// When it may try again.
    #[error("this agent tells and asks for more than an agent needs to; try again in {seconds} seconds")]
    TooManyReports { seconds: u64 },
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
        "no owner would be left who gets in and may set the rules: make somebody else an owner first, so that somebody can manage \
         the organization"
    )]
    LastOwner,
    #[error("the group holds {0}; move or delete that first")]
    GroupNotEmpty(&'static str),
    #[error("workspaces belong to the project; delete them first")]
    ProjectInUse,
    /// Somebody would gain or lose a role by it that whoever asks could not have given or taken.
    #[error("{0}; ask somebody who may give and take that role there")]
    RoleInTheWay(String),
    #[error("the role is {} already, so that nothing is left to decide or to end", .0.as_str())]
    ElevationOver(ElevationState),
    #[error("whoever asks for the role may do nothing in this organization any more")]
    ElevationOfNobody,
    #[error("you are a member of this organization already; the invitation stays open for somebody else")]
    AlreadyMember,
    #[error("the invitation was accepted: whoever joined by it is a member now, and can be removed as one")]
    InvitationAccepted,
    #[error(
        "the secret before the last rotation goes on until {until}; wait, or rotate without an overlap to end both"
    )]
    RotationPending { until: Timestamp },
    #[error(
        "the agent has not used its new token yet, and the one before it opens until {until}: give it the new one, or make another \
         in its place ('replace_unused'), or end every token at once ('overlap_seconds': 0)"
    )]
    AgentRotationPending { until: Timestamp },
    #[error(
        "its agent '{0}' was revoked, so nobody carries that out: have another agent of the same cluster adopt its workspaces, \
         or forget the workspace"
    )]
    WorkspaceStranded(AgentName),
    #[error("agent '{0}' was revoked, which is for good")]
    AgentRevoked(AgentName),
    #[error("its agent '{0}' is not revoked and can remove it: delete it instead of forgetting it")]
    AgentLives(AgentName),
    /// As the rest of a sentence about the agent.
    #[error("agent: {0}")]
    AgentNotAllowed(String),
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
    #[error("the policy is at version {current}; look at it again before changing it")]
    PolicyMismatch { current: i64 },
    #[error("the project is at version {current}; look at it again before changing it")]
    ProjectMismatch { current: i64 },
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
    #[error(
        "the identity provider does not answer as it has to; try again in a moment, and if it goes on tell whoever manages your \
         organization: this server's log says what is wrong"
    )]
    ProviderUnavailable,
    #[error(
        "the server looks into as many repositories as it can at a time; try again in a moment, or give the devfile"
    )]
    RepositoriesBusy,
    /// Between the decision and what was decided about.
    #[error("what you may do was changed at this very moment, so nothing was done; try again")]
    Overtaken,
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

    /// There is none of that id or name, or not for whoever asks.
    pub fn missing(kind: ResourceKind, id: &(impl ToString + ?Sized)) -> Self {
        Self::NotFound { what: Sought::Resource(kind), id: Some(id.to_string()) }
    }

    /// The same for what has no id.
    pub const fn nothing(what: Sought) -> Self {
        Self::NotFound { what, id: None }
    }

    /// Somebody may not do it, and no rule of an organisation is why.
    pub const fn denied(action: Action, reason: DenyReason) -> Self {
        Self::Forbidden { action, reason, rule: None }
    }

    /// Whether it would be done for whoever proves anew who they are.
    pub(crate) const fn is_for_a_step_up(&self) -> bool {
        matches!(self, Self::Forbidden { reason, .. } if reason.is_for_a_step_up())
    }

    /// Why somebody was refused, for the log: more than they are told.
    pub const fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Unauthenticated(reason) => Some(reason.as_str()),
            Self::Forbidden { reason, .. } => Some(reason.as_str()),
            _ => None,
        }
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
            | Self::TooFast { .. }
            | Self::TooManyPolls { .. }
            | Self::TooManyReports { .. }
            | Self::TooManyStreams { .. }
            | Self::DeadlineExceeded { .. }
            | Self::ProviderUnavailable
            | Self::RepositoriesBusy
            | Self::Overtaken
            | Self::Unavailable(_) => true,
            Self::MalformedRequest(_)
            | Self::MalformedHeader { .. }
            | Self::MalformedJson(_)
            | Self::Unauthenticated(_)
            | Self::Forbidden { .. }
            | Self::InTheClear
            | Self::NotFound { .. }
            | Self::MethodNotAllowed { .. }
            | Self::NameTaken { .. }
            | Self::LastFullToken
            | Self::LastOwner
            | Self::GroupNotEmpty(_)
            | Self::ProjectInUse
            | Self::RoleInTheWay(_)
            | Self::AlreadyMember
            | Self::ElevationOver(_)
            | Self::ElevationOfNobody
            | Self::InvitationAccepted
            | Self::TokenEnded
            | Self::RotationPending { .. }
            | Self::AgentRotationPending { .. }
            | Self::AgentRevoked(_)
            | Self::WorkspaceStranded(_)
            | Self::AgentLives(_)
            | Self::AgentNotAllowed(_)
            | Self::NotAdopted(_)
            | Self::WrongState(_)
            | Self::StaleEpoch { .. }
            | Self::GenerationMismatch { .. }
            | Self::ConfigurationMismatch { .. }
            | Self::PolicyMismatch { .. }
            | Self::ProjectMismatch { .. }
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
            DbErrorKind::Conflict(Conflict::TokenEnded) => Self::Unauthenticated(Unproven::AgentTokenEnded),
            DbErrorKind::Conflict(Conflict::SessionEnded) => Self::Unauthenticated(Unproven::Revoked),
            DbErrorKind::Conflict(Conflict::Overtaken) => Self::Overtaken,
            kind if kind.retryable() => Self::Unavailable(Box::new(error)),
            _ => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_what_was_sought_and_says_as_much_as_it_may() {
        let missing = Error::missing(ResourceKind::Workspace, "w");
        let Error::NotFound { what: Sought::Resource(kind), id } = &missing else { panic!("{missing:?}") };
        assert_eq!((*kind, id.as_deref()), (ResourceKind::Workspace, Some("w")));
        assert_eq!(missing.to_string(), "there is no such workspace");
        let denied = Error::denied(Action::StopWorkspace, DenyReason::ReadOnlyToken);
        assert_eq!(denied.to_string(), "this token may look at everything and change nothing");
        let told: Vec<_> = [Unproven::Expired, Unproven::FormerSecret, Unproven::Revoked]
            .map(Error::Unauthenticated)
            .iter()
            .map(|error| (error.to_string(), error.refusal()))
            .collect();
        assert!(told.windows(2).all(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1), "{told:?}");
    }
}
