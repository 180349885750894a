//! Why a directive is not followed.

use berth_schema::NamespaceName;

use crate::kinds::Kind;

/// The longest path of a field, or part of a server's text, that is repeated.
const MAX_QUOTED: usize = 200;

/// Why a directive is not followed. `at` is the place in the list of objects, from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the server named no object to apply")]
    Nothing,
    #[error("the agent's policy allows no workspace in namespace {0}")]
    Namespace(NamespaceName),
    #[error("object {at} is of a kind that the agent's policy does not allow: {api_version} {kind}")]
    Kind { at: usize, api_version: String, kind: String },
    #[error("object {at} has no name")]
    Nameless { at: usize },
    #[error("{kind}/{name} is outside the workspace's namespace {namespace}")]
    Elsewhere { kind: &'static str, name: String, namespace: NamespaceName },
    #[error("{kind}/{name} is not named after the workspace: {named}, or {named}- and more")]
    Name { kind: &'static str, name: String, named: String },
    #[error("{kind}/{name} does not carry the label {label} of this agent and workspace")]
    Label { kind: &'static str, name: String, label: &'static str },
    #[error("{kind}/{name} is named twice")]
    Twice { kind: &'static str, name: String },
    #[error("{0}: the Secrets of variables and Git credentials are made by the agent alone")]
    VariableSecret(String),
    #[error(
        "the workspace's variables do not open: they are not sealed to a key of this agent for this workspace and term"
    )]
    Sealed,
    #[error(
        "the namespace would not enforce Pod Security '{0}'; the agent's option --allow-privilege-escalation lets it be \
         'baseline'"
    )]
    PodSecurity(&'static str),
    /// `why` is the rest of a sentence about the field.
    #[error("{kind}/{name}: {path} {why}")]
    Field { kind: &'static str, name: String, path: String, why: String },
    #[error("the set has no {kind}/{name}, without which the agent's policy lets no workspace be")]
    Missing { kind: &'static str, name: String },
    #[error(
        "the set has no NetworkPolicy/{0}; the agent's option --allow-open-network would let it be without"
    )]
    OpenNetwork(String),
    #[error("the set has more than {0} objects")]
    TooMany(usize),
    #[error("{kind}/{name} is outside the proxy's namespace {namespace}, which the agent was given")]
    NotTheProxys { kind: &'static str, name: String, namespace: String },
    #[error("the namespace {0} is shared, and nothing of it is a workspace's to change")]
    SharedNamespace(NamespaceName),
    #[error("the last object must be the workspace's Deployment, named {0}, and there must be no other")]
    Deployment(String),
}

impl Refusal {
    pub(crate) fn kind(at: usize, kind: Kind) -> Self {
        let (api_version, kind) = (kind.api_version().to_owned(), kind.as_str().to_owned());
        Self::Kind { at, api_version, kind }
    }
}

/// What is wrong with a field: where, and the rest of a sentence about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) path: String,
    pub(crate) why: String,
}

/// Whether a field is as it must be.
pub(crate) type Checked = Result<(), Wrong>;

impl Wrong {
    pub(crate) fn new(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self { path: path.into(), why: why.into() }
    }

    /// The same within another field.
    #[must_use]
    pub(crate) fn within(self, outer: &str) -> Self {
        Self { path: format!("{outer}.{}", self.path), ..self }
    }

    pub(crate) fn of(self, kind: &'static str, name: &str) -> Refusal {
        let Self { path, why } = self;
        Refusal::Field { kind, name: name.to_owned(), path: quoted(&path), why: quoted(&why) }
    }
}

/// Something that must hold of a field.
pub(crate) fn must(holds: bool, path: &str, why: &str) -> Checked {
    if holds { Ok(()) } else { Err(Wrong::new(path, why)) }
}

/// The beginning of a text that a server chose, without what could be taken for the end of a line.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().take(MAX_QUOTED).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
