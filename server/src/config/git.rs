//! How Git hosts know tokens that this server signs.

use std::path::PathBuf;

use clap::{Args, value_parser};
use url::Url;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Signed tokens for Git hosts")]
pub struct GitOptions {
    /// PEM file of P-256 keys in PKCS #8. The first signs; all are published at /.well-known/jwks.json.
    #[arg(long, env = "BERTH_SIGNING_KEY_FILE", value_name = "PATH", requires = "issuer")]
    pub signing_key_file: Option<PathBuf>,
    /// Who signs: the URL at which Git hosts reach this server, without a path.
    #[arg(long, env = "BERTH_ISSUER", value_name = "URL", value_parser = issuer)]
    pub issuer: Option<String>,
    /// How long a signed token lives, in seconds. It is renewed after half of that.
    #[arg(long, env = "BERTH_GIT_TOKEN_SECONDS", value_name = "SECONDS", default_value_t = 600,
        value_parser = value_parser!(u32).range(240..=3_600))]
    pub git_token_seconds: u32,
}

/// As it goes into tokens: without a slash at the end.
fn issuer(text: &str) -> Result<String, String> {
    let url: Url = text.parse().map_err(|error: url::ParseError| error.to_string())?;
    let bare =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if matches!(url.scheme(), "https" | "http") && url.has_host() && url.password().is_none() && bare {
        Ok(url.as_str().trim_end_matches('/').to_owned())
    } else {
        Err("must be https://HOST or https://HOST:PORT".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::issuer;

    #[test]
    fn an_issuer_is_a_host_and_nothing_more() {
        assert_eq!(issuer("https://berth.example.com/").as_deref(), Ok("https://berth.example.com"));
        assert_eq!(issuer("http://127.0.0.1:8080").as_deref(), Ok("http://127.0.0.1:8080"));
        for text in [
            "berth",
            "https://a/b",
            "https://u:p@a",
            "https://u@a",
            "https://a?b",
            "ftp://a",
            "https://a#b",
            "",
        ] {
            assert!(issuer(text).is_err(), "{text}");
        }
    }
}
