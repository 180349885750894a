//! The key-encryption keys in use, which may change while the server runs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::envelope::CryptoError;
use super::kek::{KeyRing, KeyRingError};

/// The key ring, read again from its file when that changes.
#[derive(Debug)]
pub struct Keys {
    ring: RwLock<Arc<KeyRing>>,
    file: Option<PathBuf>,
}

impl Keys {
    /// Keys that stay as they are.
    pub fn fixed(ring: KeyRing) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)), file: None }
    }

    pub fn of_file(file: PathBuf, ring: KeyRing) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)), file: Some(file) }
    }

    /// The keys of this moment. What is begun with them is ended with them.
    pub fn current(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens something with the keys of this moment, and once more where another server has taken up a generation that this
    /// one has not seen yet.
    pub fn with_newest<T>(
        &self,
        open: impl Fn(&KeyRing) -> Result<T, CryptoError>,
    ) -> Result<T, CryptoError> {
        match open(&self.current()) {
            Err(CryptoError::UnknownKek(_)) if self.reload().unwrap_or(false) => open(&self.current()),
            opened => opened,
        }
    }

    /// Looks at the file again and says whether there is anything new. A file that is broken changes nothing.
    pub fn reload(&self) -> Result<bool, KeyRingError> {
        let Some(file) = &self.file else { return Ok(false) };
        let read = KeyRing::read(file)?;
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let changed = !read.ids().eq(ring.ids());
        if changed {
            *ring = Arc::new(read);
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn another_generation_is_taken_up_and_a_broken_file_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("kek");
        let line = |id: &str| format!("{id} {}\n", base64::engine::general_purpose::STANDARD.encode([7; 32]));
        let write = |text: &str| berth_secret_file::replace(&file, text.as_bytes()).expect("a file");
        write(&line("k1"));
        let keys = Keys::of_file(file.clone(), KeyRing::read(&file).expect("a key ring"));
        assert!(!keys.reload().expect("the same"));
        let before = keys.current();
        write(&(line("k1") + &line("k2")));
        assert!(keys.reload().expect("readable"));
        assert_eq!((before.newest().id(), keys.current().newest().id()), ("k1", "k2"));
        write("broken");
        assert!(keys.reload().is_err());
        assert_eq!(keys.current().newest().id(), "k2");
    }
}
