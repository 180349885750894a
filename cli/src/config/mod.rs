//! The configuration file: contexts, each a server with a token or a login.

mod context;
mod lock;
mod target;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use context::{Context, Credential, Login};
pub(crate) use lock::Locked;
pub(crate) use target::Target;

use crate::error::Error;

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contents {
    /// The context used when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// The configuration and where it lives.
#[derive(Debug)]
pub(crate) struct Config {
    path: PathBuf,
    pub(crate) contents: Contents,
}

impl Config {
    /// Reads the file; one that does not exist is an empty configuration.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, Error> {
        let path = path.map_or_else(default_path, |path| Ok(path.to_owned()))?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, contents: Contents::default() });
            }
            Err(error) => return Err(Error::file("read", path, error)),
        };
        if text.trim().is_empty() {
            return Ok(Self { path, contents: Contents::default() });
        }
        match serde_saphyr::from_str(&text) {
            Ok(contents) => Ok(Self { path, contents }),
            Err(error) => {
                let place =
                    error.location().map(|at| format!("at line {}, column {}", at.line(), at.column()));
                Err(Error::Config { path, place: place.unwrap_or_else(|| "at its end".to_owned()) })
            }
        }
    }

    /// [`Locked`] does it.
    fn save(&self) -> Result<(), Error> {
        let text = serde_saphyr::to_string(&self.contents)
            .map_err(|error| Error::Other(format!("cannot write YAML: {error}")))?;
        write_private(&self.path, &text).map_err(|error| Error::file("write", &self.path, error))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The context of this name, or words that say which there are.
    pub(crate) fn context(&self, name: &str) -> Result<&Context, Error> {
        self.contents.contexts.get(name).ok_or_else(|| Error::NotFound {
            message: format!("there is no context '{name}'"),
            hint: "`berth contexts list` shows those there are; `berth login URL --context NAME` makes one"
                .to_owned(),
        })
    }

    /// Whether others of this machine may read the tokens.
    pub(crate) fn is_readable_by_others(&self) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
}

fn default_path() -> Result<PathBuf, Error> {
    let base = match std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from) {
        // The XDG specification says to ignore a relative one.
        Some(path) if path.is_absolute() => path,
        _ => std::env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())
            .ok_or_else(|| {
                Error::usage("HOME is not set; name the configuration file with --config or BERTH_CONFIG")
            })?
            .join(".config"),
    };
    Ok(base.join("berth").join("config.yaml"))
}

/// A link (into somebody's dot files) stays a link.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let path = resolved(path);
    let directory = directory_of(&path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    #[test]
    fn a_token_that_looks_like_something_else_comes_back_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.yaml");
        for token in [
            "123", "1e5", "0x1f", "true", "null", "~", "-", "a#b", "#a", "&a", "*a", "!a", "@", "{a", "'",
            "\"",
        ] {
            let mut config = Config::load(Some(&path)).expect("a configuration");
            let context = Context {
                url: "https://example.com".parse().expect("a URL"),
                organization: "main".to_owned(),
                allow_http: false,
                ca_file: None,
                credential: Credential::Token(Token::from_input(token.to_owned()).expect("a token")),
            };
            config.contents.contexts.insert("one".to_owned(), context);
            config.save().expect("saved");
            let loaded = Config::load(Some(&path)).expect("what was saved is understood");
            let context = loaded.context("one").expect("the context");
            assert!(matches!(&context.credential, Credential::Token(read) if read.expose() == token));
        }
    }

    #[test]
    fn a_link_to_the_file_stays_a_link() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("file.yaml"), directory.path().join("link.yaml"));
        fs::write(&file, "contexts: {}").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        Config::load(Some(&link)).expect("a configuration").save().expect("saved");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    }
}
