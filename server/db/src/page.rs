//! Keyset paging: a page begins after the last row of the one before, whatever was added meanwhile.

use jiff::Timestamp;
use uuid::Uuid;

/// Where a page begins: after this row, in the order of creation, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: Timestamp,
    pub id: Uuid,
}

impl Cursor {
    pub fn new(created_at: Timestamp, id: impl Into<Uuid>) -> Self {
        Self { created_at, id: id.into() }
    }
}

/// Which page of a list. Ask for one row more than is shown to learn whether there is a next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    pub after: Option<Cursor>,
    pub limit: i64,
}

impl PageRequest {
    pub const fn first(limit: i64) -> Self {
        Self { after: None, limit }
    }
}

/// Puts a boxed query of a table with `created_at` and `id` into the order of pages and cuts out one. The condition is
/// written so that Postgres starts reading the index at the cursor.
macro_rules! paged {
    ($query:expr, $table:ident, $page:expr) => {{
        use diesel::prelude::*;
        let page: &crate::page::PageRequest = $page;
        let mut query = $query.order(($table::created_at.desc(), $table::id.desc())).limit(page.limit);
        if let Some(after) = &page.after {
            let created_at = jiff_diesel::Timestamp::from(after.created_at);
            query = query
                .filter($table::created_at.le(created_at))
                .filter($table::created_at.lt(created_at).or($table::id.lt(after.id)));
        }
        query
    }};
}
pub(crate) use paged;
