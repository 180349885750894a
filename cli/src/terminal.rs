//! Talk: what is for a person goes to stderr, so that stdout holds data alone. Questions are asked there, too.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use console::style;

use crate::args::Color;
use crate::error::Error;
use crate::output::escape;

/// Writes lines to stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    styled: bool,
    verbose: bool,
}

impl Talk {
    pub(crate) fn new(color: Color, verbose: bool) -> Self {
        Self { styled: is_styled(color, &io::stderr()), verbose }
    }

    /// One line. Control characters of the text, which may come from a server, are shown and not obeyed.
    #[allow(clippy::unused_self, reason = "who talks has a Talk, so that silencing it is one place")]
    pub(crate) fn say(self, text: &str) {
        // Nothing can be told to somebody whose stderr is closed.
        let _ = writeln!(io::stderr(), "{}", escape(text));
    }

    pub(crate) fn warn(self, text: &str) {
        let word = style("warning:").yellow().bold().force_styling(self.styled);
        let _ = writeln!(io::stderr(), "{word} {}", escape(text));
    }

    /// Told with --verbose alone.
    pub(crate) fn trace(self, text: &str) {
        if self.verbose {
            self.say(text);
        }
    }

    /// What happened, its details and what to do.
    pub(crate) fn error(self, error: &Error) {
        if matches!(error, Error::OutputClosed) {
            return;
        }
        let word = style("error:").red().bold().force_styling(self.styled);
        let _ = writeln!(io::stderr(), "{word} {}", escape(&error.to_string()));
        for detail in error.details() {
            self.say(&format!("  {detail}"));
        }
        if let Some(hint) = error.hint() {
            let word = style("hint:").cyan().force_styling(self.styled);
            let _ = writeln!(io::stderr(), "{word} {}", escape(&hint));
        }
    }
}

/// Whether a stream gets colours: as asked, or where it is a terminal and NO_COLOR does not forbid.
pub(crate) fn is_styled(color: Color, stream: &impl anstream::stream::RawStream) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => AutoStream::choice(stream) != ColorChoice::Never,
    }
}

/// Asks for a secret without showing it. Only where stdin is a terminal.
pub(crate) fn ask_secret(prompt: &str) -> Result<String, Error> {
    dialoguer::Password::new().with_prompt(prompt).report(false).interact().map_err(asking_failed)
}

/// Whether there is somebody to ask, before anything is done for the question.
pub(crate) fn can_confirm() -> Result<(), Error> {
    if is_interactive() {
        return Ok(());
    }
    Err(Error::Usage {
        message: "there is no terminal to ask whether this is meant".to_owned(),
        hint: Some("say so with --yes".to_owned()),
    })
}

/// Goes on only if somebody says yes to the question. Without a terminal nobody can.
pub(crate) fn confirm(question: &str) -> Result<(), Error> {
    can_confirm()?;
    match dialoguer::Confirm::new().with_prompt(escape(question)).default(false).interact() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Declined),
        Err(error) => Err(asking_failed(error)),
    }
}

/// Has somebody choose one of several. Only where there is a terminal.
pub(crate) fn choose(prompt: &str, items: &[String]) -> Result<usize, Error> {
    let items = items.iter().map(|item| escape(item));
    let chosen =
        dialoguer::Select::new().with_prompt(prompt).items(items).default(0).report(false).interact();
    chosen.map_err(|error| {
        // It was hidden for the list.
        let _ = console::Term::stderr().show_cursor();
        asking_failed(error)
    })
}

/// Whether there is somebody to ask.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn asking_failed(error: dialoguer::Error) -> Error {
    let dialoguer::Error::IO(error) = error;
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => Error::Interrupted,
        _ => Error::file("ask on", "the terminal", error),
    }
}
