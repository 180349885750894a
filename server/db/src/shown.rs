//! Rows of which somebody shows a token: they are found by the id that the token names *and* by the hash of all of it.
//!
//! A row of which another secret is shown is not found, as one that is not there: sending and reading it would take a time that
//! tells somebody without a secret which ids there are. Whoever asks for a row so compares the hash once more, in constant time.

/// The filter of a table with `secret_hash`, and with `previous_secret_hash` where one before it may go on opening.
macro_rules! shown {
    ($table:ident, $hash:expr) => {
        $table::secret_hash.eq($hash.to_vec())
    };
    ($table:ident, $hash:expr, or the one before) => {
        $table::secret_hash.eq($hash.to_vec()).or($table::previous_secret_hash.eq($hash.to_vec()))
    };
}
pub(crate) use shown;
