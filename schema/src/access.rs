//! Access tokens as the REST API shows and makes them: `…/tokens`.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text::is_plain;
use crate::{SubjectId, TokenId};

/// The longest that a replaced secret goes on opening.
pub const MAX_OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The longest that a token lives, from when its secret is made.
pub const MAX_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(366 * 24);

/// How long it lives where nobody says it.
pub const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What a token may do in its organisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenScope {
    /// Everything.
    #[default]
    Full,
    /// What changes nothing.
    ReadOnly,
    /// One that this version does not know: it opens nothing.
    #[serde(other)]
    Unknown,
}

impl TokenScope {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a request may be made with it: one that only `reads`, or any.
    pub const fn allows(self, reads: bool) -> bool {
        match self {
            Self::Full => true,
            Self::ReadOnly => reads,
            Self::Unknown => false,
        }
    }
}

impl From<String> for TokenScope {
    /// As it is stored. What a later version stored is no right in this one.
    fn from(text: String) -> Self {
        [Self::Full, Self::ReadOnly].into_iter().find(|scope| scope.as_str() == text).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectKind {
    User,
    Service,
}

impl SubjectKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

/// A text that names no kind of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no kind of subject")]
pub struct UnknownSubjectKind;

impl FromStr for SubjectKind {
    type Err = UnknownSubjectKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::User, Self::Service].into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownSubjectKind)
    }
}

/// What a subject is in its organisation. What each role may do is said by the organisation's policy; the built-in one is
/// in `server/policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Agents, settings and everybody's workspaces, but not who may do what.
    Maintainer,
    /// Workspaces of their own.
    Developer,
    /// Looks, and changes nothing.
    Viewer,
    /// Looks, also at whose tokens there are, at the policy and at what was done.
    Auditor,
    /// One that this version does not know: it may do nothing.
    #[serde(other)]
    Unknown,
}

impl Role {
    /// Every one that can be given.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Maintainer, Self::Developer, Self::Viewer, Self::Auditor];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Maintainer => "maintainer",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
            Self::Unknown => "unknown",
        }
    }

    /// Whether whoever has this role may give the other one: it lets nobody do what this one does not.
    pub const fn includes(self, other: Self) -> bool {
        match (self, other) {
            (_, Self::Unknown) | (Self::Unknown, _) => false,
            (Self::Owner, _)
            | (Self::Maintainer, Self::Maintainer | Self::Developer | Self::Viewer)
            | (Self::Developer, Self::Developer)
            | (Self::Viewer, Self::Viewer)
            | (Self::Auditor, Self::Auditor | Self::Viewer) => true,
            (Self::Maintainer | Self::Developer | Self::Viewer | Self::Auditor, _) => false,
        }
    }
}

