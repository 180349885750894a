//! What a creation reads besides its arguments: devfiles, variables, standard input.

mod source;
pub(crate) mod variables;

pub(crate) use source::{Source, Stdin};
