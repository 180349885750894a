//! `berth contexts`

use clap::Subcommand;

use crate::args::Global;
use crate::config::{Config, Credential, Locked};
use crate::error::Error;
use crate::output::Printer;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the contexts; '*' marks the current one
    #[command(visible_alias = "ls", after_help = "Examples:\n  berth contexts list")]
    List,
    /// Make a context the current one
    #[command(after_help = "Examples:\n  berth contexts use berth.example.com")]
    Use {
        /// The context
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Forget a context and its token or login, which stays valid on the server
    #[command(after_help = "Examples:\n  berth contexts delete berth.example.com")]
    Delete {
        /// The context
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub(crate) async fn run(global: &Global, command: &Command) -> Result<(), Error> {
    let path = global.config.as_deref();
    match command {
        Command::List => list(global, &Config::load(path)?),
        Command::Use { name } => {
            let mut config = Locked::open(path).await?;
            config.context(name)?;
            config.contents.current = Some(name.clone());
            config.save()?;
            global.talk().say(&format!("Context '{name}' is the current one."));
            Ok(())
        }
        Command::Delete { name } => {
            let mut config = Locked::open(path).await?;
            let left = match config.context(name)?.credential {
                Credential::Token(_) => "its token stays valid on the server",
                Credential::Login(_) => "its session goes on on the server until it ends there",
            };
            config.contents.contexts.remove(name);
            if config.contents.current.as_deref() == Some(name) {
                config.contents.current = None;
            }
            config.save()?;
            global.talk().say(&format!("Context '{name}' is forgotten; {left}."));
            Ok(())
        }
    }
}

fn list(global: &Global, config: &Config) -> Result<(), Error> {
    let current = config.contents.current.as_deref();
    let rows: Vec<_> = config
        .contents
        .contexts
        .iter()
        .map(|(name, context)| {
            let mark = if current == Some(name) { "*" } else { "" };
            vec![
                mark.into(),
                name.into(),
                (&context.url).into(),
                (&context.organization).into(),
                context.credential.kind().into(),
            ]
        })
        .collect();
    Printer::of(global).rows(&["CURRENT", "NAME", "SERVER", "ORGANISATION", "HOLDS"], &rows)
}
