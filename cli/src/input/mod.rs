//! What a creation reads besides its arguments: devfiles, variables, standard input.

mod git_user;
mod source;
pub(crate) mod variables;

pub(crate) use git_user::GitUserArgs;
pub(crate) use source::{Source, Stdin};
