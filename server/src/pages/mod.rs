//! The pages: what a browser is shown. They call services, never the database, and work without any script; where there is one, what
//! is shown of workspaces goes on by itself, and browsers ask for passkeys.

mod account;
pub(crate) mod agents;
mod assets;
pub(crate) mod audit;
pub(crate) mod elevations;
mod failure;
mod frame;
pub(crate) mod given;
mod invitation;
mod login;
pub(crate) mod members;
mod openid;
mod organization;
mod page;
mod passkeys;
mod refused;
mod sign_in;
mod times;
pub(crate) mod tree;
pub(crate) mod workspaces;

pub(crate) use account::{
    end_other_sessions, end_session, home, know_device, sessions, sign_out, to_new, to_workspaces,
};
pub(crate) use assets::asset;
pub(crate) use failure::failure;
pub(crate) use invitation::{accept_invitation, invitation};
pub(crate) use login::{authorize, decide_authorize, decide_device, device};
pub(crate) use openid::{begin, callback, signed_out};
pub(crate) use organization::organization;
pub(crate) use page::protect;
pub(crate) use passkeys::{
    add_passkey, ask_for_passkey, ask_to_confirm, confirm_session, new_passkey, open_by_passkey, passkeys,
    remove_passkey,
};
pub(crate) use sign_in::{ask, confirm, open};
