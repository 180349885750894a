use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_schema::scope::Scope;
use berth_schema::variables::VariableKind;
use berth_schema::{OrganizationId, WorkspaceId};
use ring::rand::SystemRandom;

use super::*;

const LABEL: Label<'static> = Label { name: "API_KEY", kind: VariableKind::Environment.as_str(), version: 1 };

fn keys(generations: &[(&str, u8)]) -> KeyRing {
    let lines: Vec<String> =
        generations.iter().map(|(id, byte)| format!("{id} {}", STANDARD.encode([*byte; 32]))).collect();
    lines.join("\n").parse().expect("a key ring")
}

fn owner() -> Owner {
    Owner::of_workspace(OrganizationId::random(), WorkspaceId::random())
}

struct Case {
    ring: KeyRing,
    owner: Owner,
    wrapped: WrappedKey,
    sealed: SealedValue,
}

fn case() -> Case {
    let ring = keys(&[("k1", 1)]);
    let owner = owner();
    let random = SystemRandom::new();
    let (key, wrapped) = DataKey::generate(&ring, owner, &random).expect("a data key");
    let sealed = key.seal(LABEL, &SecretValue::new(b"s3cret".to_vec()), &random).expect("sealed");
    Case { ring, owner, wrapped, sealed }
}

impl Case {
    fn open(&self) -> Result<Vec<u8>, CryptoError> {
        let key = DataKey::unwrap(&self.ring, self.owner, &self.wrapped)?;
        Ok(key.open(LABEL, &self.sealed)?.expose().to_vec())
    }
}

#[test]
fn what_was_sealed_opens() {
    assert_eq!(case().open().expect("opens"), b"s3cret");
}

#[test]
fn every_length_of_value_comes_back() {
    let ring = keys(&[("k1", 1)]);
    let random = SystemRandom::new();
    let (key, _) = DataKey::generate(&ring, owner(), &random).expect("a data key");
    for length in [0, 1, 15, 16, 17, 1 << 20] {
        let value = vec![0xA5; length];
        let sealed = key.seal(LABEL, &SecretValue::new(value.clone()), &random).expect("sealed");
        assert_eq!(key.open(LABEL, &sealed).expect("opens").expose(), value);
    }
}

#[test]
fn a_row_moved_to_another_workspace_or_organisation_does_not_open() {
    let original = case();
    let Owner::Workspace { organization, workspace } = original.owner else { panic!("a workspace's") };
    for owner in [
        Owner::of_workspace(organization, WorkspaceId::random()),
        Owner::of_workspace(OrganizationId::random(), workspace),
        Owner::of_organization(organization),
        Owner::Scope { organization, scope: Scope::Workspace, id: *workspace.as_uuid() },
    ] {
        let moved = Case { owner, ..case_of(&original) };
        assert_eq!(moved.open(), Err(CryptoError::DataKey));
    }
}

fn case_of(case: &Case) -> Case {
    Case {
        ring: keys(&[("k1", 1)]),
        owner: case.owner,
        wrapped: case.wrapped.clone(),
        sealed: case.sealed.clone(),
    }
}

#[test]
fn a_value_under_another_name_kind_or_version_does_not_open() {
    let case = case();
    let key = DataKey::unwrap(&case.ring, case.owner, &case.wrapped).expect("opens");
    for label in [
        Label { name: "API_KEX", ..LABEL },
        Label { kind: VariableKind::File.as_str(), ..LABEL },
        Label { version: 2, ..LABEL },
    ] {
        assert_eq!(key.open(label, &case.sealed).err(), Some(CryptoError::Value), "{label:?}");
    }
}

#[test]
fn a_value_under_another_data_key_of_the_same_workspace_does_not_open() {
    let case = case();
    let (other, _) = DataKey::generate(&case.ring, case.owner, &SystemRandom::new()).expect("another");
    assert_eq!(other.open(LABEL, &case.sealed).err(), Some(CryptoError::Value));
}

#[test]
fn a_single_changed_bit_anywhere_is_noticed() {
    let original = case();
    let fields: [fn(&mut Case) -> &mut [u8]; 5] = [
        |case| &mut case.wrapped.salt,
        |case| &mut case.wrapped.wrapped_key,
        |case| &mut case.wrapped.commitment,
        |case| &mut case.sealed.nonce,
        |case| &mut case.sealed.ciphertext,
    ];
    for field in fields {
        let length = field(&mut case_of(&original)).len();
        for byte in 0..length {
            let mut changed = case_of(&original);
            field(&mut changed)[byte] ^= 1;
            assert!(changed.open().is_err());
        }
    }
}