impl From<String> for Role {
    /// As it is stored. What a later version stored is no right in this one.
    fn from(text: String) -> Self {
        Self::ALL.into_iter().find(|role| role.as_str() == text).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is not the name of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenNameError {
    #[error("must have 1 to {} characters", TokenName::MAX)]
    Length,
    #[error("must be letters, digits, spaces and . _ - @ + : ( ), with no space at its ends")]
    Characters,
    #[error("must not look like an id")]
    Id,
}

/// What a person calls a token: shown in lists and timelines, and typed in commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("minLength" = 1, "maxLength" = TokenName::MAX))]
pub struct TokenName(String);

impl TokenName {
    /// The longest, in characters.
    pub const MAX: usize = 100;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenName {
    type Error = TokenNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if !(1..=Self::MAX).contains(&text.chars().count()) {
            return Err(TokenNameError::Length);
        }
        let drawn = |c: char| c.is_alphanumeric() && is_plain(c);
        let right = text.chars().all(|c| drawn(c) || " ._-@+:()".contains(c));
        if !right || text.trim() != text {
            return Err(TokenNameError::Characters);
        }
        if text.parse::<TokenId>().is_ok() {
            return Err(TokenNameError::Id);
        }
        Ok(Self(text))
    }
}

impl FromStr for TokenName {
    type Err = TokenNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<TokenName> for String {
    fn from(name: TokenName) -> Self {
        name.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `POST …/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "name": "nightly build", "scope": "read-only", "role": "developer" }]))]
pub struct CreateToken {
    /// Unique among the organisation's tokens that are not revoked.
    pub name: TokenName,
    #[serde(default)]
    pub scope: TokenScope,
    /// At most [`MAX_TOKEN_LIFE`] from now. Absent: after [`TOKEN_LIFE`], or when the token that makes it ends, if that is earlier.
    #[serde(default, deserialize_with = "asked_time", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// It is another token of whoever makes it, and shares their quotas and the keys of their repeated requests; otherwise it
    /// is somebody else's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_subject: bool,
    /// What somebody else is to be in the organisation; absent: what whoever makes it is. Never more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// `POST …/tokens/{token}/rotate`: another secret for the same token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateToken {
    /// For so many seconds the secret before goes on opening, at most [`MAX_OVERLAP`]; 0: it ends at once.
    #[serde(default)]
    #[schemars(range(max = MAX_OVERLAP.as_secs()))]
    pub overlap_seconds: u64,
    /// When the token ends, at most [`MAX_TOKEN_LIFE`] from now; absent: as before, and after [`TOKEN_LIFE`] where that was later or never.
    #[serde(default, deserialize_with = "asked_time", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// `POST …/tokens/{token}/revoke`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeToken {
    /// Even the last one that may change anything.
    #[serde(default)]
    pub force: bool,
}

/// What opens an organisation for one of its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// Somebody has made it, and has its secret.
    #[default]
    AccessToken,
    /// A browser or a command line in which the member is signed in, and has been to the organisation. Nobody has a secret of it; what is
    /// revoked opens nothing there until its person has proven anew who they are.
    Session,
}

impl TokenKind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_usual(&self) -> bool {
        *self == Self::AccessToken
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// A part of the token's text (`sid`): whose text was found somewhere is found here.
    pub id: TokenId,
    /// Whose it is. Absent: the server is of a version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<SubjectId>,
    /// What whose it is is called. Absent: they are gone, or the server is of a version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<String>,
    /// Absent: `access-token`.
    #[serde(default, skip_serializing_if = "TokenKind::is_usual")]
    pub kind: TokenKind,
    pub name: String,
    pub scope: TokenScope,
    pub created_at: Timestamp,
    /// The token that made it; absent: it was made on the server's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<TokenId>,
    /// That token's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by_name: Option<String>,
    /// Within a minute or so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Timestamp>,
    /// Until then the secret before the last rotation opens too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_valid_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// The id of the key that signed its newest secret; absent: it is an opaque one of before, or the server is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// That key is believed no more: the token would go on, and opens nothing before it has another secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_revoked: bool,
}

/// The answer to a creation or a rotation: the only time that the secret is shown.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenCreated {
    #[serde(flatten)]
    pub details: Token,
    /// What whose it is is in the organisation. Absent: of a rotation, or the server is of a version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    pub token: String,
}

impl fmt::Debug for TokenCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCreated").field("details", &self.details).finish_non_exhaustive()
    }
}

/// A time that somebody asks for: what is none is said in words that do not depend on how it is read.
fn asked_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let time = |text: String| {
        text.parse().map_err(|_| {
            D::Error::custom("must be a time as in 2026-12-31T23:59:59Z, before the year 9999 is over")
        })
    };
    text.map(time).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_person_can_read_and_type() {
        for good in ["first administrator", "CI (main)", "Zoë@büro", "日本", "a"] {
            assert!(good.parse::<TokenName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a\tb",
            "a\u{0}",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{ad}b",
            "\u{3164}",
            "a/b",
            "a\u{e0041}",
        ] {
            assert!(bad.parse::<TokenName>().is_err(), "{bad:?}");
        }
        assert_eq!("a".repeat(101).parse::<TokenName>(), Err(TokenNameError::Length));
        assert_eq!(TokenId::random().to_string().parse::<TokenName>(), Err(TokenNameError::Id));
    }

    #[test]
    fn a_role_of_a_later_version_is_no_right_and_cannot_be_given() {
        let role = Role::from("emperor".to_owned());
        assert_eq!(role, Role::Unknown);
        assert_eq!(serde_json::from_str::<Role>("\"emperor\"").expect("text"), Role::Unknown);
        assert!(
            Role::ALL.iter().all(|given| !given.includes(Role::Unknown) && !Role::Unknown.includes(*given))
        );
        assert!(Role::ALL.iter().all(|given| Role::from(given.as_str().to_owned()) == *given));
    }

    #[test]
    fn a_scope_of_a_later_version_opens_nothing() {
        let scope = TokenScope::from("billing".to_owned());
        assert_eq!((scope, scope.allows(true), scope.allows(false)), (TokenScope::Unknown, false, false));
        assert_eq!(serde_json::from_str::<TokenScope>("\"billing\"").expect("text"), TokenScope::Unknown);
        assert!(TokenScope::ReadOnly.allows(true) && !TokenScope::ReadOnly.allows(false));
    }

    #[test]
    fn a_time_that_is_none_is_refused_in_words_that_say_what_would_be_one() {
        for bad in ["9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "tomorrow", "2026-12-31"] {
            let words = [
                serde_json::from_value::<CreateToken>(serde_json::json!({"name": "ci", "expires_at": bad}))
                    .expect_err("no time")
                    .to_string(),
                serde_json::from_value::<RotateToken>(serde_json::json!({"expires_at": bad}))
                    .expect_err("no time")
                    .to_string(),
            ];
            assert!(
                words.iter().all(|words| words.starts_with("must be a time as in 2026-12-31T23:59:59Z")),
                "{words:?}"
            );
        }
        let good = serde_json::json!({"name": "ci", "expires_at": "2026-12-31T23:59:59Z"});
        assert!(serde_json::from_value::<CreateToken>(good).expect("a time").expires_at.is_some());
    }
}
