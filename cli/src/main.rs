//! `berth`: the command line of Berth. It speaks to the server's REST API and nothing else.

mod args;
mod client;
mod commands;
mod config;
mod error;
mod exit;
mod input;
mod names;
mod output;
mod session;
mod sign_in;
mod ssh;
mod terminal;
mod token;
mod wait;

use std::process::ExitCode;

use args::{Cli, Color};
use error::Error;
use exit::Exit;
use terminal::Talk;

fn main() -> ExitCode {
    let cli = match Cli::from_process() {
        Ok(cli) => cli,
        Err(error) => return fail(Talk::new(Color::Auto, false), &error),
    };
    let talk = cli.global.talk();
    match run(cli) {
        Ok(()) => Exit::Ok.into(),
        Err(error) => fail(talk, &error),
    }
}

fn run(cli: Cli) -> Result<(), Error> {
    // The only provider; it must be there before anything speaks TLS. It fails only where there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Other(format!("cannot start: {error}")))?;
    runtime.block_on(commands::run(cli))
}

fn fail(talk: Talk, error: &Error) -> ExitCode {
    talk.error(error);
    error.exit().into()
}
