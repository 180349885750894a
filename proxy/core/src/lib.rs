//! Decides, without IO, who is let into a workspace, where that is, and what passes. See decision 0059.
//!
//! A request's way: [`Address`] (which host) → [`Site`] (does the browser say that the page itself asks) → [`Sealer`] (whose session)
//! → [`Decisions`] (may they) → [`Directory`] (which pods) → [`to_workspace`] and, back, [`to_browser`].

mod address;
mod changes;
mod decisions;
mod directory;
mod flow;
mod forward;
mod seal;
mod site;
mod wanted;

pub use address::{Address, Zones};
pub use changes::Again;
pub use decisions::{Decisions, Known, Outcome, Question, Taken};
pub use directory::{Change, Directory, Place, Unbelieved};
pub use flow::{
    Begun, CALLBACK, ENTROPY, Login, NotMade, Refused, Session, begin, finish, is_own_cookie, wanted_path,
};
pub use forward::{Asked, to_browser, to_either, to_workspace};
pub use seal::{KeyError, NONCE_BYTES, SealKey, Sealer};
pub use site::{Navigation, Site};
pub use wanted::{ONWARD, keep_wanted, kept_wanted};
