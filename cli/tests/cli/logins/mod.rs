//! Logins by browser: what is stored, how it stays good, and what becomes of it.

mod browser;
mod device;
mod keeping;
mod server;

use std::path::PathBuf;

pub(crate) use server::{organization, server};

use crate::support::Berth;

fn file(berth: &Berth) -> PathBuf {
    berth.home.path().join(".config/berth/config.yaml")
}

fn stored(berth: &Berth) -> String {
    std::fs::read_to_string(file(berth)).unwrap_or_default()
}
