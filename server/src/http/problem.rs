//! How each error looks to a client: RFC 9457 problem details. The kinds are described in `docs/errors.md`.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use berth_schema::Problem;

use crate::Error;

pub const CONTENT_TYPE_PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const PREFIX: &str = "urn:berth:problem:";

/// A kind of problem: stable, so that clients may decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub slug: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $slug:literal, $status:ident, $title:literal;)+) => {
        $(const $name: Kind = Kind { slug: $slug, status: StatusCode::$status, title: $title };)+
        /// Every kind there is.
        pub const KINDS: &[Kind] = &[$($name,)+];
    };
}

kinds! {
    MALFORMED_REQUEST = "malformed-request", BAD_REQUEST, "The request is malformed";
    MALFORMED_JSON = "malformed-json", BAD_REQUEST, "The body is not JSON";
    UNAUTHENTICATED = "unauthenticated", UNAUTHORIZED, "A valid token is needed";
    FORBIDDEN = "forbidden", FORBIDDEN, "This token may not do that";
    TLS_REQUIRED = "tls-required", FORBIDDEN, "This address is for reverse proxies";
    QUOTA_EXCEEDED = "quota-exceeded", FORBIDDEN, "A quota has no room for that";
    NOT_FOUND = "not-found", NOT_FOUND, "Not found";
    METHOD_NOT_ALLOWED = "method-not-allowed", METHOD_NOT_ALLOWED, "The path does not know this method";
    SLOW_HEAD = "slow-head", REQUEST_TIMEOUT, "The head came too slowly";
    SLOW_BODY = "slow-body", REQUEST_TIMEOUT, "The body came too slowly";
    NAME_TAKEN = "name-taken", CONFLICT, "The name is taken";
    LAST_OWNER = "last-owner", CONFLICT, "Nobody could manage the organization any more";
    GROUP_NOT_EMPTY = "group-not-empty", CONFLICT, "Something is in the group";
    PROJECT_IN_USE = "project-in-use", CONFLICT, "Workspaces belong to the project";
    ROLE_IN_THE_WAY = "role-in-the-way", CONFLICT, "Somebody's role would change by it";
    ALREADY_MEMBER = "already-member", CONFLICT, "Already a member";
    ELEVATION_OVER = "elevation-over", CONFLICT, "The role was decided about, or has ended";
    INVITATION_ACCEPTED = "invitation-accepted", CONFLICT, "The invitation was accepted";
    LAST_FULL_TOKEN = "last-full-token", CONFLICT, "Nobody could manage the organization any more";
    TOKEN_ENDED = "token-ended", CONFLICT, "The token has ended";
    ROTATION_PENDING = "rotation-pending", CONFLICT, "An earlier rotation is not over";
    AGENT_REVOKED = "agent-revoked", CONFLICT, "The agent was revoked";
    AGENT_LIVES = "agent-lives", CONFLICT, "The agent is not revoked";
    AGENT_NOT_ALLOWED = "agent-not-allowed", CONFLICT, "The agent does not take this workspace";
    NOT_ADOPTED = "not-adopted", CONFLICT, "The workspaces cannot be adopted";
    WRONG_STATE = "wrong-state", CONFLICT, "The workspace's state does not allow that";
    STALE_EPOCH = "stale-epoch", CONFLICT, "Another replica of this agent leads";
    GENERATION_MISMATCH = "generation-mismatch", PRECONDITION_FAILED, "The workspace was changed in the meantime";
    CONFIGURATION_UNREADABLE = "configuration-unreadable", CONFLICT, "The agent's configuration cannot be read";
    POLICY_MISMATCH = "policy-mismatch", PRECONDITION_FAILED, "The policy was changed in the meantime";
    CONFIGURATION_MISMATCH = "configuration-mismatch", PRECONDITION_FAILED, "The configuration was changed in the meantime";
    PROJECT_MISMATCH = "project-mismatch", PRECONDITION_FAILED, "The project was changed in the meantime";
    BODY_TOO_LARGE = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body's type is not supported";
    INVALID = "invalid", UNPROCESSABLE_ENTITY, "The request is not valid";
    KEY_REUSED = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key belongs to another request";
    HEAD_TOO_LARGE = "head-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The head is too large";
    TOO_MANY_REQUESTS = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests without a valid token";
    TOO_FAST = "too-fast", TOO_MANY_REQUESTS, "Too many requests by one token, or of one person";
    TOO_MANY_POLLS = "too-many-polls", TOO_MANY_REQUESTS, "Too many questions wait for an answer";
    TOO_MANY_REPORTS = "too-many-reports", TOO_MANY_REQUESTS, "The agent tells and asks too much";
    TOO_MANY_STREAMS = "too-many-streams", TOO_MANY_REQUESTS, "Too many streams are open";
    DEADLINE_EXCEEDED = "deadline-exceeded", SERVICE_UNAVAILABLE, "The request took too long";
    UNAVAILABLE = "unavailable", SERVICE_UNAVAILABLE, "Not available at the moment";
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, "Internal error";
}

impl Kind {
    pub fn urn(self) -> String {
        format!("{PREFIX}{}", self.slug)
    }
}

