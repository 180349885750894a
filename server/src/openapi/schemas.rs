//! The schemas of bodies, parameters and answers, from the attributes that serde reads.
//!
//! A type may look otherwise where it is sent than where it is answered: what has a default may be left out there, and is always here. So
//! there are two sets of them; what is the same in both is one.

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use crate::http::described::Parameter;

/// Where they are in the document.
const DEFINITIONS: &str = "/components/schemas";
const REFERENCE: &str = "#/components/schemas/";
/// Behind the name of what is sent, where it looks otherwise than what is answered.
const SENT: &str = "Sent";

/// All that were asked for so far.
#[derive(Debug)]
pub struct Schemas {
    asked: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = DEFINITIONS.into();
                settings.meta_schema = None;
            })
        };
        Self {
            asked: settings().for_deserialize().into_generator(),
            answered: settings().for_serialize().into_generator(),
        }
    }
}

impl Schemas {
    /// Of what is sent. A place that is still to be named: see [`Names::settle`].
    pub(crate) fn asked<T: JsonSchema>(&mut self) -> Value {
        self.asked.subschema_for::<T>().into()
    }

    /// Of what is answered.
    pub(crate) fn answered<T: JsonSchema>(&mut self) -> Value {
        self.answered.subschema_for::<T>().into()
    }

    /// The fields of a query. One that may be left out is never null: there is no such word there.
    pub(crate) fn parameters<T: JsonSchema>(&mut self) -> Vec<Parameter> {
        let schema: Value = T::json_schema(&mut self.asked).into();
        let required: Vec<_> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let fields = schema["properties"].as_object().into_iter().flatten();
        let parameter = |(name, schema): (&String, &Value)| {
            let mut schema = schema.clone();
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let description = description.and_then(|text| text.as_str().map(str::to_owned));
            not_null(&mut schema);
            for_generators(&mut schema);
            let is_required = required.contains(&name.as_str());
            Parameter { place: "query", name: name.clone(), is_required, description, schema }
        };
        fields.map(parameter).collect()
    }

    /// Ends the collecting: every schema by its name, and what is sent where it has another name.
    pub(super) fn settle(&mut self) -> (Map<String, Value>, Sent) {
        let asked = self.asked.take_definitions(false);
        let mut all = self.answered.take_definitions(false);
        let mut differs: BTreeSet<String> = asked
            .iter()
            .filter(|(name, schema)| all.get(*name).is_some_and(|other| other != *schema))
            .map(|(name, _)| name.clone())
            .collect();
        // What refers to something that differs does so too, if it is answered as well.
        loop {
            let more: Vec<_> = asked
                .iter()
                .filter(|(name, schema)| {
                    !differs.contains(*name) && all.contains_key(*name) && refers_to_any(schema, &differs)
                })
                .map(|(name, _)| name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            differs.extend(more);
        }
        let sent = Sent(differs.into_iter().map(|name| (name.clone(), format!("{name}{SENT}"))).collect());
        for (name, mut schema) in asked {
            sent.rename(&mut schema);
            let name = sent.0.get(&name).cloned().unwrap_or(name);
            all.entry(name).or_insert(schema);
        }
        all.values_mut().for_each(|schema| {
            in_prose(schema);
            for_generators(schema);
        });
        (all, sent)
    }
}

/// The schemas of what is sent that have a name of their own.
#[derive(Debug)]
pub(super) struct Sent(BTreeMap<String, String>);

impl Sent {
    /// Gives references the names that they have as what is sent.
    pub(super) fn rename(&self, schema: &mut Value) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get_mut("$ref") {
                    let name = reference.strip_prefix(REFERENCE).and_then(|name| self.0.get(name));
                    if let Some(name) = name {
                        *reference = format!("{REFERENCE}{name}");
                    }
                }
                object.values_mut().for_each(|value| self.rename(value));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.rename(value)),
            _ => {}
        }
    }
}

fn refers_to_any(schema: &Value, names: &BTreeSet<String>) -> bool {
    match schema {
        Value::Object(object) => {
            let reference = object.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|reference| reference.strip_prefix(REFERENCE));
            name.is_some_and(|name| names.contains(name))
                || object.values().any(|value| refers_to_any(value, names))
        }
        Value::Array(list) => list.iter().any(|value| refers_to_any(value, names)),
        _ => false,
    }
}

/// Comments as people read them who have no source: on one line, and no links of rustdoc.
fn in_prose(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
                *text = paragraphs.map(|paragraph| unlinked(&paragraph)).collect::<Vec<_>>().join("\n\n");
            }
            object.values_mut().for_each(in_prose);
        }
        Value::Array(list) => list.iter_mut().for_each(in_prose),
        _ => {}
    }
}

