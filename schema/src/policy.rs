//! Who may do what, as the REST API shows and takes it: `…/policy` and `…/can-i`.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Role, SubjectKind, TokenScope};
use crate::elevations::Elevated;
use crate::{FieldError, GroupId, SubjectId};

/// The most questions that a set of rules is tried with at once.
pub const MAX_QUESTIONS: usize = 200;

/// `GET …/policy`: the rules of an organisation, in Cedar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    #[serde(flatten)]
    pub details: PolicyVersion,
    pub rules: String,
    /// What rules may speak of, as a schema of Cedar.
    pub schema: String,
}

/// One version of them, as the history lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyVersion {
    /// +1 with each that is set, from 1; 0: none was ever set.
    pub version: i64,
    /// The server's own rules hold, as they are in its version.
    pub built_in: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Who set it; absent: nobody, or somebody at the server's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<SubjectId>,
}

/// `PUT …/policy`: replaces the rules whole. Either of the two is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "rules": "@id(\"owners\") permit (principal, action, resource) when { principal.role == \"owner\" };" }]))]
pub struct SetPolicy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// Back to the server's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub built_in: bool,
}

/// `POST …/policy/test`: what rules would answer, without taking them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "questions": [{ "role": "developer", "action": "workspace.stop", "own": true, "expect": true }] }]))]
pub struct TestPolicy {
    /// Absent: those that hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// At most [`MAX_QUESTIONS`].
    #[schemars(length(max = MAX_QUESTIONS))]
    pub questions: Vec<Question>,
}

/// Whether somebody may do something. What is not said is as it mostly is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub role: Role,
    /// As in `workspace.stop`.
    pub action: String,
    /// The id of what it is done to; absent: of something that no rule names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// It is theirs; of a token that is to be made: for themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// The groups that it is in, at most 9.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupId>,
    /// What they are there, beside what they are in the organisation; at most 9.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Role>,
    /// Absent: somebody that no rule names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    #[serde(default = "user")]
    pub kind: SubjectKind,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Of their token.
    #[serde(default)]
    pub scope: TokenScope,
    /// By a session that is so old, in place of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_age_seconds: Option<u64>,
    /// In which they did nothing for so long; 0 where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_idle_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mfa: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What the answer should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<bool>,
}

const fn user() -> SubjectKind {
    SubjectKind::User
}

/// The answers, in the order of the questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyTested {
    pub answers: Vec<Answer>,
}

/// What was decided, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    pub allowed: bool,
    /// A word, as in `not-permitted`.
    pub reason: String,
    /// The names of the rules that settled it; none: no rule permits it.
    pub rules: Vec<String>,
}

/// What somebody is at a group or a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Given {
    pub role: Role,
    /// "group" or "project".
    pub at: String,
    pub path: String,
}

/// `GET …/can-i`: what whoever asks may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Permission {
    pub action: String,
    /// The id of what was asked about.
    pub resource: String,
    pub role: Role,
    /// What they are at groups and projects, where that counts for the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Given>,
    /// What they are there for a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elevations: Vec<Elevated>,
    /// Of the rules that were asked.
    pub policy_version: i64,
    /// Where it is permitted and would be refused all the same at the moment: the field and the words of that refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objection: Option<FieldError>,
    #[serde(flatten)]
    pub answer: Answer,
}
