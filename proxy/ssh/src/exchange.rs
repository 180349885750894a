//! Agreeing on algorithms and keys (RFC 4253, 7; RFC 8731), strictly: no message beside the exchange's own belongs into the first one
//! (`kex-strict`, CVE-2023-48795).

use berth_schema::ssh::wire::{Reader, Writer};
use ring::digest;
use zeroize::Zeroizing;

use crate::Fault;
use crate::cipher::{Algorithm, Cipher};
use crate::packet::KEXINIT;

/// Two names of one exchange.
const EXCHANGES: [&str; 2] = ["curve25519-sha256", "curve25519-sha256@libssh.org"];
pub(crate) const ED25519: &str = "ssh-ed25519";
/// Not used beside AES-GCM, and named for those who look for one all the same.
const MACS: &str = "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
const COOKIE: usize = 16;
/// Who wants to be told which signatures are taken.
const EXT_INFO: &str = "ext-info-c";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

impl Role {
    const fn strict(self) -> &'static str {
        match self {
            Self::Server => "kex-strict-s-v00@openssh.com",
            Self::Client => "kex-strict-c-v00@openssh.com",
        }
    }
}

/// What a side says that it speaks.
pub(crate) fn offer(role: Role, cookie: &[u8; COOKIE]) -> Vec<u8> {
    let ciphers = Algorithm::ALL.map(Algorithm::as_str).join(",");
    let mut offer = Writer::default();
    offer.byte(KEXINIT);
    offer.0.extend_from_slice(cookie);
    offer.text(&format!("{},{}", EXCHANGES.join(","), role.strict())).text(ED25519);
    offer.text(&ciphers).text(&ciphers).text(MACS).text(MACS).text("none").text("none");
    // No languages; no guess; reserved.
    offer.text("").text("").flag(false).number(0);
    offer.0
}

/// What both speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    to_server: Algorithm,
    to_client: Algorithm,
    /// The other side has guessed wrong what would be agreed on: its next message is for nothing.
    pub(crate) is_guess_wrong: bool,
    /// It wants to be told which signatures are taken.
    pub(crate) wants_extensions: bool,
}

/// What one side has to say about an exchange.
struct Offer<'a> {
    exchanges: &'a str,
    host_keys: &'a str,
    to_server: &'a str,
    to_client: &'a str,
    compressions: [&'a str; 2],
    guesses: bool,
}

fn read(payload: &[u8]) -> Result<Offer<'_>, Fault> {
    let mut reader = Reader(payload);
    reader.bytes(1 + COOKIE)?;
    let (exchanges, host_keys) = (reader.text()?, reader.text()?);
    let (to_server, to_client) = (reader.text()?, reader.text()?);
    let _macs = (reader.text()?, reader.text()?);
    let compressions = [reader.text()?, reader.text()?];
    let _languages = (reader.text()?, reader.text()?);
    let guesses = reader.flag()?;
    reader.number()?;
    reader.end()?;
    Ok(Offer { exchanges, host_keys, to_server, to_client, compressions, guesses })
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
}

/// Of what the client likes, the first that the server speaks as well: whoever of both we are.
fn choose(role: Role, theirs: &str, ours: impl Fn() -> &'static [&'static str]) -> Option<&'static str> {
    match role {
        Role::Server => names(theirs).find_map(|name| ours().iter().copied().find(|own| *own == name)),
        Role::Client => ours().iter().copied().find(|own| names(theirs).any(|name| name == *own)),
    }
}

fn cipher(role: Role, theirs: &str) -> Result<Algorithm, Fault> {
    const NAMES: [&str; 2] = [Algorithm::ALL[0].as_str(), Algorithm::ALL[1].as_str()];
    let name = choose(role, theirs, || &NAMES).ok_or(Fault::NothingInCommon)?;
    Algorithm::ALL.into_iter().find(|one| one.as_str() == name).ok_or(Fault::NothingInCommon)
}

/// What both speak, as `role`, by what the other side has said.
pub(crate) fn agree(role: Role, theirs: &[u8]) -> Result<Agreed, Fault> {
    let offer = read(theirs)?;
    choose(role, offer.exchanges, || &EXCHANGES).ok_or(Fault::NothingInCommon)?;
    let in_common = |list| names(list).any(|name| name == ED25519);
    if !in_common(offer.host_keys)
        || offer.compressions.iter().any(|list| names(list).all(|name| name != "none"))
    {
        return Err(Fault::NothingInCommon);
    }
    let is_right =
        names(offer.exchanges).next() == Some(EXCHANGES[0]) && names(offer.host_keys).next() == Some(ED25519);
    Ok(Agreed {
        to_server: cipher(role, offer.to_server)?,
        to_client: cipher(role, offer.to_client)?,
        is_guess_wrong: offer.guesses && !is_right,
        wants_extensions: names(offer.exchanges).any(|name| name == EXT_INFO),
    })
}

