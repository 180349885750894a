//! An object that the policy allows, on its way to the API server.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use berth_schema::kubernetes::GENERATION;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::kinds::Kind;
use crate::written::{Left, Stamp};

/// An object that the policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub kind: Kind,
    pub name: String,
    /// As text: hundreds wait for their turn at once, and as values they would take several times as much memory.
    json: Box<str>,
    /// A digest of the object but for its generation.
    content: u64,
}

impl Manifest {
    pub(crate) fn new(kind: Kind, name: String, mut object: Value) -> Self {
        let json = object.to_string().into();
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove(GENERATION);
        }
        object.sort_all_objects();
        let mut digest = DefaultHasher::new();
        object.to_string().hash(&mut digest);
        Self { kind, name, json, content: digest.finish() }
    }

    pub(crate) fn key(&self) -> (Kind, String) {
        (self.kind, self.name.clone())
    }

    pub(crate) const fn content(&self) -> u64 {
        self.content
    }

    /// What is to be remembered of it after it was written; `metadata` as the API server answered.
    pub fn left(&self, metadata: &ObjectMeta) -> Left {
        let (kind, name) = self.key();
        let uid = metadata.uid.as_deref().unwrap_or_default().into();
        Left { kind, name, content: self.content, stamp: Stamp::of(self.kind, metadata), uid }
    }

    /// Whether it was written as it is now, and what is there (`live`) is what was left.
    pub fn is_as_left(&self, left: &[Left], live: &ObjectMeta) -> bool {
        let uid = live.uid.as_deref().unwrap_or_default();
        let same = |left: &&Left| (left.kind, left.name.as_str()) == (self.kind, self.name.as_str());
        left.iter().find(same).is_some_and(|left| {
            left.content == self.content && *left.uid == *uid && left.stamp == Stamp::of(self.kind, live)
        })
    }

    /// The object, as it is to be applied.
    pub fn object(&self) -> Value {
        serde_json::from_str(&self.json).expect("it was written from a value")
    }
}
