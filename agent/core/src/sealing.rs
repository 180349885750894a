//! Opening what the server sealed to this agent.

use std::collections::BTreeMap;

use berth_schema::reconcile::{ReconcileResponse, WorkspaceDirective};
use berth_schema::sealing::{Binding, INFO};
use berth_schema::variables::VariableBundle;
use berth_schema::{AgentId, WorkspaceId};
use hpke::aead::{AeadCtxR, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, setup_receiver};
use zeroize::Zeroizing;

use crate::keys::KeyRing;

type Context = AeadCtxR<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>;

/// The variables of an answer, by workspace. What did not open is not in it, and its workspace is told as an error.
#[derive(Debug, Default)]
pub struct Opened(BTreeMap<WorkspaceId, VariableBundle>);

impl Opened {
    /// Opens the bundles of an answer to a request of `epoch`. They open in the order in which they were sealed, so one
    /// that does not takes those behind it with it; they come again with the next answer.
    pub fn of(response: &ReconcileResponse, keys: &KeyRing, agent: AgentId, epoch: i64) -> Self {
        let mut sealed: Vec<&WorkspaceDirective> =
            response.workspaces.iter().filter(|directive| directive.variables.is_some()).collect();
        sealed.sort_by_key(|directive| directive.variables.as_ref().map(|bundle| bundle.position));
        let Some(mut context) = context(response, keys) else { return Self::default() };
        let opened = sealed.into_iter().map_while(|directive| {
            let binding =
                Binding { agent, epoch, workspace: directive.workspace_id, generation: directive.generation };
            let ciphertext = &directive.variables.as_ref()?.ciphertext;
            let plain = context.open(ciphertext, &binding.associated_data()).map(Zeroizing::new).ok()?;
            Some((directive.workspace_id, serde_json::from_slice(&plain).ok()?))
        });
        Self(opened.collect())
    }

    pub(crate) fn take(&mut self, workspace: WorkspaceId) -> Option<VariableBundle> {
        self.0.remove(&workspace)
    }
}

/// For worlds without cryptography: tests, and the simulation.
impl FromIterator<(WorkspaceId, VariableBundle)> for Opened {
    fn from_iter<T: IntoIterator<Item = (WorkspaceId, VariableBundle)>>(bundles: T) -> Self {
        Self(bundles.into_iter().collect())
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
