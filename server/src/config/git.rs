//! How Git hosts know tokens that this server signs.

use std::path::PathBuf;

use clap::{Args, value_parser};

use super::sign_in::origin;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Signed tokens for Git hosts")]
pub struct GitOptions {
    /// PEM file of P-256 keys in PKCS #8. The first signs; all are published at /.well-known/jwks.json.
    #[arg(long, env = "BERTH_SIGNING_KEY_FILE", value_name = "PATH", requires = "issuer")]
    pub signing_key_file: Option<PathBuf>,
    /// Who signs: the URL at which Git hosts reach this server, without a path.
    #[arg(long, env = "BERTH_ISSUER", value_name = "URL", value_parser = origin)]
    pub issuer: Option<String>,
    /// How long a signed token lives, in seconds. It is renewed after half of that.
    #[arg(long, env = "BERTH_GIT_TOKEN_SECONDS", value_name = "SECONDS", default_value_t = 600,
        value_parser = value_parser!(u32).range(240..=3_600))]
    pub git_token_seconds: u32,
}