/// All that an exchange's hash is made of, but the secret.
pub(crate) struct Said<'a> {
    pub(crate) client_id: &'a [u8],
    pub(crate) server_id: &'a [u8],
    pub(crate) client_offer: &'a [u8],
    pub(crate) server_offer: &'a [u8],
    pub(crate) host_key: &'a [u8],
    pub(crate) client_key: &'a [u8],
    pub(crate) server_key: &'a [u8],
}

/// What an exchange comes to.
pub(crate) struct Outcome {
    /// As it goes into hashes.
    secret: Zeroizing<Vec<u8>>,
    pub(crate) hash: [u8; 32],
}

impl Outcome {
    pub(crate) fn new(said: &Said<'_>, secret: &[u8]) -> Self {
        let mut number = Writer(Vec::with_capacity(64));
        number.positive(secret);
        let secret = Zeroizing::new(number.0);
        let mut all = Writer::default();
        all.string(said.client_id).string(said.server_id).string(said.client_offer).string(said.server_offer);
        all.string(said.host_key).string(said.client_key).string(said.server_key);
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&all.0);
        context.update(&secret);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self { secret, hash }
    }

    /// The ciphers of what goes out and of what comes in. `session`: the hash of the first exchange.
    pub(crate) fn ciphers(
        &self,
        role: Role,
        agreed: Agreed,
        session: &[u8; 32],
    ) -> Result<[Cipher; 2], Fault> {
        let to_server =
            Cipher::new(agreed.to_server, &self.derive(b'C', session), &self.derive(b'A', session))?;
        let to_client =
            Cipher::new(agreed.to_client, &self.derive(b'D', session), &self.derive(b'B', session))?;
        Ok(match role {
            Role::Server => [to_client, to_server],
            Role::Client => [to_server, to_client],
        })
    }

    fn derive(&self, letter: u8, session: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.secret);
        context.update(&self.hash);
        context.update(&[letter]);
        context.update(session);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(context.finish().as_ref());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(exchanges: &str, host_keys: &str, ciphers: &str, guesses: bool) -> Vec<u8> {
        let mut offer = Writer::default();
        offer.byte(KEXINIT);
        offer.0.extend_from_slice(&[0; COOKIE]);
        offer.text(exchanges).text(host_keys).text(ciphers).text(ciphers).text("").text("");
        offer.text("none,zlib@openssh.com").text("none").text("").text("").flag(guesses).number(0);
        offer.0
    }

    #[test]
    fn what_the_client_likes_best_is_agreed_on() {
        let theirs = offered(
            "mlkem768x25519-sha256,curve25519-sha256@libssh.org,ext-info-c",
            "rsa-sha2-512,ssh-ed25519",
            "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com",
            true,
        );
        let agreed = agree(Role::Server, &theirs).expect("agreed");
        assert_eq!(agreed.to_server, Algorithm::Aes128);
        assert!(agreed.is_guess_wrong && agreed.wants_extensions);
        assert_eq!(agree(Role::Client, &theirs).expect("agreed").to_client, Algorithm::Aes256);
        let own = offer(Role::Client, &[7; COOKIE]);
        let agreed = agree(Role::Server, &own).expect("agreed");
        assert!(!agreed.is_guess_wrong && !agreed.wants_extensions);
    }

    #[test]
    fn without_anything_in_common_there_is_no_agreement() {
        let (kex, key, cipher) = ("curve25519-sha256", "ssh-ed25519", "aes256-gcm@openssh.com");
        assert!(agree(Role::Server, &offered(kex, key, cipher, false)).is_ok());
        for (kex, key, cipher) in [
            ("diffie-hellman-group14-sha256", key, cipher),
            (kex, "ssh-rsa", cipher),
            (kex, key, "aes256-ctr"),
        ] {
            let theirs = offered(kex, key, cipher, false);
            assert_eq!(agree(Role::Server, &theirs), Err(Fault::NothingInCommon));
            assert_eq!(agree(Role::Client, &theirs), Err(Fault::NothingInCommon));
        }
        let whole = offered(kex, key, cipher, false);
        for length in 0..whole.len() {
            assert_eq!(agree(Role::Server, &whole[..length]), Err(Fault::Malformed));
        }
    }
}
