//! What a workspace went through.

use berth_db::{By, TransitionRow};
use berth_schema::FieldError;
use berth_schema::api::Paged;
use berth_schema::timeline::Transition;
use schemars::JsonSchema;
use serde::Deserialize;

use super::find;
use crate::identity::Member;
use crate::services::paging::{self, Limit};
use crate::{Error, Op};

/// The query of a timeline, as it came.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineQuery {
    #[schemars(with = "Option<Limit>")]
    limit: Option<String>,
    /// The number of the last transition of the page before.
    after: Option<String>,
}

impl TimelineQuery {
    /// Where the page ends, and one more than it holds.
    fn check(&self) -> Result<(Option<i64>, i64), Error> {
        let mut errors = Vec::new();
        let limit = paging::request(self.limit.as_deref(), None, &mut errors).limit;
        let before = self.after.as_deref().map(|text| text.parse::<i64>().ok().filter(|number| *number > 0));
        if before == Some(None) {
            errors.push(FieldError::new("after", "must be the 'next' of an earlier page"));
        }
        if errors.is_empty() { Ok((before.flatten(), limit)) } else { Err(Error::Invalid(errors)) }
    }
}

/// The newest first.
pub async fn timeline(
    op: &Op<Member>,
    name_or_id: &str,
    query: &TimelineQuery,
) -> Result<Paged<Transition>, Error> {
    let (before, limit) = query.check()?;
    let mut rows = op
        .read("list_transitions", async |conn| {
            let row = find(conn, name_or_id).await?.workspace;
            Ok::<_, Error>(conn.transitions().of_workspace(row.agent_id, row.id, before, limit).await?)
        })
        .await?;
    let shown = usize::try_from(limit - 1).unwrap_or(0);
    let more = rows.len() > shown;
    rows.truncate(shown);
    let next = rows.last().filter(|_| more).map(|(row, _)| row.number.to_string());
    Ok(Paged { items: rows.into_iter().map(|(row, by)| show(row, by)).collect(), next })
}

fn show(row: TransitionRow, by: Option<By>) -> Transition {
    let (token, member) = by.map_or((None, None), |by| (by.token, Some(by.member)));
    Transition {
        number: row.number,
        at: row.at,
        desired_state: row.desired_state,
        actual_state: row.actual_state,
        reason: row.reason,
        generation: row.generation,
        applied_generation: row.applied_generation,
        cause: row.cause,
        token_id: row.token_id.map(Into::into),
        token,
        member,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_goes_on_behind_a_number() {
        let check = |limit: &str, after: &str| {
            TimelineQuery { limit: Some(limit.to_owned()), after: Some(after.to_owned()) }.check()
        };
        assert_eq!(check("10", "7").expect("right"), (Some(7), 11));
        for (limit, after, fields) in
            [("0", "1", &["limit"][..]), ("1", "0", &["after"]), ("x", "-1", &["limit", "after"])]
        {
            let Err(Error::Invalid(errors)) = check(limit, after) else { panic!("{limit} {after} is wrong") };
            assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), fields);
        }
    }
}