/// The same in the words that generators of clients know: words of which one is meant as one list, and what may be anything as an object
/// in place of `true`.
fn for_generators(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some((words, meanings)) =
                object.get("oneOf").and_then(Value::as_array).and_then(|of| words(of))
            {
                object.remove("oneOf");
                object.insert("type".to_owned(), "string".into());
                object.insert("enum".to_owned(), words.into());
                let first = object.remove("description");
                let first = first.as_ref().and_then(Value::as_str).map(str::to_owned);
                let all: Vec<_> = first.into_iter().chain(meanings).collect();
                if !all.is_empty() {
                    object.insert("description".to_owned(), all.join("\n\n").into());
                }
            }
            for (name, value) in object.iter_mut() {
                if name == "items" && *value == Value::Bool(true) {
                    *value = Value::Object(Map::new());
                }
                if let ("properties", Some(fields)) = (name.as_str(), value.as_object_mut()) {
                    let anything = fields.values_mut().filter(|field| **field == Value::Bool(true));
                    anything.for_each(|field| *field = Value::Object(Map::new()));
                }
                for_generators(value);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(for_generators),
        _ => {}
    }
}

/// The words of which a text is one, and what each means, where that is said; `None`: it may be something else.
fn words(of: &[Value]) -> Option<(Vec<Value>, Vec<String>)> {
    let (mut words, mut meanings) = (Vec::new(), Vec::new());
    for one in of {
        match (one.get("const"), one.get("enum").and_then(Value::as_array)) {
            (Some(Value::String(word)), None) => {
                words.push(word.as_str().into());
                let meaning = one.get("description").and_then(Value::as_str);
                meanings.extend(meaning.map(|meaning| format!("`{word}`: {meaning}")));
            }
            (None, Some(some)) if one.get("description").is_none() => words.extend_from_slice(some),
            _ => return None,
        }
    }
    words.iter().all(Value::is_string).then_some((words, meanings))
}

/// ``[`crate::text::Word`]`` and ``[`Word`](crate::text::Word)`` are `Word`.
fn unlinked(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((linked, rest)) = part.split_once("`]") else {
            plain.extend(["[`", part]);
            continue;
        };
        let target = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let name = linked.rsplit("::").next().unwrap_or(linked);
        plain.extend(["`", name, "`", target.map_or(rest, |(_, rest)| rest)]);
    }
    plain
}

fn not_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Inner {
        #[serde(default)]
        often: bool,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Outer {
        inner: Inner,
        same: Same,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Same {
        name: String,
    }

    #[test]
    fn what_looks_otherwise_where_it_is_sent_has_two_names_and_so_has_what_holds_it() {
        let mut schemas = Schemas::default();
        let (mut asked, answered) = (schemas.asked::<Outer>(), schemas.answered::<Outer>());
        let (all, sent) = schemas.settle();
        sent.rename(&mut asked);
        assert_eq!(asked["$ref"], format!("{REFERENCE}OuterSent"));
        assert_eq!(answered["$ref"], format!("{REFERENCE}Outer"));
        let names: BTreeSet<_> = all.keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["Inner", "InnerSent", "Outer", "OuterSent", "Same"]));
        assert_eq!(all["OuterSent"]["properties"]["inner"]["$ref"], format!("{REFERENCE}InnerSent"));
        assert_eq!(all["Inner"]["required"][0], "often");
        assert!(all["InnerSent"].get("required").is_none());
    }

    /// How large.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        /// More than that.
        Large,
    }

    #[derive(Serialize, JsonSchema)]
    struct Measured {
        size: Size,
        anything: Value,
        things: Vec<Value>,
    }

    #[test]
    fn words_are_one_list_and_what_may_be_anything_is_no_yes() {
        let mut schemas = Schemas::default();
        schemas.answered::<Measured>();
        let (all, _) = schemas.settle();
        let words = serde_json::json!({
            "type": "string", "enum": ["small", "large"], "description": "How large.\n\n`large`: More than that.",
        });
        assert_eq!(all["Size"], words);
        let fields = &all["Measured"]["properties"];
        let anything = serde_json::json!({});
        assert_eq!((&fields["anything"], &fields["things"]["items"]), (&anything, &anything));
    }

    #[test]
    fn links_of_rustdoc_are_words() {
        for (text, plain) in [
            ("As [`crate::ProjectUrl`] allows it.", "As `ProjectUrl` allows it."),
            ("See [`GroupPath`](crate::groups::GroupPath).", "See `GroupPath`."),
            ("One of [a, b] and [`half", "One of [a, b] and [`half"),
        ] {
            assert_eq!(unlinked(text), plain);
        }
    }
}
