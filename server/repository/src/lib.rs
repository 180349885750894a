//! Which file of a Git repository says what a workspace is made of. Nothing here runs git or reaches a host: it reads what git
//! prints, which may be of a host that means no good, and says what is needed next.
//!
//! | | |
//! |---|---|
//! | [`patterns`], [`resolve`] | which commit a reference is |
//! | [`tree_of`], [`entries`], [`batch`] | objects, as `git cat-file --batch` prints them |
//! | [`Search`] | which trees are needed, and which file it is |
//! | [`why`] | why git has failed, without its words |

mod objects;
mod refs;
mod search;
mod why;

pub use objects::{Entry, Mode, NoObject, Object, ObjectId, batch, entries, tree_of};
pub use refs::{Resolved, patterns, resolve};
pub use search::{MAX_FOLDERS, Next, PLACES, Search, Unusable};
pub use why::{Why, why};
