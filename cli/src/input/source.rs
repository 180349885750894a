//! A file, or standard input where the path is `-`.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::error::Error;

/// Where something is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Stdin,
}

/// Standard input, which can be read once.
#[derive(Debug, Default)]
pub(crate) struct Stdin {
    reader: Option<String>,
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "-" { Self::Stdin } else { Self::File(PathBuf::from(text)) })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

impl Source {
    /// Reads all of it, at most `limit` bytes. `flag` is who asks, for the messages.
    pub(crate) fn read(
        &self,
        flag: &str,
        limit: usize,
        stdin: &mut Stdin,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let bytes = self.read_beyond(flag, limit, stdin)?;
        if bytes.len() > limit {
            return Err(Error::usage(format!("{flag}: {self} is larger than {} KiB", limit / 1024)));
        }
        Ok(bytes)
    }

    /// The same, where the caller tells what is larger: that has one byte more than the limit.
    pub(crate) fn read_beyond(
        &self,
        flag: &str,
        limit: usize,
        stdin: &mut Stdin,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let bytes = match self {
            Self::Stdin => {
                if let Some(reader) = &stdin.reader {
                    return Err(Error::usage(format!("{flag} and {reader} cannot both read standard input")));
                }
                stdin.reader = Some(flag.to_owned());
                read_bounded(io::stdin().lock(), limit)
            }
            Self::File(path) => File::open(path).and_then(|file| read_bounded(file, limit)),
        };
        bytes.map_err(|error| Error::file("read", self.to_string(), error))
    }

    /// The same for text.
    pub(crate) fn read_text(
        &self,
        flag: &str,
        limit: usize,
        stdin: &mut Stdin,
    ) -> Result<Zeroizing<String>, Error> {
        let bytes = self.read(flag, limit, stdin)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(error) => {
                let offset = error.valid_up_to();
                Err(Error::usage(format!("{flag}: {self} is not UTF-8 text (byte {offset})")))
            }
        }
    }
}

/// One byte more than the limit tells that there is more.
fn read_bounded(reader: impl Read, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
