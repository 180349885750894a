//! The agent's side of sealing, by hand.

use berth_schema::AgentId;
use berth_schema::git::CredentialBundle;
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
        self.plain(agent, epoch, response, workspace, false)
            .and_then(|plain| serde_json::from_slice(&plain).ok())
    }

    /// The Git credentials of a workspace. `None`: there are none, or they do not open.
    pub(crate) fn open_credentials(
        &self,
        agent: AgentId,
        epoch: i64,
        response: &ReconcileResponse,
        workspace: &str,
    ) -> Option<CredentialBundle> {
        self.plain(agent, epoch, response, workspace, true)
            .and_then(|plain| serde_json::from_slice(&plain).ok())
    }

    fn plain(
        &self,
        agent: AgentId,
        epoch: i64,
        response: &ReconcileResponse,
        workspace: &str,
        credentials: bool,
    ) -> Option<Vec<u8>> {
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
        let all = response.workspaces.iter().flat_map(|directive| {
            let bundles = [(false, directive.variables.as_ref()), (true, directive.credentials.as_ref())];
            bundles.into_iter().filter_map(move |(kind, bundle)| Some((bundle?, kind, directive)))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|(bundle, ..)| bundle.position);
        for (bundle, kind, directive) in all {
            let (workspace_id, generation) = (directive.workspace_id, directive.generation);
            let binding = Binding { agent, epoch, workspace: workspace_id, generation };
            let plain = if kind {
                context.open(&bundle.ciphertext, &binding.associated_data_of_credentials()).ok()?
            } else {
                context.open(&bundle.ciphertext, &binding.associated_data()).ok()?
            };
            if directive.name.as_str() == workspace && kind == credentials {
                return Some(plain);
            }
        }
        None
    }
}
