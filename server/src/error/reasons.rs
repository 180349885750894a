//! Why somebody is refused: what is not theirs to do, and what was not proven.

/// Why somebody who has proven who they are may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    ReadOnlyToken,
    /// An agent asked for what is for members.
    IsAgent,
    /// A member asked for what is for agents.
    IsNoAgent,
    /// A token of an organisation asked for what is an account's.
    IsNoAccount,
    /// The token ends before the one that it would give another secret.
    EndsEarlier,
    /// No rule of the organisation permits it.
    NotPermitted,
    /// A rule of the organisation forbids it.
    Rule,
    /// A rule of the organisation could not be evaluated.
    RuleFailed,
    Suspended,
    /// The role is of a later version.
    UnknownRole,
    /// The session was not proven by a provider of the organisation that brought the user in.
    OtherProvider,
    /// They have signed in too long ago for what changes how they sign in.
    NotRecent,
    /// A workspace lets in the person who made it.
    IsNotTheirs,
    /// Nobody decides about a role that they ask for themselves.
    OwnElevation,
    /// They may once they have proven anew who they are,
    StepUp,
    /// which the provider that has brought them in does.
    StepUpByProvider,
    /// Somebody has taken their session out of the organisation: it opens nothing there before they have proven anew who they are,
    SessionRevoked,
    /// which the provider that has brought them in does.
    SessionRevokedByProvider,
    /// What was open by this login was ended from elsewhere: it opens nothing there before it is made anew.
    ConnectionEnded,
}

impl DenyReason {
    /// They may once they have proven anew who they are: by what can, for somebody whom a provider has brought in or not.
    pub const fn step_up(is_provided: bool) -> Self {
        if is_provided { Self::StepUpByProvider } else { Self::StepUp }
    }

    /// The same for a session that somebody has taken out of the organisation.
    pub const fn session_revoked(is_provided: bool) -> Self {
        if is_provided { Self::SessionRevokedByProvider } else { Self::SessionRevoked }
    }

    /// Whether they may once they have proven anew who they are.
    pub const fn is_for_a_step_up(self) -> bool {
        matches!(
            self,
            Self::StepUp | Self::StepUpByProvider | Self::SessionRevoked | Self::SessionRevokedByProvider
        )
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnlyToken => "read-only-token",
            Self::IsAgent => "is-agent",
            Self::IsNoAgent => "is-no-agent",
            Self::IsNoAccount => "is-no-account",
            Self::EndsEarlier => "ends-earlier",
            Self::NotPermitted => "not-permitted",
            Self::Rule => "forbidden-by-rule",
            Self::RuleFailed => "rule-failed",
            Self::Suspended => "suspended",
            Self::UnknownRole => "unknown-role",
            Self::OtherProvider => "other-provider",
            Self::NotRecent => "not-recent",
            Self::IsNotTheirs => "is-not-theirs",
            Self::OwnElevation => "own-elevation",
            Self::StepUp | Self::StepUpByProvider => "step-up",
            Self::SessionRevoked | Self::SessionRevokedByProvider => "session-revoked",
            Self::ConnectionEnded => "connection-ended",
        }
    }
}

/// Why it is not proven who asks. Clients are not told which of the last ones it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// No header, or several.
    NoHeader,
    NoBearer,
    /// It was proven, and the token was revoked or rotated since.
    Changed,
    /// The same for an agent's token.
    AgentTokenEnded,
    NoToken,
    UnknownToken,
    /// A secret that the token had before, for longer than it was to go on.
    FormerSecret,
    Expired,
    Revoked,
    /// The subject, or its account.
    Suspended,
    /// A page was asked for by nobody who is signed in.
    NoSession,
    /// A link that signs in was never made, or is not whole.
    UnknownLink,
    /// It was used, or is too old.
    LinkOver,
    /// A form was sent by another site's page.
    OtherOrigin,
    /// A browser comes back from a provider that was not sent there, or comes late or a second time.
    UnknownAttempt,
    /// The provider has not signed somebody in.
    ProviderRefused,
    /// What it says is not what it may say.
    ProviderNotBelieved,
    /// It has not proven as much as the organisation demands.
    LacksEvidence,
    /// The organisation's rules let them not in.
    NotAdmitted,
    /// A passkey that nobody has, or that is not believed.
    Passkey,
}

impl Unproven {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoHeader => "no-header",
            Self::NoBearer => "no-bearer",
            Self::Changed => "changed",
            Self::AgentTokenEnded => "agent-token-ended",
            Self::NoToken => "no-token",
            Self::UnknownToken => "unknown-token",
            Self::FormerSecret => "former-secret",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
            Self::NoSession => "no-session",
            Self::UnknownLink => "unknown-link",
            Self::LinkOver => "link-over",
            Self::OtherOrigin => "other-origin",
            Self::UnknownAttempt => "unknown-attempt",
            Self::ProviderRefused => "provider-refused",
            Self::ProviderNotBelieved => "provider-not-believed",
            Self::LacksEvidence => "lacks-evidence",
            Self::NotAdmitted => "not-admitted",
            Self::Passkey => "passkey",
        }
    }
}

impl Unproven {
    /// Whether a person is told why: asking them to sign in would not help.
    pub(crate) const fn is_told(self) -> bool {
        matches!(
            self,
            Self::UnknownLink
                | Self::LinkOver
                | Self::OtherOrigin
                | Self::UnknownAttempt
                | Self::ProviderRefused
                | Self::ProviderNotBelieved
                | Self::LacksEvidence
                | Self::NotAdmitted
                | Self::Passkey
        )
    }
}
