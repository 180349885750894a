//! Where the key-encryption key is.

use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Encryption")]
pub struct KeyOptions {
    /// File of key-encryption keys: a line '<id> <32 bytes in base64>' for each generation, the newest last. It belongs into
    /// no backup that also holds the database.
    #[arg(long, env = "BERTH_KEK_FILE", value_name = "PATH")]
    pub kek_file: Option<PathBuf>,
}
