//! SSH as far as a proxy has to understand it: transport (RFC 4253), with keys that are exchanged anew, and authentication (RFC 4252), as
//! the server of whoever comes and as the client of a workspace's sshd. What both say from then on, of channels, is carried as it is.
//! See decision 0092.
//!
//! Nothing here does IO: bytes come in at [`Transport::input`] and go out at [`Transport::output`]. One key exchange (X25519), one kind of
//! host key (Ed25519) and one family of ciphers (AES-GCM) are spoken, all of them ring's.

mod cipher;
mod client;
mod exchange;
mod key_pair;
mod packet;
mod server;
mod transport;
mod verify;

pub use client::Visitor;
pub use key_pair::KeyPair;
pub use packet::{Direction, passes};
pub use server::{Guests, Shown};
pub use transport::Transport;

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the other side does not speak SSH 2")]
    NoSsh,
    #[error("a packet is longer or shorter than one may be")]
    Length,
    #[error("a packet was changed on its way")]
    Changed,
    #[error("a message is not written as SSH has it")]
    Malformed,
    #[error("a message comes where none of its kind may")]
    OutOfPlace,
    #[error("there is no algorithm that both sides speak")]
    NothingInCommon,
    #[error("the host is not known by that key")]
    HostKey,
    #[error("nobody was let in")]
    NotLetIn,
    #[error("there were too many attempts")]
    TooManyAttempts,
    #[error("the other side has ended it")]
    Ended,
    #[error("the system's cryptography fails")]
    Cryptography,
}

impl From<berth_schema::ssh::wire::Malformed> for Fault {
    fn from(_: berth_schema::ssh::wire::Malformed) -> Self {
        Self::Malformed
    }
}

impl From<ring::error::Unspecified> for Fault {
    fn from(_: ring::error::Unspecified) -> Self {
        Self::Cryptography
    }
}

#[cfg(test)]
mod tests;
