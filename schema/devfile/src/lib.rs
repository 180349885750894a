//! Reads a devfile (schema 2.0 to 2.3) or a `devcontainer.json` into a [`WorkspaceSpec`].
//!
//! The reading is strict: what Berth does not do and would change the workspace is refused at its place in the text, all errors
//! together; what would change nothing is passed over with a warning in the spec. It does no IO, does not panic, and its work is bounded by [`MAX_BYTES`] and by the limits in `docs/devfile.md`.
//!
//! Text becomes a tree in which every node knows its place (`yaml`, `node`), a cursor walks the tree and reports
//! what is unknown or wrong (`cursor`), and the modules named after the devfile's parts build the result.

mod attributes;
mod bounds;
mod checks;
mod command;
mod component;
mod container;
pub mod corpus;
mod cursor;
pub mod devcontainer;
mod diagnostic;
mod document;
mod endpoint;
mod environment;
mod event;
#[cfg(feature = "generate")]
pub mod generate;
mod idle;
mod main_container;
mod node;
pub mod plain;
mod project;
mod resources;
mod scalar;
mod variables;
mod yaml;

use berth_schema::WorkspaceSpec;

use crate::cursor::Cursor;
pub use crate::diagnostic::{Diagnostic, MAX_DIAGNOSTICS};
use crate::diagnostic::{Position, Report};

/// The largest file that is looked at.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The devfile of a project that has none, where an installation sets no other. [`parse`] accepts it.
pub const DEFAULT: &str = include_str!("default.yaml");

/// What an installation or an agent allows. The default sets no bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The most CPU that the containers may ask for together, in thousandths. A limit counts, without one the default or
    /// the request, whichever is more.
    pub max_cpu_millis: Option<u64>,
    /// The most memory that the containers may ask for together, in bytes; counted alike.
    pub max_memory_bytes: Option<u64>,
    /// What a container without a limit of its own gets, in thousandths of a CPU.
    pub default_cpu_millis: Option<u64>,
    /// What a container without a limit of its own gets, in bytes of memory.
    pub default_memory_bytes: Option<u64>,
}

/// Reads a devfile.
///
/// # Errors
/// Everything that is wrong, sorted by place, at most [`MAX_DIAGNOSTICS`]. Text that is not YAML at all, or passes a
/// bound, is reported at that place alone.
pub fn parse(text: &str, options: &Options) -> Result<WorkspaceSpec, Vec<Diagnostic>> {
    let report = Report::default();
    let spec = within_bounds(text, MAX_BYTES, &report)
        .and_then(|()| yaml::read(text, &report))
        .and_then(|root| document::read(&Cursor::root(&root, &report), options));
    report.conclude_spec(spec)
}

/// The workspace around an image for a project without a devfile: one container that is kept running.
///
/// # Errors
/// When `image` is no image reference. The path is `image`, the place the beginning of the text.
pub fn image_spec(image: &str) -> Result<WorkspaceSpec, Diagnostic> {
    match checks::image(image) {
        Ok(()) => Ok(WorkspaceSpec::from_image(image)),
        Err(message) => {
            let Position { line, column } = Position::START;
            Err(Diagnostic { line, column, path: "image".to_owned(), message })
        }
    }
}

fn within_bounds(text: &str, max: usize, report: &Report) -> Option<()> {
    if text.len() <= max {
        return Some(());
    }
    report.add(
        Position::START,
        "",
        format!("the file is {} bytes long, at most {max} are allowed", text.len()),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_devfile_is_accepted() {
        let spec = parse(DEFAULT, &Options::default()).expect("it is right");
        assert!(spec.containers.len() == 1 && spec.containers[0].main);
    }
}
