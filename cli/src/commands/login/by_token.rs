//! With a token that somebody has already.

use std::path::Path;

use berth_schema::{ServerUrl, TokenUrl};
use zeroize::Zeroizing;

use super::{Args, LoggedIn};
use crate::args::Global;
use crate::client::{Bearer, Client};
use crate::config::Credential;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::terminal::{self, Talk};
use crate::token::Token;

/// A token is never longer.
const TOKEN_LIMIT: usize = 16 * 1024;

/// Tries the token before anything is stored.
pub(super) async fn run(
    global: &Global,
    args: &Args,
    url: &ServerUrl,
    reached: TokenUrl,
    ca_file: Option<&Path>,
    talk: Talk,
) -> Result<LoggedIn, Error> {
    let token = read_token(global, args, url)?;
    let whoami = Client::new(reached, Bearer::Token(token.clone()), ca_file, talk)?.whoami().await?;
    Ok(LoggedIn {
        credential: Credential::Token(token),
        organization: whoami.organization.to_string(),
        told: format!(
            "Logged in to {url} as '{}' of organisation '{}'.",
            whoami.token_name, whoami.organization
        ),
    })
}

fn read_token(global: &Global, args: &Args, url: &ServerUrl) -> Result<Token, Error> {
    if args.token_stdin {
        let text = Source::Stdin.read_text("--token-stdin", TOKEN_LIMIT, &mut Stdin::default())?;
        return Token::from_input(text.to_string());
    }
    if !args.token
        && let Some(token) = global.environment_token()?
    {
        global.talk().say("Storing the token of BERTH_TOKEN.");
        return Ok(token);
    }
    if !terminal::is_interactive() {
        return Err(Error::Usage {
            message: "there is no terminal to ask for the token".to_owned(),
            hint: Some("give it on standard input with --token-stdin, or as BERTH_TOKEN".to_owned()),
        });
    }
    let text = Zeroizing::new(terminal::ask_secret(&format!("Token for {url}"))?);
    Token::from_input(text.to_string())
}
