//! Cursors as clients see them: opaque text, which a changed one is refused by.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_db::{Cursor, PageRequest};
use berth_schema::FieldError;
use berth_schema::api::Paged;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use uuid::Uuid;

pub const DEFAULT_LIMIT: u16 = 25;
pub const MAX_LIMIT: u16 = 100;

/// How a limit looks in the API's description. It is read as text, so that what is wrong with it is told with all else.
#[derive(Debug)]
pub enum Limit {}

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT })
    }
}

/// How many rows are read at once where it is asked of each whether it may be seen.
pub(super) const PART: i64 = 500;
/// Microseconds and an id.
const CURSOR_BYTES: usize = 8 + 16;

/// The page that a client asks for; what is wrong goes to `errors`.
pub fn request(limit: Option<&str>, after: Option<&str>, errors: &mut Vec<FieldError>) -> PageRequest {
    let limit = limit.map_or(Some(DEFAULT_LIMIT), |text| {
        text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
    });
    if limit.is_none() {
        errors.push(FieldError::new("limit", format!("must be a number from 1 to {MAX_LIMIT}")));
    }
    let cursor = after.map(decode);
    if cursor == Some(None) {
        errors.push(FieldError::new("after", "must be the 'next' of an earlier page"));
    }
    // One more than is shown tells whether there is a next page.
    PageRequest { after: cursor.flatten(), limit: i64::from(limit.unwrap_or(DEFAULT_LIMIT)) + 1 }
}

/// Makes a page of what was loaded for `request`.
pub fn page<R, T>(
    mut rows: Vec<R>,
    request: &PageRequest,
    cursor: impl Fn(&R) -> Cursor,
    show: impl FnMut(R) -> T,
) -> Paged<T> {
    let shown = usize::try_from(request.limit - 1).unwrap_or(0);
    let more = rows.len() > shown;
    rows.truncate(shown);
    let next = rows.last().filter(|_| more).map(|row| encode(&cursor(row)));
    Paged { items: rows.into_iter().map(show).collect(), next }
}

/// Rows for a page, of those that `$seen` leaves of each part of the list: read on until there are enough of them or no more.
macro_rules! pick {
    ($page:expr, |$part:ident| $load:expr, $cursor:expr, |$rows:ident| $seen:expr) => {{
        let page: &berth_db::PageRequest = $page;
        let wanted = usize::try_from(page.limit).unwrap_or(0);
        let mut picked = Vec::new();
        let mut next = berth_db::PageRequest { limit: crate::services::paging::PART, ..*page };
        loop {
            let $part = &next;
            let $rows = $load;
            let is_last = i64::try_from($rows.len()).is_ok_and(|read| read < next.limit);
            next.after = $rows.last().map($cursor).or(next.after);
            picked.extend($seen);
            if is_last || picked.len() >= wanted {
                picked.truncate(wanted);
                break picked;
            }
        }
    }};
}
pub(super) use pick;

fn encode(cursor: &Cursor) -> String {
    let mut bytes = [0; CURSOR_BYTES];
    bytes[..8].copy_from_slice(&cursor.created_at.as_microsecond().to_be_bytes());
    bytes[8..].copy_from_slice(cursor.id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<Cursor> {
    let bytes: [u8; CURSOR_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (time, id) = bytes.split_first_chunk::<8>()?;
    Some(Cursor {
        created_at: Timestamp::from_microsecond(i64::from_be_bytes(*time)).ok()?,
        id: Uuid::from_slice(id).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_changed_one_is_refused() {
        let cursor = Cursor {
            created_at: Timestamp::from_microsecond(1_700_000_000_000_001).expect("a time"),
            id: Uuid::new_v4(),
        };
        let text = encode(&cursor);
        assert_eq!(decode(&text), Some(cursor));
        for wrong in ["", "x", &text[1..], &format!("{text}A")] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_1_to_100() {
        let limit = |text| {
            let mut errors = vec![];
            let request = request(Some(text), None, &mut errors);
            errors.is_empty().then_some(request.limit - 1)
        };
        assert_eq!(limit("1"), Some(1));
        assert_eq!(limit("100"), Some(100));
        for wrong in ["0", "101", "-1", "x", "", "99999999999"] {
            assert_eq!(limit(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_a_page_with_more_behind_it_says_where_to_go_on() {
        let cursor = |id: &u128| Cursor { created_at: Timestamp::UNIX_EPOCH, id: Uuid::from_u128(*id) };
        let request = PageRequest { after: None, limit: 3 };
        let last = page(vec![1_u128, 2], &request, cursor, |id| id);
        assert_eq!((last.items, last.next), (vec![1, 2], None));
        let first = page(vec![1_u128, 2, 3], &request, cursor, |id| id);
        assert_eq!((first.items, first.next), (vec![1, 2], Some(encode(&cursor(&2)))));
    }
}
