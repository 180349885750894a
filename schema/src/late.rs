//! Variables of a `devcontainer.json` whose values are known when a workspace is rendered, or when its containers run.
//!
//! | variable | what |
//! |---|---|
//! | `${containerWorkspaceFolder}` | the project's directory |
//! | `${containerWorkspaceFolderBasename}`, `${localWorkspaceFolderBasename}` | its name |
//! | `${devcontainerId}` | the workspace's id |
//! | `${containerEnv:NAME}`, `${containerEnv:NAME:default}` | a variable of the container's own environment |
//!
//! Whatever else stands between `${` and `}` belongs to the shell.

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Folder,
    FolderName,
    WorkspaceId,
    Environment {
        name: &'a str,
        /// Where there is no such variable.
        default: &'a str,
    },
}

/// A variable as it is written: `${name:arguments}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    pub name: &'a str,
    /// What follows the first colon.
    pub arguments: Option<&'a str>,
}

/// A text as what stands before its first `${…}`, that, and the rest. Of nested ones the inner comes first.
pub fn split(text: &str) -> Option<(&str, Variable<'_>, &str)> {
    let mut from = 0;
    loop {
        let end = from + text[from..].find('}')?;
        let Some(start) = text[from..end].rfind("${").map(|start| from + start) else {
            from = end + 1;
            continue;
        };
        let inner = &text[start + 2..end];
        let (name, arguments) = match inner.split_once(':') {
            Some((name, arguments)) => (name, Some(arguments)),
            None => (inner, None),
        };
        return Some((&text[..start], Variable { name, arguments }, &text[end + 1..]));
    }
}

impl<'a> Variable<'a> {
    /// The name and the default that its arguments say.
    pub fn lookup(self) -> (&'a str, Option<&'a str>) {
        let arguments = self.arguments.unwrap_or_default();
        arguments.split_once(':').map_or((arguments, None), |(name, default)| (name, Some(default)))
    }

    fn piece(self) -> Option<Piece<'a>> {
        Some(match (self.name, self.arguments) {
            ("containerWorkspaceFolder", None) => Piece::Folder,
            ("containerWorkspaceFolderBasename" | "localWorkspaceFolderBasename", None) => Piece::FolderName,
            ("devcontainerId", None) => Piece::WorkspaceId,
            ("containerEnv", Some(_)) => {
                let (name, default) = self.lookup();
                Piece::Environment { name, default: default.unwrap_or_default() }
            }
            _ => return None,
        })
    }
}

/// The text in parts, in order.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut rest) = (0, text);
    while let Some((before, variable, after)) = split(rest) {
        let at = text.len() - rest.len() + before.len();
        if let Some(piece) = variable.piece() {
            pieces.extend((start < at).then(|| Piece::Text(&text[start..at])));
            pieces.push(piece);
            start = text.len() - after.len();
        }
        rest = after;
    }
    pieces.extend((start < text.len()).then(|| Piece::Text(&text[start..])));
    pieces
}

/// Whether the text holds any of these variables.
pub fn is_late(text: &str) -> bool {
    pieces(text).iter().any(|piece| !matches!(piece, Piece::Text(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_what_belongs_to_the_shell() {
        assert_eq!(pieces("echo ${HOME} $(x) ${A:-b}"), [Piece::Text("echo ${HOME} $(x) ${A:-b}")]);
        assert_eq!(
            pieces("cd ${containerWorkspaceFolder}/a && echo ${X:-${containerEnv:PATH:/bin}}"),
            [
                Piece::Text("cd "),
                Piece::Folder,
                Piece::Text("/a && echo ${X:-"),
                Piece::Environment { name: "PATH", default: "/bin" },
                Piece::Text("}"),
            ]
        );
        assert_eq!(
            pieces("${localWorkspaceFolderBasename}${devcontainerId}"),
            [Piece::FolderName, Piece::WorkspaceId]
        );
        assert_eq!(pieces(""), []);
        assert_eq!(pieces("${"), [Piece::Text("${")]);
        assert_eq!(pieces("ä${é}€"), [Piece::Text("ä${é}€")]);
        assert!(is_late("${containerEnv:A}") && !is_late("${containerEnv}") && !is_late("${localEnv:A}"));
    }
}
