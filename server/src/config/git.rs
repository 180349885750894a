//! How others know tokens that this server signs.

use clap::{Args, value_parser};

use super::sign_in::origin;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Signed tokens")]
pub struct GitOptions {
    /// The URL at which Git hosts reach this server, without a path: who has signed, as tokens name it. Without it none are signed
    /// for Git hosts, and those for people name --public-url. The keys are published at /.well-known/jwks.json.
    #[arg(long, env = "BERTH_ISSUER", value_name = "URL", value_parser = origin)]
    pub issuer: Option<String>,
    /// How long a token for a Git host lives, in seconds. It is renewed after half of that.
    #[arg(long, env = "BERTH_GIT_TOKEN_SECONDS", value_name = "SECONDS", default_value_t = 600,
        value_parser = value_parser!(u32).range(240..=3_600))]
    pub git_token_seconds: u32,
}