impl Error {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::MalformedRequest(_) | Self::MalformedHeader { .. } => MALFORMED_REQUEST,
            Self::MalformedJson(_) => MALFORMED_JSON,
            Self::Unauthenticated(_) => UNAUTHENTICATED,
            Self::Forbidden { .. } => FORBIDDEN,
            Self::InTheClear => TLS_REQUIRED,
            Self::QuotaExceeded(_) => QUOTA_EXCEEDED,
            Self::NotFound { .. } => NOT_FOUND,
            Self::MethodNotAllowed { .. } => METHOD_NOT_ALLOWED,
            Self::SlowBody { .. } => SLOW_BODY,
            Self::SlowHead => SLOW_HEAD,
            Self::HeadTooLarge { .. } => HEAD_TOO_LARGE,
            Self::TooManyRequests { .. } => TOO_MANY_REQUESTS,
            Self::TooFast { .. } => TOO_FAST,
            Self::TooManyPolls { .. } => TOO_MANY_POLLS,
            Self::TooManyReports { .. } => TOO_MANY_REPORTS,
            Self::NameTaken { .. } => NAME_TAKEN,
            Self::LastFullToken => LAST_FULL_TOKEN,
            Self::LastOwner => LAST_OWNER,
            Self::GroupNotEmpty(_) => GROUP_NOT_EMPTY,
            Self::ProjectInUse => PROJECT_IN_USE,
            Self::RoleInTheWay(_) => ROLE_IN_THE_WAY,
            Self::AlreadyMember => ALREADY_MEMBER,
            Self::ElevationOver(_) | Self::ElevationOfNobody => ELEVATION_OVER,
            Self::InvitationAccepted => INVITATION_ACCEPTED,
            Self::TokenEnded => TOKEN_ENDED,
            Self::AgentRevoked(_) | Self::WorkspaceStranded(_) => AGENT_REVOKED,
            Self::AgentLives(_) => AGENT_LIVES,
            Self::AgentNotAllowed(_) => AGENT_NOT_ALLOWED,
            Self::NotAdopted(_) => NOT_ADOPTED,
            Self::RotationPending { .. } | Self::AgentRotationPending { .. } => ROTATION_PENDING,
            Self::WrongState(_) => WRONG_STATE,
            Self::StaleEpoch { .. } => STALE_EPOCH,
            Self::GenerationMismatch { .. } => GENERATION_MISMATCH,
            Self::ConfigurationMismatch { .. } => CONFIGURATION_MISMATCH,
            Self::PolicyMismatch { .. } => POLICY_MISMATCH,
            Self::ProjectMismatch { .. } => PROJECT_MISMATCH,
            Self::ConfigurationUnreadable => CONFIGURATION_UNREADABLE,
            Self::BodyTooLarge { .. } => BODY_TOO_LARGE,
            Self::UnsupportedMediaType(_) => UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => INVALID,
            Self::KeyReused => KEY_REUSED,
            Self::TooManyStreams { .. } => TOO_MANY_STREAMS,
            Self::DeadlineExceeded { .. } => DEADLINE_EXCEEDED,
            Self::ProviderUnavailable | Self::RepositoriesBusy | Self::Overtaken | Self::Unavailable(_) => {
                UNAVAILABLE
            }
            Self::Internal(_) => INTERNAL,
        }
    }

    /// The problem details; the request id is added where the response leaves.
    pub fn problem(&self) -> Problem {
        let kind = self.kind();
        let errors = match self {
            Self::Invalid(errors) | Self::QuotaExceeded(errors) => errors.clone(),
            Self::MalformedHeader { name, message } => {
                vec![berth_schema::FieldError::new(*name, message.as_str())]
            }
            Self::AgentNotAllowed(why) => vec![berth_schema::FieldError::new("agent", why.as_str())],
            Self::NameTaken { .. } => vec![berth_schema::FieldError::new("name", self.to_string())],
            Self::GenerationMismatch { .. }
            | Self::ConfigurationMismatch { .. }
            | Self::PolicyMismatch { .. }
            | Self::ProjectMismatch { .. } => {
                vec![berth_schema::FieldError::new("If-Match", self.to_string())]
            }
            _ => Vec::new(),
        };
        Problem {
            kind: kind.urn(),
            title: kind.title.to_owned(),
            status: kind.status.as_u16(),
            detail: self.to_string(),
            request_id: None,
            errors,
            step_up: self.is_for_a_step_up(),
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.kind().status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = response_of(&self.problem());
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"berth\""));
            }
            Self::MethodNotAllowed { allowed } => {
                if let Ok(allowed) = HeaderValue::from_str(allowed) {
                    headers.insert(ALLOW, allowed);
                }
            }
            Self::TooManyRequests { seconds }
            | Self::TooFast { seconds, .. }
            | Self::TooManyReports { seconds } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            _ if self.retryable() => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// A problem as a response.
pub fn response_of(problem: &Problem) -> HttpResponse {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status).json(problem);
    response.headers_mut().insert(CONTENT_TYPE, CONTENT_TYPE_PROBLEM);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unproven;

    #[test]
    fn every_kind_is_described_for_people() {
        let page = include_str!("../../../docs/errors.md");
        for kind in KINDS {
            let row = format!("| `{}` | {} |", kind.slug, kind.status.as_u16());
            assert!(page.contains(&row), "docs/errors.md lacks the row {row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, KINDS.len(), "docs/errors.md describes a kind that does not exist");
    }

    #[test]
    fn a_refused_token_says_how_to_bring_one() {
        let response = Error::Unauthenticated(Unproven::NoHeader).error_response();
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    }

    #[test]
    fn what_may_be_tried_again_says_when() {
        let response = Error::DeadlineExceeded { seconds: 30 }.error_response();
        assert!(response.headers().contains_key(RETRY_AFTER));
        assert!(!Error::KeyReused.error_response().headers().contains_key(RETRY_AFTER));
    }
}
