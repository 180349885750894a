//! The `${…}` variables of a `devcontainer.json`: what only the user's own machine knows takes its default, what is known later is
//! left to [`berth_schema::late`].

use berth_schema::late::{self, Variable, split};
use berth_schema::variables::{VariableKind, check_name};

use crate::bounds;
use crate::cursor::Cursor;

/// When a text is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    /// While the file is read.
    Now,
    /// For the pod, when the project is known.
    Rendered,
    /// In the container, when its environment is known.
    Running,
}

/// How the format's own variables begin that nothing is left of.
const LOCAL: [&str; 3] = ["${localEnv:", "${env:", "${localWorkspaceFolder}"];

/// Fills in what a file can say by itself.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Where below the project the workspace folder is; empty: it is the project.
    pub(super) below: String,
}

impl Variables {
    /// A text of bounded length, with all its variables that are needed at `needed`.
    pub(super) fn text(&self, cursor: &Cursor<'_>, needed: Needed) -> Option<String> {
        let text = cursor.text()?;
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        let mut complete = true;
        while let Some((before, variable, after)) = split(rest) {
            filled.push_str(before);
            let written = &rest[before.len()..rest.len() - after.len()];
            match self.value(cursor, variable, needed) {
                Ok(value) => filled.push_str(value.as_deref().unwrap_or(written)),
                Err(message) => {
                    cursor.error(message);
                    complete = false;
                }
            }
            rest = after;
        }
        filled.push_str(rest);
        if complete && let Some(variable) = LOCAL.iter().find(|variable| filled.contains(**variable)) {
            cursor.error(format!("holds the variable '{variable}…' in a way that Berth cannot fill"));
            complete = false;
        }
        (complete && bounds::fits(cursor, &filled)).then_some(filled)
    }

    /// What stands for a variable; `None`: it stays as it is.
    fn value(
        &self,
        cursor: &Cursor<'_>,
        variable: Variable<'_>,
        needed: Needed,
    ) -> Result<Option<String>, String> {
        let Variable { name, arguments } = variable;
        match (name, arguments) {
            ("localEnv" | "env", Some(_)) => {
                let (name, default) = variable.lookup();
                let taken = default.map_or("an empty text stands for it", |_| "its default stands for it");
                cursor.warn(taken, format!("'{name}' would be of the user's own machine"));
                Ok(Some(default.unwrap_or_default().to_owned()))
            }
            ("localWorkspaceFolder", None) => {
                Err("holds the variable '${localWorkspaceFolder}', a folder of the user's own machine"
                    .to_owned())
            }
            ("containerEnv", Some(_)) => {
                let (name, _) = variable.lookup();
                check_name(VariableKind::Environment, name)
                    .map_err(|error| format!("holds a variable of the container whose name {error}"))?;
                match needed {
                    Needed::Running => Ok(None),
                    Needed::Now | Needed::Rendered => {
                        Err("holds the variable '${containerEnv:…}', which is known in remoteEnv and in commands alone"
                            .to_owned())
                    }
                }
            }
            ("containerWorkspaceFolder", None) if !self.below.is_empty() && needed != Needed::Now => {
                Ok(Some(format!("${{containerWorkspaceFolder}}/{}", self.below)))
            }
            ("containerWorkspaceFolderBasename", None) if !self.below.is_empty() => {
                Ok(Some(self.below.rsplit('/').next().unwrap_or_default().to_owned()))
            }
            (
                "containerWorkspaceFolder"
                | "containerWorkspaceFolderBasename"
                | "localWorkspaceFolderBasename"
                | "devcontainerId",
                None,
            ) if needed == Needed::Now => {
                Err(format!("holds the variable '${{{name}}}', which is not known before the workspace is"))
            }
            _ => Ok(None),
        }
    }
}

/// Whether the container itself has to fill something in.
pub(super) fn names_the_containers_own(text: &str) -> bool {
    late::pieces(text).iter().any(|piece| matches!(piece, late::Piece::Environment { .. }))
}
