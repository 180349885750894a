//! `runArgs`: options of Docker. What asks for nothing that matters here is passed over, variables are taken, the rest is refused.

use super::environment::Environment;
use super::variables::{Needed, Variables};
use crate::cursor::Cursor;
use crate::diagnostic::shown;

const MAX_ARGUMENTS: usize = 256;

/// What an option is to Berth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A variable of the environment.
    Variable,
    /// Nothing, and so is the value behind it.
    WithValue,
    /// Nothing.
    Alone,
    Refused,
}

/// Options that name and describe the container, or speak of the terminal it is started from.
const WITH_VALUE: [&str; 13] = [
    "--name",
    "--hostname",
    "-h",
    "--label",
    "-l",
    "--shm-size",
    "--pull",
    "--log-driver",
    "--log-opt",
    "--restart",
    "--stop-signal",
    "--userns",
    "--ulimit",
];
const ALONE: [&str; 8] = ["--init", "--rm", "-i", "-t", "-it", "--interactive", "--tty", "--sig-proxy"];

pub(super) fn read(cursor: Option<&Cursor<'_>>, variables: &Variables, environment: &mut Environment) {
    let items = cursor.map(|cursor| cursor.list(MAX_ARGUMENTS)).unwrap_or_default();
    let mut items = items.iter().peekable();
    while let Some(item) = items.next() {
        let Some(text) = item.text() else { continue };
        let (option, value) = text.split_once('=').map_or((text, None), |(o, v)| (o, Some(v)));
        let kind = kind_of(option);
        // The value is behind '=' or the next of the list.
        let at = match kind {
            Kind::Variable | Kind::WithValue if value.is_none() => items.next(),
            _ => Some(item),
        };
        match (kind, at) {
            (Kind::Refused, _) => {
                item.error(format!(
                    "'{}' is not supported: a workspace runs on Kubernetes, without privileges",
                    shown(option)
                ));
                // Its value, if it has one, is no option.
                if value.is_none() {
                    items.next_if(|next| {
                        next.is_text() && next.text().is_some_and(|text| !text.starts_with('-'))
                    });
                }
            }
            (Kind::Variable, Some(at)) => {
                if let Some(text) = variables.text(at, Needed::Rendered) {
                    let assignment = text.strip_prefix("--env=").unwrap_or(&text);
                    environment.add_argument(at, assignment);
                }
            }
            (Kind::Variable, None) => item.error("needs a variable behind it"),
            (Kind::WithValue | Kind::Alone, _) => {
                item.pass_over("it speaks to Docker, a workspace runs on Kubernetes");
            }
        }
    }
}

fn kind_of(option: &str) -> Kind {
    if matches!(option, "-e" | "--env") {
        Kind::Variable
    } else if WITH_VALUE.contains(&option) {
        Kind::WithValue
    } else if ALONE.contains(&option) {
        Kind::Alone
    } else {
        Kind::Refused
    }
}
