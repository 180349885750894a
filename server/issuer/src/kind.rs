//! What tokens are for.

/// A purpose. A token of one kind opens nothing that asks for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What a signed-in person's requests carry: minutes.
    Access,
    /// What a command line gets the next access token by.
    Refresh,
    /// What a script carries: its row in the database can be revoked.
    Personal,
    /// What a workspace shows to a Git host: minutes.
    Git,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Access, Self::Refresh, Self::Personal, Self::Git];

    /// The `typ` of the header. Git hosts expect the general one.
    pub const fn typ(self) -> &'static str {
        match self {
            // RFC 9068
            Self::Access => "at+jwt",
            Self::Refresh => "berth-rt+jwt",
            Self::Personal => "berth-pat+jwt",
            Self::Git => "JWT",
        }
    }

    /// The longest life, in seconds: what claims more is not ours.
    pub const fn max_lifetime_seconds(self) -> i64 {
        match self {
            Self::Access => 15 * 60,
            Self::Refresh => 32 * 24 * 60 * 60,
            Self::Personal => 366 * 24 * 60 * 60,
            Self::Git => 60 * 60 + 60,
        }
    }
}
