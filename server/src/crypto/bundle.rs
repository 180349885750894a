//! Sealing the variables of one answer to the key of the agent that asked: HPKE, opened only in the agent.

use std::fmt;

use berth_schema::sealing::{Encapsulation, INFO, PublicKey, SealedBundle};
use hpke::aead::{AeadCtxS, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeS, Serializable as _, setup_sender};
use serde::Serialize;
use zeroize::Zeroizing;

use super::envelope::CryptoError;

/// One answer's context: one exchange of keys for however many workspaces.
pub struct Sealer {
    context: AeadCtxS<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>,
    encapsulation: Encapsulation,
    next: u32,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("encapsulation", &self.encapsulation).finish_non_exhaustive()
    }
}

impl Sealer {
    /// [`CryptoError::Recipient`] when the key is none that a secret can be agreed upon with.
    pub fn new(recipient: PublicKey) -> Result<Self, CryptoError> {
        let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(recipient.as_bytes())
            .map_err(|_| CryptoError::Recipient)?;
        let (encapsulated, context) =
            setup_sender::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &key, INFO)
                .map_err(|_| CryptoError::Recipient)?;
        let encapsulated_key = PublicKey::new(encapsulated.to_bytes().0);
        Ok(Self { context, encapsulation: Encapsulation { recipient, encapsulated_key }, next: 0 })
    }

    /// Seals one workspace's variables, or its credentials, to the associated data of their binding. They open in the order of
    /// these calls.
    pub fn seal(&mut self, bundle: &impl Serialize, associated: &[u8]) -> Result<SealedBundle, CryptoError> {
        let plain = Zeroizing::new(serde_json::to_vec(bundle).map_err(|_| CryptoError::Cipher)?);
        let ciphertext = self.context.seal(&plain, associated).map_err(|_| CryptoError::Cipher)?;
        let position = self.next;
        self.next += 1;
        Ok(SealedBundle { position, ciphertext })
    }

    pub const fn encapsulation(&self) -> Encapsulation {
        self.encapsulation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::sealing::Binding;
    use berth_schema::variables::{SecretValue, VariableBundle};
    use berth_schema::{AgentId, Generation, WorkspaceId};
    use hpke::{OpModeR, setup_receiver};

    fn binding() -> Binding {
        Binding {
            agent: AgentId::random(),
            epoch: 1,
            workspace: WorkspaceId::random(),
            generation: Generation::of(1),
        }
    }

    #[test]
    fn only_the_recipient_opens_each_in_its_order_and_place() {
        let (private, public) = X25519HkdfSha256::derive_keypair(&[1; 32]);
        let mut sealer = Sealer::new(PublicKey::new(public.to_bytes().0)).expect("a sealer");
        let mut bundle = VariableBundle::default();
        bundle.files.insert("f".to_owned(), SecretValue::new(vec![0, 255]));
        let bindings = [binding(), binding()];
        let bundles: Vec<_> = bindings
            .iter()
            .map(|binding| sealer.seal(&bundle, &binding.associated_data()).expect("sealed"))
            .collect();
        assert_eq!([bundles[0].position, bundles[1].position], [0, 1]);
        let encapsulated = sealer.encapsulation().encapsulated_key;
        let encapsulated = Deserializable::from_bytes(encapsulated.as_bytes()).expect("a key");
        let open = |private| {
            setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                private,
                &encapsulated,
                INFO,
            )
            .expect("a context")
        };
        let mut context = open(&private);
        assert!(
            context.open(&bundles[1].ciphertext, &bindings[1].associated_data()).is_err(),
            "out of order"
        );
        assert!(context.open(&bundles[0].ciphertext, &bindings[1].associated_data()).is_err(), "misplaced");
        for (sealed, binding) in bundles.iter().zip(&bindings) {
            let plain = context.open(&sealed.ciphertext, &binding.associated_data()).expect("opens");
            let back: VariableBundle = serde_json::from_slice(&plain).expect("a bundle");
            assert_eq!(back.files["f"].expose(), [0, 255]);
        }
        let (other, _) = X25519HkdfSha256::derive_keypair(&[2; 32]);
        assert!(open(&other).open(&bundles[0].ciphertext, &bindings[0].associated_data()).is_err());
    }

    #[test]
    fn a_key_that_gives_everybody_the_same_secret_is_refused() {
        assert_eq!(Sealer::new(PublicKey::new([0; 32])).err(), Some(CryptoError::Recipient));
    }
}
