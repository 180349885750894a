//! Workspaces: the list, one of them, and making one.

mod checked;
pub(crate) mod connected;
mod list;
mod new;
mod one;
pub(crate) mod ports;
mod steps;
mod wait;
mod wishes;
pub(super) mod words;

pub(crate) use list::list;
pub(super) use list::{Row, rows};
pub(crate) use new::{create, new};
pub(crate) use one::{before_deletion, delete, one, variables};
pub(crate) use wait::wait;
pub(crate) use wishes::{extend, restart, start, stop};
