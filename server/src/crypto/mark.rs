//! Marks of requests, by which one that is repeated is known again. They are keyed by the server's keys: a dump of the database
//! tells nothing about the bodies that were marked, which may hold secrets that can be guessed.

use berth_schema::{OrganizationId, SubjectId};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::{digest, hmac};

use super::envelope::CryptoError;
use super::kek::KeyRing;

/// The marks of a subject's request, one by each generation of the key-encryption key, the newest first: what was marked before
/// the keys were rotated is known again.
pub fn marks(
    keys: &KeyRing,
    (organization, subject): (OrganizationId, SubjectId),
    route: &str,
    body: &[u8],
) -> Result<Vec<[u8; 32]>, CryptoError> {
    let body = digest::digest(&digest::SHA256, body);
    let whose = [organization.as_uuid().as_bytes().as_slice(), subject.as_uuid().as_bytes().as_slice()];
    let mark = |kek: &super::kek::Kek| {
        let secret = Salt::new(HKDF_SHA256, b"berth-request-mark/1").extract(kek.expose());
        let key = secret.expand(&whose, hmac::HMAC_SHA256).map_err(|_| CryptoError::Cipher)?;
        let mut context = hmac::Context::with_key(&hmac::Key::from(key));
        context.update(body.as_ref());
        context.update(route.as_bytes());
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        Ok(mark)
    };
    keys.newest_first().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn ring(generations: &[(&str, u8)]) -> KeyRing {
        let lines = generations.iter().map(|(id, byte)| format!("{id} {}\n", STANDARD.encode([*byte; 32])));
        lines.collect::<String>().parse().expect("a key ring")
    }

    #[test]
    fn a_request_is_known_again_after_the_keys_were_rotated() {
        let who = (OrganizationId::random(), SubjectId::random());
        let before = marks(&ring(&[("a", 1)]), who, "r", b"body").expect("marks");
        let after = marks(&ring(&[("a", 1), ("b", 2)]), who, "r", b"body").expect("marks");
        assert_eq!((after.len(), after[1]), (2, before[0]));
        assert_ne!(after[0], before[0]);
    }

    #[test]
    fn another_subject_route_or_body_has_another_mark() {
        let (ring, organization) = (ring(&[("a", 1)]), OrganizationId::random());
        let who = (organization, SubjectId::random());
        let other = (organization, SubjectId::random());
        let one = |who, route, body: &[u8]| marks(&ring, who, route, body).expect("marks")[0];
        let mark = one(who, "r", b"body");
        for different in [one(other, "r", b"body"), one(who, "s", b"body"), one(who, "r", b"bod")] {
            assert_ne!(mark, different);
        }
    }
}
