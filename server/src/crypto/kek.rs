//! Key-encryption keys: a file of generations, never in the database.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_secret_file::SecretFileError;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

/// The longest id of a generation.
const MAX_ID: usize = 64;

/// One generation of the key-encryption key.
pub struct Kek {
    id: String,
    key: Zeroizing<[u8; 32]>,
}

impl Kek {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kek").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Every generation that can still open something; the last one wraps what is new.
#[derive(Debug)]
pub struct KeyRing {
    generations: Vec<Kek>,
    newest: usize,
}

/// Why a file is not a key ring. No message holds a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    #[error("holds no key; each line is '<id> <32 bytes in base64>', the newest last")]
    Empty,
    #[error("line {0} is not '<id> <32 bytes in base64>'")]
    Line(usize),
    #[error("line {0}: an id has 1 to {MAX_ID} letters, digits, '.', '-' or '_'")]
    Id(usize),
    #[error("line {0} repeats an id")]
    Repeated(usize),
    #[error(transparent)]
    File(#[from] SecretFileError),
    #[error("cannot be written")]
    Io(#[from] std::io::Error),
    #[error("no random numbers can be had from the system")]
    Random,
}

impl KeyRing {
    /// The generation that wraps new data keys.
    pub fn newest(&self) -> &Kek {
        &self.generations[self.newest]
    }

    /// The generations' ids, the newest last.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.generations.iter().map(Kek::id)
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Kek> {
        self.generations.iter().rev()
    }

    pub fn find(&self, id: &str) -> Option<&Kek> {
        self.generations.iter().find(|kek| kek.id == id)
    }

    /// Reads the file, which nobody else may be able to read.
    pub fn read(path: &Path) -> Result<Self, KeyRingError> {
        berth_secret_file::read(path)?.parse()
    }

    /// Reads the file, or makes it with one new generation (mode 0600) when it does not exist.
    pub fn read_or_create(path: &Path, id: &str, random: &dyn SecureRandom) -> Result<Self, KeyRingError> {
        match berth_secret_file::create(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::read(path),
            Err(error) => Err(error.into()),
            Ok(mut file) => {
                let mut key = Zeroizing::new([0_u8; 32]);
                random.fill(key.as_mut()).map_err(|_| KeyRingError::Random)?;
                let encoded = Zeroizing::new(STANDARD.encode(key.as_ref()));
                let line = Zeroizing::new(format!("{id} {}\n", encoded.as_str()));
                file.write_all(line.as_bytes())?;
                file.sync_all()?;
                line.parse()
            }
        }
    }
}

impl FromStr for KeyRing {
    type Err = KeyRingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut generations: Vec<Kek> = Vec::new();
        for (index, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let kek = parse_line(index, line)?;
            if generations.iter().any(|known| known.id == kek.id) {
                return Err(KeyRingError::Repeated(index));
            }
            generations.push(kek);
        }
        let newest = generations.len().checked_sub(1).ok_or(KeyRingError::Empty)?;
        Ok(Self { generations, newest })
    }
}

fn parse_line(index: usize, line: &str) -> Result<Kek, KeyRingError> {
    let (id, encoded) = line.split_once(char::is_whitespace).ok_or(KeyRingError::Line(index))?;
    let characters = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if !characters || id.len() > MAX_ID {
        return Err(KeyRingError::Id(index));
    }
    let bytes = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| KeyRingError::Line(index))?);
    let key = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyRingError::Line(index))?);
    Ok(Kek { id: id.to_owned(), key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn line(id: &str, byte: u8) -> String {
        format!("{id} {}\n", STANDARD.encode([byte; 32]))
    }

    #[test]
    fn the_last_generation_wraps_and_the_others_still_open() {
        let text = format!("# keys of this installation\n{}\n{}", line("2025-01", 1), line("2025-02", 2));
        let ring: KeyRing = text.parse().expect("two generations");
        assert_eq!(ring.newest().id(), "2025-02");
        assert_eq!(ring.find("2025-01").expect("older").expose(), &[1; 32]);
        assert!(ring.find("2024-12").is_none());
    }

    #[test]
    fn a_broken_file_names_the_line_and_no_key() {
        let error = |text: &str| text.parse::<KeyRing>().expect_err("broken").to_string();
        assert!(error("").contains("no key"));
        assert!(error(&format!("{}a c2hvcnQ=", line("b", 1))).starts_with("line 2"));
        assert!(!error("a c2hvcnQ=").contains("c2hvcnQ"));
        assert!(error(&format!("{}{}", line("a", 1), line("a", 2))).contains("repeats"));
        assert!(error(&line("a/b", 1)).contains("letters"));
    }

    #[test]
    fn a_made_key_is_its_owners_alone_and_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("kek");
        let random = ring::rand::SystemRandom::new();
        let made = KeyRing::read_or_create(&path, "dev", &random).expect("made");
        let permissions = std::fs::metadata(&path).expect("file").permissions().mode();
        assert_eq!(permissions & 0o777, 0o600);
        let read = KeyRing::read_or_create(&path, "dev", &random).expect("read");
        assert_eq!(read.newest().expose(), made.newest().expose());
    }
}