#[test]
fn a_shortened_row_is_an_error_and_no_panic() {
    let mut case = case();
    case.sealed.ciphertext.truncate(3);
    assert_eq!(case.open(), Err(CryptoError::Value));
    case.wrapped.wrapped_key.clear();
    assert_eq!(case.open(), Err(CryptoError::DataKey));
}

#[test]
fn another_key_under_the_same_id_does_not_open() {
    let wrong = Case { ring: keys(&[("k1", 2)]), ..case() };
    assert_eq!(wrong.open(), Err(CryptoError::DataKey));
}

#[test]
fn a_generation_that_is_gone_is_named() {
    let gone = Case { ring: keys(&[("k2", 1)]), ..case() };
    assert_eq!(gone.open(), Err(CryptoError::UnknownKek("k1".to_owned())));
}

#[test]
fn an_older_generation_still_opens_after_a_newer_came() {
    let rotated = Case { ring: keys(&[("k1", 1), ("k2", 2)]), ..case() };
    assert_eq!(rotated.open().expect("opens"), b"s3cret");
    let (_, wrapped) = DataKey::generate(&rotated.ring, owner(), &SystemRandom::new()).expect("new");
    assert_eq!(wrapped.kek_id, "k2");
}

#[test]
fn a_commitment_to_another_key_is_refused_before_any_value_is_opened() {
    let mut case = case();
    case.wrapped.commitment = self::case().wrapped.commitment;
    assert_eq!(case.open(), Err(CryptoError::Commitment));
}

#[test]
fn nothing_secret_is_printed() {
    let case = case();
    let key = DataKey::unwrap(&case.ring, case.owner, &case.wrapped).expect("opens");
    let printed = format!("{key:?} {:?}", case.ring);
    assert!(!printed.contains("[1, 1"), "{printed}");
}

#[test]
fn a_rewrapped_key_opens_the_same_values_under_the_newest_generation_alone() {
    let case = case();
    let both = keys(&[("k1", 1), ("k2", 2)]);
    let random = SystemRandom::new();
    let rewrapped = DataKey::rewrap(&both, case.owner, &case.wrapped, &random).expect("rewrapped");
    assert_eq!((rewrapped.kek_id.as_str(), rewrapped.id), ("k2", case.wrapped.id));
    assert_eq!(rewrapped.commitment, case.wrapped.commitment);
    let only_new = Case { ring: keys(&[("k2", 2)]), wrapped: rewrapped, ..case_of(&case) };
    assert_eq!(only_new.open().expect("opens"), b"s3cret");
    let only_old = Case { ring: keys(&[("k1", 1)]), wrapped: only_new.wrapped.clone(), ..case_of(&case) };
    assert_eq!(only_old.open(), Err(CryptoError::UnknownKek("k2".to_owned())));
}

#[test]
fn a_key_that_does_not_open_is_not_wrapped_anew() {
    let case = case();
    let both = keys(&[("k1", 1), ("k2", 2)]);
    let random = SystemRandom::new();
    let other = Owner::of_workspace(OrganizationId::random(), WorkspaceId::random());
    assert_eq!(DataKey::rewrap(&both, other, &case.wrapped, &random), Err(CryptoError::DataKey));
    let foreign = WrappedKey { commitment: self::case().wrapped.commitment, ..case.wrapped.clone() };
    assert_eq!(DataKey::rewrap(&both, case.owner, &foreign, &random), Err(CryptoError::Commitment));
}

#[test]
fn a_bound_key_opens_with_what_is_under_it_alone() {
    let case = case();
    let both = keys(&[("k1", 1), ("k2", 2)]);
    let random = SystemRandom::new();
    let key = DataKey::unwrap(&case.ring, case.owner, &case.wrapped).expect("opens");
    let bound = key.bind(&case.ring, &[7; 32], &random).expect("bound");
    let rewrapped = DataKey::rewrap(&both, case.owner, &bound, &random).expect("rewrapped");
    for wrapped in [bound, rewrapped] {
        let with = |contents: Option<Vec<u8>>| Case {
            ring: keys(&[("k1", 1), ("k2", 2)]),
            wrapped: WrappedKey { contents, ..wrapped.clone() },
            ..case_of(&case)
        };
        assert_eq!(with(Some(vec![7; 32])).open().expect("opens"), b"s3cret");
        for other in [None, Some(vec![]), Some(vec![7; 31]), Some(vec![8; 32])] {
            assert_eq!(with(other).open(), Err(CryptoError::DataKey));
        }
    }
}
