//! What was decided, and by what.

/// An answer. What is not known to be permitted is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    /// The names of the rules that settled it, in their order; none: nothing permits it.
    pub rules: Vec<String>,
    pub reason: Reason,
}

/// Why it was decided so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A rule permits it, and none forbids it.
    Permitted,
    NotPermitted,
    /// A rule of the organisation forbids it.
    Forbidden,
    /// What is acted on is another organisation's.
    OtherOrganization,
    Suspended,
    /// The role is of a later version.
    UnknownRole,
    ReadOnlyToken,
    /// Somebody would decide about what they ask for themselves.
    OwnElevation,
    /// It needs a session, of somebody who has proven lately who they are.
    StepUp,
    /// An agent asked for what is for members.
    IsAgent,
    /// A member asked for what is for agents.
    IsNoAgent,
    /// What is open to a workspace's creator alone, of another one's.
    IsNotTheirs,
    /// A rule could not be evaluated.
    Failed,
}

impl Reason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::NotPermitted => "not-permitted",
            Self::Forbidden => "forbidden",
            Self::OtherOrganization => "other-organization",
            Self::Suspended => "suspended",
            Self::UnknownRole => "unknown-role",
            Self::ReadOnlyToken => "read-only-token",
            Self::OwnElevation => "own-elevation",
            Self::StepUp => "step-up",
            Self::IsAgent => "is-agent",
            Self::IsNoAgent => "is-no-agent",
            Self::IsNotTheirs => "is-not-theirs",
            Self::Failed => "failed",
        }
    }

    /// Whether it says something of whoever asks, whatever they would act on.
    pub const fn is_of_the_asker(self) -> bool {
        matches!(self, Self::Suspended | Self::UnknownRole | Self::IsAgent | Self::IsNoAgent)
    }

    /// Those for which the platform has a rule, the ones that matter more first.
    pub(crate) const PLATFORM: [Self; 9] = [
        Self::IsAgent,
        Self::IsNoAgent,
        Self::OtherOrganization,
        Self::Suspended,
        Self::UnknownRole,
        Self::ReadOnlyToken,
        Self::OwnElevation,
        Self::StepUp,
        Self::IsNotTheirs,
    ];

    /// What such a rule is called. No rule of an organisation may have a dot in its name.
    pub(crate) fn rule(self) -> String {
        format!("{PLATFORM}{}", self.as_str())
    }
}

/// Before the names of the platform's rules.
pub(crate) const PLATFORM: &str = "platform.";

impl Decision {
    pub(crate) fn failed(rules: Vec<String>) -> Self {
        Self { allowed: false, rules, reason: Reason::Failed }
    }
}
