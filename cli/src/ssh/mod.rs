//! OpenSSH's programs, told how to get into a workspace: by a tunnel of ours, with a certificate of minutes, to a host whose key the
//! server knows. See decision 0063.

mod command;
mod door;
mod keys;
mod stdio;

pub(crate) use command::{OPTIONS, become_program, own_program, path_value, quoted};
pub(crate) use door::{Door, keys, open, openssh};
pub(crate) use keys::{Keys, host_alias};
pub(crate) use stdio::carry;
