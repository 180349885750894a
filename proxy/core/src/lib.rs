//! Decides, without IO, who is let into a workspace, where that is, and what passes. See decisions 0059 and 0063.
//!
//! A request's way: [`Address`] (which host) → [`Site`] (does the browser say that the page itself asks) → [`Sealer`] (whose session; [`Shown`]: a program has a token)
//! → [`Decisions`] (may they) → [`Directory`] (which pods) → [`to_workspace`] and, back, [`to_browser`].

mod activity;
mod address;
mod changes;
mod decisions;
mod directory;
mod flow;
mod forward;
mod frames;
mod logs;
mod presence;
mod program;
mod seal;
mod site;
mod wanted;

pub use activity::{Amount, Carried, Traffic, is_active};
pub use address::{Address, Zones};
pub use changes::Again;
pub use decisions::{Decisions, Known, Outcome, Question, Taken};
pub use directory::{Change, Directory, Place, Pod, Unbelieved};
pub use flow::{
    Begun, CALLBACK, ENTROPY, Login, NotMade, Refused, Session, begin, finish, is_own_cookie, keeps_of,
    wanted_path,
};
pub use forward::{Asked, to_browser, to_either, to_workspace};
pub use frames::{Frames, GOING_AWAY};
pub use logs::{MAX_BYTES, Pace, READERS, READERS_OF_ONE, WrongOption, lines_of_a_page, listed, log_options};
pub use presence::{Passed, Presence, Visit, gather, is_news};
pub use program::{Shown, is_worth_asking};
pub use seal::{KeyError, NONCE_BYTES, SealKey, Sealer};
pub use site::{Navigation, Site};
pub use wanted::{ONWARD, keep_wanted, kept_wanted};
