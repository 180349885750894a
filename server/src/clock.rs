//! The one place that looks at the time.

use jiff::Timestamp;

/// Now, as the database keeps it, so that an answer says what was stored.
pub fn now() -> Timestamp {
    berth_db::stored_time(Timestamp::now())
}
