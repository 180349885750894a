//! The pages: what a browser is shown. They call services, never the database, and work without any script.

mod account;
mod failure;
mod invitation;
mod login;
mod openid;
mod organization;
mod page;
mod sign_in;
mod times;

pub(crate) use account::{end_other_sessions, end_session, home, sessions, sign_out};
pub(crate) use failure::failure;
pub(crate) use invitation::{accept_invitation, invitation};
pub(crate) use login::{authorize, decide_authorize, decide_device, device};
pub(crate) use openid::{begin, callback, signed_out};
pub(crate) use organization::organization;
pub(crate) use page::{protect, style};
pub(crate) use sign_in::{ask, confirm, open};
