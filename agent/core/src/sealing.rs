//! Opening what the server sealed to this agent.

use std::collections::BTreeMap;

use berth_schema::git::CredentialBundle;
use berth_schema::reconcile::{ReconcileResponse, WorkspaceDirective};
use berth_schema::sealing::{Binding, INFO, SealedBundle};
use berth_schema::variables::VariableBundle;
use berth_schema::{AgentId, WorkspaceId};
use hpke::aead::{AeadCtxR, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, setup_receiver};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::keys::KeyRing;

type Context = AeadCtxR<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>;

/// What was sealed in an answer, by workspace. What did not open is not in it, and a workspace whose variables did not is told
/// as an error.
#[derive(Debug, Default)]
pub struct Opened {
    pub(crate) variables: BTreeMap<WorkspaceId, VariableBundle>,
    pub(crate) credentials: BTreeMap<WorkspaceId, Credentials>,
}

/// Git credentials, and when they are to be asked for again.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) bundle: CredentialBundle,
    pub(crate) renew_at: Option<Timestamp>,
}

/// One message of the answer's context.
struct Message<'a> {
    directive: &'a WorkspaceDirective,
    bundle: &'a SealedBundle,
    of_credentials: bool,
}

impl Opened {
    /// Opens the bundles of an answer to a request of `epoch`. They open in the order in which they were sealed, so one
    /// that does not takes those behind it with it; they come again with the next answer.
    pub fn of(
        response: &ReconcileResponse,
        keys: &KeyRing,
        agent: AgentId,
        epoch: i64,
        now: Timestamp,
    ) -> Self {
        let mut opened = Self::default();
        let Some(mut context) = context(response, keys) else { return opened };
        for message in messages(response) {
            let Message { directive, bundle, of_credentials } = message;
            let workspace = directive.workspace_id;
            let binding = Binding { agent, epoch, workspace, generation: directive.generation };
            let taken = if of_credentials {
                let plain = open(&mut context, bundle, &binding.associated_data_of_credentials());
                plain.map(|bundle| {
                    opened.credentials.insert(workspace, Credentials::new(bundle, now)).is_none()
                })
            } else {
                let plain = open(&mut context, bundle, &binding.associated_data());
                plain.map(|bundle| opened.variables.insert(workspace, bundle).is_none())
            };
            if taken.is_none() {
                break;
            }
        }
        opened
    }

    pub(crate) fn variables(&mut self, workspace: WorkspaceId) -> Option<VariableBundle> {
        self.variables.remove(&workspace)
    }

    pub(crate) fn credentials(&mut self, workspace: WorkspaceId) -> Option<Credentials> {
        self.credentials.remove(&workspace)
    }
}

impl Credentials {
    /// By this agent's clock: the server's may be another.
    fn new(bundle: CredentialBundle, now: Timestamp) -> Self {
        let seconds = bundle.renew_after_seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let renew_at = seconds
            .map(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX));
        Self { bundle, renew_at }
    }
}

/// In the order of sealing.
fn messages(response: &ReconcileResponse) -> Vec<Message<'_>> {
    let mut messages = Vec::new();
    for directive in &response.workspaces {
        let bundles = [(&directive.variables, false), (&directive.credentials, true)];
        messages.extend(bundles.into_iter().filter_map(|(bundle, of_credentials)| {
            Some(Message { directive, bundle: bundle.as_ref()?, of_credentials })
        }));
    }
    messages.sort_by_key(|message| message.bundle.position);
    messages
}

fn open<T: DeserializeOwned>(context: &mut Context, bundle: &SealedBundle, associated: &[u8]) -> Option<T> {
    let plain = context.open(&bundle.ciphertext, associated).map(Zeroizing::new).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// For worlds without cryptography: tests, and the simulation.
impl FromIterator<(WorkspaceId, VariableBundle)> for Opened {
    fn from_iter<T: IntoIterator<Item = (WorkspaceId, VariableBundle)>>(bundles: T) -> Self {
        Self { variables: bundles.into_iter().collect(), credentials: BTreeMap::new() }
    }
}

fn context(response: &ReconcileResponse, keys: &KeyRing) -> Option<Context> {
    let sealing = response.sealing?;
    let pair = keys.find(sealing.recipient)?;
    let encapsulated =
        <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(sealing.encapsulated_key.as_bytes()).ok()?;
    setup_receiver(&OpModeR::Base, pair.private(), &encapsulated, INFO).ok()
}

#[cfg(test)]
#[path = "sealing_tests.rs"]
mod tests;
