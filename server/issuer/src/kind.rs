//! What tokens are for.

/// A purpose. A token of one kind opens nothing that asks for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What a signed-in person's requests carry: minutes.
    Access,
    /// What a command line gets the next access token by.
    Refresh,
    /// What a script carries, of one organisation: a year, and its row in the database can be revoked.
    Personal,
    /// What a workspace shows to a Git host: minutes.
    Git,
    /// What a browser brings to a workspace's host: a minute, and it opens once.
    Code,
    /// What a proxy shows of somebody who has come by a code: as long as their session.
    Grant,
    /// By what a proxy proves itself: an hour.
    Proxy,
}

impl Kind {
    pub const ALL: [Self; 7] =
        [Self::Access, Self::Refresh, Self::Personal, Self::Git, Self::Code, Self::Grant, Self::Proxy];

    /// The `typ` of the header. Git hosts expect the general one.
    pub const fn typ(self) -> &'static str {
        match self {
            // RFC 9068
            Self::Access => "at+jwt",
            Self::Refresh => "berth-rt+jwt",
            Self::Personal => "berth-pat+jwt",
            Self::Git => "JWT",
            Self::Code => "berth-code+jwt",
            Self::Grant => "berth-grant+jwt",
            Self::Proxy => "berth-proxy+jwt",
        }
    }

    /// The longest life, in seconds: what claims more is not ours.
    pub const fn max_lifetime_seconds(self) -> i64 {
        match self {
            Self::Access => 15 * 60,
            Self::Refresh | Self::Grant => 32 * 24 * 60 * 60,
            Self::Personal => 366 * 24 * 60 * 60 + 60,
            Self::Git | Self::Proxy => 60 * 60 + 60,
            Self::Code => 60,
        }
    }
}
