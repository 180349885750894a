//! The messages of SSH that are told apart here, and which of them are carried.

use berth_schema::ssh::wire::Reader;

pub(crate) const DISCONNECT: u8 = 1;
pub(crate) const IGNORE: u8 = 2;
pub(crate) const UNIMPLEMENTED: u8 = 3;
pub(crate) const DEBUG: u8 = 4;
pub(crate) const SERVICE_REQUEST: u8 = 5;
pub(crate) const SERVICE_ACCEPT: u8 = 6;
pub(crate) const EXT_INFO: u8 = 7;
pub(crate) const KEXINIT: u8 = 20;
pub(crate) const NEWKEYS: u8 = 21;
pub(crate) const ECDH_INIT: u8 = 30;
pub(crate) const ECDH_REPLY: u8 = 31;
pub(crate) const USERAUTH_REQUEST: u8 = 50;
pub(crate) const USERAUTH_FAILURE: u8 = 51;
pub(crate) const USERAUTH_SUCCESS: u8 = 52;
pub(crate) const USERAUTH_BANNER: u8 = 53;
pub(crate) const USERAUTH_PK_OK: u8 = 60;
const GLOBAL_REQUEST: u8 = 80;
/// Those of the connection protocol: channels, and what is asked beside them.
const CARRIED: std::ops::RangeInclusive<u8> = 80..=127;
/// What sshd tells of its own keys. Whoever comes knows the proxy by another one: they would learn keys that do not belong to it.
const HOST_KEYS: &str = "hostkeys-";

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToWorkspace,
    ToPerson,
}

/// Whether a message of one side is one of the other's, too. What is not is passed over: after they were let in nobody has any business
/// with the proxy itself.
pub fn passes(payload: &[u8], direction: Direction) -> bool {
    let Some((number, rest)) = payload.split_first() else { return false };
    if *number == GLOBAL_REQUEST && direction == Direction::ToPerson {
        return !Reader(rest).text().is_ok_and(|name| name.starts_with(HOST_KEYS));
    }
    CARRIED.contains(number)
}
