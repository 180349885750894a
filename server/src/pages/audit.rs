//! What is on record.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_schema::audit::{Listed, Told};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::frame::Frame;
use super::page::show;
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::audit::{self, AuditQuery};
use crate::{Error, Op};

/// What the address says. A form sends empty fields, too.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Asked {
    action: String,
    resource: String,
    outcome: String,
    since: String,
    until: String,
    actor: String,
    after: Option<String>,
}

impl Asked {
    fn given(&self) -> [(&'static str, &str); 6] {
        [
            ("action", &self.action),
            ("resource", &self.resource),
            ("outcome", &self.outcome),
            ("since", &self.since),
            ("until", &self.until),
            ("actor", &self.actor),
        ]
    }

    fn query(&self) -> AuditQuery {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        AuditQuery {
            action: some(&self.action),
            resource: some(&self.resource),
            outcome: some(&self.outcome),
            since: some(&self.since),
            until: some(&self.until),
            actor: some(&self.actor),
            after: self.after.clone(),
            ..AuditQuery::default()
        }
    }

    /// The address of the page behind `after`, with the same filters.
    fn address(&self, after: &str) -> String {
        let given = self.given().into_iter().filter(|(_, value)| !value.is_empty());
        format!("?{}", Serializer::new(String::new()).extend_pairs(given.chain([("after", after)])).finish())
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit<'a> {
    frame: Frame<'a>,
    asked: &'a Asked,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    sequence: String,
    time: String,
    who: String,
    /// What whoever did it is called, and their id.
    called: Option<(String, String)>,
    action: String,
    resource: String,
    /// Why it was denied.
    denied: Option<String>,
    what: String,
    from: String,
}

pub(crate) async fn list(op: Op<Member>, asked: Query<Asked>) -> Result<HttpResponse, Error> {
    let asked = asked.0;
    let page = audit::list(&op, &asked.query()).await?;
    let rows = page.items.iter().map(|Listed { entry, actor_name }| {
        let told = Told(&entry.record);
        Row {
            sequence: entry.record["sequence"].to_string(),
            time: told.text("time").split('.').next().unwrap_or_default().replace('T', " "),
            who: told.who(),
            called: actor_name.clone().zip(entry.record["who"]["subject"].as_str().map(str::to_owned)),
            action: told.text("action").to_owned(),
            resource: told.resource(),
            denied: told.outcome().err().map(str::to_owned),
            what: told.what(),
            from: told.text("peer").to_owned(),
        }
    });
    let rows = rows.collect();
    let next = page.next.map(|next| asked.address(&next));
    show(StatusCode::OK, &Audit { frame: Frame::of(&op, "/audit"), asked: &asked, rows, next })
}
