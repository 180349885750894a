//! The agent's side of sealing, by hand.

use berth_schema::AgentId;
use berth_schema::reconcile::ReconcileResponse;
use berth_schema::sealing::{Binding, INFO, PublicKey};
use berth_schema::variables::VariableBundle;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, Serializable as _, setup_receiver};

/// A key pair made of anything.
pub(crate) struct Key {
    pub(crate) public: PublicKey,
    private: <X25519HkdfSha256 as Kem>::PrivateKey,
}

impl Key {
    pub(crate) fn new(seed: &[u8; 16]) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(&[*seed, *seed].concat());
        Self { public: PublicKey::new(public.to_bytes().0), private }
    }

    /// The variables of a workspace. `None`: there are none, or they do not open.
    pub(crate) fn open(
        &self,
        agent: AgentId,
        epoch: i64,
        response: &ReconcileResponse,
        workspace: &str,
    ) -> Option<VariableBundle> {
        let encapsulated = response.sealing?.encapsulated_key;
        let encapsulated =
            <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated.as_bytes()).ok()?;
        let mut context = setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapsulated,
            INFO,
        )
        .ok()?;
        let mut sealed: Vec<_> =
            response.workspaces.iter().filter(|directive| directive.variables.is_some()).collect();
        sealed.sort_by_key(|directive| directive.variables.as_ref().map(|bundle| bundle.position));
        for directive in sealed {
            let (workspace_id, generation) = (directive.workspace_id, directive.generation);
            let binding = Binding { agent, epoch, workspace: workspace_id, generation };
            let ciphertext = &directive.variables.as_ref()?.ciphertext;
            let plain = context.open(ciphertext, &binding.associated_data()).ok()?;
            if directive.name.as_str() == workspace {
                return serde_json::from_slice(&plain).ok();
            }
        }
        None
    }
}
