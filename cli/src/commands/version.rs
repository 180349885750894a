//! `berth version`

use crate::error::Error;
use crate::output;

pub(crate) fn run() -> Result<(), Error> {
    output::write(concat!("berth ", env!("CARGO_PKG_VERSION"), "\n"))
}
