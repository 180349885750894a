//! What is on record, looked up.

use std::collections::HashMap;

use berth_db::{AuditFilter, AuditPage, AuditRow};
use berth_schema::api::Paged;
use berth_schema::audit::{Listed, Outcome, Resource};
use berth_schema::{Action, FieldError, SubjectId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::paging::{self, Limit};
use crate::identity::Member;
use crate::{Error, Op};

/// The query of a list, as it came. Absent filters let everything through.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    #[schemars(with = "Option<Limit>")]
    pub(crate) limit: Option<String>,
    /// The `next` of an earlier page.
    pub(crate) after: Option<String>,
    /// A sequence: the oldest first, from there on. `next` then says where to go on, also behind the last one.
    pub(crate) from: Option<String>,
    /// A time of RFC 3339.
    pub(crate) since: Option<String>,
    /// The first time that is not meant any more.
    pub(crate) until: Option<String>,
    /// A subject's id.
    pub(crate) actor: Option<String>,
    /// As in `workspace.stop`.
    pub(crate) action: Option<String>,
    /// `KIND` or `KIND:ID`.
    pub(crate) resource: Option<String>,
    /// `done` or `denied`.
    pub(crate) outcome: Option<String>,
}

/// What a query asks for.
#[derive(Debug)]
struct Asked {
    filter: AuditFilter,
    page: AuditPage,
    /// One more than is shown.
    limit: i64,
}

impl AuditQuery {
    fn check(&self) -> Result<Asked, Error> {
        let mut errors = Vec::new();
        let limit = paging::request(self.limit.as_deref(), None, &mut errors).limit;
        let mut parsed = Parsed { errors };
        let (after, from) =
            (parsed.sequence("after", self.after.as_ref()), parsed.sequence("from", self.from.as_ref()));
        if after.is_some() && from.is_some() {
            parsed.wrong("from", "cannot be given together with 'after'");
        }
        let time = "must be a time as in 2027-01-31T12:00:00Z";
        let (kind, id) = self.resource.as_deref().map_or((None, None), |text| match text.split_once(':') {
            Some((kind, id)) => (Some(kind), Some(id)),
            None => (Some(text), None),
        });
        if kind.is_some_and(|kind| !Resource::kinds().any(|known| known == kind)) {
            let kinds = Resource::kinds().collect::<Vec<_>>().join(", ");
            parsed.wrong("resource", &format!("must be KIND or KIND:ID, with one of these kinds: {kinds}"));
        }
        let outcome = match self.outcome.as_deref() {
            None => None,
            Some(done) if done == Outcome::Done.as_str() => Some(Outcome::Done.as_str()),
            Some("denied") => Some("denied"),
            Some(_) => {
                parsed.wrong("outcome", "must be 'done' or 'denied'");
                None
            }
        };
        let filter = AuditFilter {
            since: parsed.value("since", self.since.as_ref(), time),
            until: parsed.value("until", self.until.as_ref(), time),
            subject: parsed.value("actor", self.actor.as_ref(), "must be the id of a subject"),
            action: parsed.value("action", self.action.as_ref(), "must be an action, as in workspace.stop"),
            resource_kind: kind.map(str::to_owned),
            resource_id: id.map(str::to_owned),
            outcome,
        };
        if !parsed.errors.is_empty() {
            return Err(Error::Invalid(parsed.errors));
        }
        let page = match from {
            Some(from) => AuditPage::From(from),
            None => AuditPage::Below(after.unwrap_or(i64::MAX)),
        };
        Ok(Asked { filter, page, limit })
    }
}

/// What could be parsed of a query, and what is wrong with the rest.
struct Parsed {
    errors: Vec<FieldError>,
}

impl Parsed {
    fn wrong(&mut self, field: &str, message: &str) {
        self.errors.push(FieldError::new(field, message));
    }

    fn value<T: std::str::FromStr>(&mut self, field: &str, text: Option<&String>, rule: &str) -> Option<T> {
        let value = text?.parse().ok();
        if value.is_none() {
            self.wrong(field, rule);
        }
        value
    }

    fn sequence(&mut self, field: &str, text: Option<&String>) -> Option<i64> {
        let sequence = self.value(field, text, "must be the sequence of a record, from 1")?;
        if sequence < 1 {
            self.wrong(field, "must be the sequence of a record, from 1");
        }
        Some(sequence)
    }
}

/// The newest first, or from a sequence on. A record is shown as it is stored: its canonical form is what its hash is of. What members
/// are called is told beside it to whoever may look at them.
pub async fn list(op: &Op<Member>, query: &AuditQuery) -> Result<Paged<Listed<Value>>, Error> {
    let Asked { filter, page, limit } = query.check()?;
    let organization = berth_policy::Resource::organization(op.organization());
    let knows_members = op.who.authority.decide(Action::ListMembers, &organization).allowed;
    let (mut rows, names) = op
        .read("list_audit", async |conn| {
            let rows = conn.audit().list(&filter, page, limit).await?;
            let actors: Vec<_> = rows.iter().filter(|_| knows_members).filter_map(actor).collect();
            let names =
                if actors.is_empty() { HashMap::new() } else { conn.subjects().names(&actors).await? };
            Ok::<_, Error>((rows, names))
        })
        .await?;
    let shown = usize::try_from(limit - 1).unwrap_or(0);
    let more = rows.len() > shown;
    rows.truncate(shown);
    let next = next(page, &rows, more);
    let items = rows.into_iter().map(|row| {
        let actor_name = actor(&row).and_then(|actor| names.get(&actor).cloned());
        Listed { entry: row.entry, actor_name }
    });
    Ok(Paged { items: items.collect(), next })
}

/// Whose doing it is.
fn actor(row: &AuditRow) -> Option<SubjectId> {
    row.entry.record["who"]["subject"].as_str()?.parse().ok()
}

fn next(page: AuditPage, rows: &[AuditRow], more: bool) -> Option<String> {
    let last = rows.last().map(|row| row.sequence);
    match page {
        AuditPage::Below(_) => last.filter(|_| more).map(|sequence| sequence.to_string()),
        // Whoever follows asks again from there.
        AuditPage::From(from) => Some(last.map_or(from, |last| last.saturating_add(1)).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(json: Value) -> AuditQuery {
        serde_json::from_value(json).expect("a query")
    }

    #[test]
    fn everything_that_is_wrong_with_a_query_is_told_at_once() {
        let all = serde_json::json!({
            "limit": "0", "after": "x", "from": "0", "since": "yesterday", "until": "1", "actor": "me", "action": "explode",
            "resource": "planet:x", "outcome": "maybe",
        });
        let Err(Error::Invalid(errors)) = query(all).check() else { panic!("it is wrong") };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        let expected = ["limit", "after", "from", "resource", "outcome", "since", "until", "actor", "action"];
        assert_eq!(fields, expected);
        let both = query(serde_json::json!({"after": "2", "from": "1"})).check();
        assert!(matches!(both, Err(Error::Invalid(errors)) if errors[0].field == "from"));
    }

    #[test]
    fn a_resource_is_a_kind_with_or_without_an_id() {
        let of = |resource: &str| {
            let asked = query(serde_json::json!({"resource": resource})).check().expect("right");
            (asked.filter.resource_kind, asked.filter.resource_id)
        };
        assert_eq!(of("agent"), (Some("agent".to_owned()), None));
        let host = Some("git.example.com:8443".to_owned());
        assert_eq!(of("git-credential:git.example.com:8443"), (Some("git-credential".to_owned()), host));
    }
}
