//! A record in words, read without knowing its kinds: a newer server has others.

use serde_json::Value;

/// What a person reads of a record.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a>(pub &'a Value);

impl<'a> Told<'a> {
    /// A field that is text; `-` where it is none.
    pub fn text(self, field: &str) -> &'a str {
        self.0[field].as_str().unwrap_or("-")
    }

    /// `subject ID`, `agent ID`, `task NAME`, `command NAME`.
    pub fn who(self) -> String {
        let who = &self.0["who"];
        let kind = who["kind"].as_str().unwrap_or("-");
        let id = who.get(kind).or_else(|| who.get("name")).and_then(Value::as_str).unwrap_or("-");
        format!("{kind} {id}")
    }

    /// `KIND:ID`, or the kind alone.
    pub fn resource(self) -> String {
        let resource = &self.0["resource"];
        let kind = resource["kind"].as_str().unwrap_or("-");
        match resource["id"].as_str() {
            Some(id) => format!("{kind}:{id}"),
            None => kind.to_owned(),
        }
    }

    /// What was done, or `Err` with the reason for which it was not.
    ///
    /// # Errors
    /// The denial.
    pub fn outcome(self) -> Result<&'a str, &'a str> {
        match &self.0["outcome"] {
            Value::String(done) => Ok(done),
            outcome => Err(outcome["denied"].as_str().unwrap_or("-")),
        }
    }

    /// `name=value` of each detail.
    pub fn what(self) -> String {
        let Some((_, Value::Object(fields))) =
            self.0["details"].as_object().and_then(|details| details.iter().next())
        else {
            return "-".to_owned();
        };
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields = fields.iter().map(|(name, value)| format!("{name}={}", plain(value)));
        fields.collect::<Vec<_>>().join(" ")
    }
}
