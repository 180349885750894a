//! What of an accepted file Berth does not do as it is written.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something in a devfile or a `devcontainer.json` that is passed over, or taken as something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The place in the document, as in `components[1].container.endpoints[0].protocol`.
    pub path: String,
    /// What is done with it, as in `is passed over`.
    pub what: String,
    /// Why, and what can be done.
    pub why: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}: {}", self.what, self.why)
    }
}
