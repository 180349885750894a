//! One connection's transport: whole messages in and out, under keys that are exchanged anew when it is time.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;

use berth_schema::ssh::PublicKey;
use berth_schema::ssh::wire::{Reader, Writer};
use bytes::{Bytes, BytesMut};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SecureRandom;
use ring::signature::{ED25519, UnparsedPublicKey as SigningKey};

use crate::Fault;
use crate::cipher::Cipher;
use crate::exchange::{self, Agreed, Outcome, Role, Said, agree};
use crate::key_pair::KeyPair;
use crate::packet::{
    DEBUG, DISCONNECT, ECDH_INIT, ECDH_REPLY, EXT_INFO, IGNORE, KEXINIT, NEWKEYS, UNIMPLEMENTED,
};

/// How a side calls itself.
const ID: &str = "SSH-2.0-Berth";
/// The longest line of it, and how much a server may say before it.
const MAX_ID: usize = 255;
const MAX_GREETING: usize = 8 * 1_024;
/// Keys are exchanged anew after so many bytes in either direction (RFC 4253, 9).
const REKEY_AFTER: u64 = 1 << 30;
/// Of those who offer keys, in the words of RFC 8308.
const SIGNATURES: &str = "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,\
    sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

/// Which side this is, and by what the server is known.
#[derive(Clone, Debug)]
enum Side {
    Server(KeyPair),
    Client(PublicKey),
}

/// How far an exchange has come.
enum Exchange {
    /// There is none under way.
    None,
    /// We have said what we speak.
    Offered(Vec<u8>),
    /// Both have. A client has sent its key, with that private half.
    Agreed { ours: Vec<u8>, theirs: Bytes, agreed: Agreed, private: Option<(EphemeralPrivateKey, Vec<u8>)> },
    /// What goes out is under the new keys already; what comes in is once they say so.
    Keyed { incoming: Cipher, wants_extensions: bool },
}

/// See the crate.
pub struct Transport {
    side: Side,
    random: Arc<dyn SecureRandom + Send + Sync>,
    input: BytesMut,
    output: BytesMut,
    their_id: Option<Vec<u8>>,
    greeted: usize,
    seals: Cipher,
    opens: Cipher,
    exchange: Exchange,
    /// A wrong guess, which is passed over.
    skips_one: bool,
    /// The hash of the first exchange.
    session: Option<[u8; 32]>,
    /// What is said once the keys are there.
    waiting: VecDeque<Bytes>,
    since_keyed: u64,
    rekey_after: u64,
    /// How many messages have come in: whoever sends one that is unknown is told its number.
    received: u32,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("side", &self.side).finish_non_exhaustive()
    }
}

impl Transport {
    /// For whoever comes.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn server(key: KeyPair, random: Arc<dyn SecureRandom + Send + Sync>) -> Result<Self, Fault> {
        Self::new(Side::Server(key), random)
    }

    /// To a server that is known by that key.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn client(host: PublicKey, random: Arc<dyn SecureRandom + Send + Sync>) -> Result<Self, Fault> {
        Self::new(Side::Client(host), random)
    }

    fn new(side: Side, random: Arc<dyn SecureRandom + Send + Sync>) -> Result<Self, Fault> {
        let mut transport = Self {
            side,
            random,
            input: BytesMut::new(),
            output: BytesMut::from(format!("{ID}\r\n").as_bytes()),
            their_id: None,
            greeted: 0,
            seals: Cipher::Clear,
            opens: Cipher::Clear,
            exchange: Exchange::None,
            skips_one: false,
            session: None,
            waiting: VecDeque::new(),
            since_keyed: 0,
            rekey_after: REKEY_AFTER,
            received: 0,
        };
        transport.begin_exchange()?;
        Ok(transport)
    }

    /// Has keys exchanged anew after so many bytes.
    #[cfg(test)]
    pub(crate) fn rekeying_after(mut self, bytes: u64) -> Self {
        self.rekey_after = bytes;
        self
    }

    /// Where what comes in is put.
    pub const fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// What is to go out.
    pub const fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Both at once: what comes in, and what is to go out.
    pub const fn buffers(&mut self) -> (&mut BytesMut, &mut BytesMut) {
        (&mut self.input, &mut self.output)
    }

    /// Whether keys are being exchanged: what is said waits for the other side.
    pub const fn is_exchanging(&self) -> bool {
        !matches!(self.exchange, Exchange::None)
    }

    /// How much has not gone out, in bytes.
    pub fn backlog(&self) -> usize {
        self.output.len() + self.waiting.iter().map(Bytes::len).sum::<usize>()
    }

    pub(crate) const fn session(&self) -> Option<&[u8; 32]> {
        self.session.as_ref()
    }

    const fn role(&self) -> Role {
        match self.side {
            Side::Server(_) => Role::Server,
            Side::Client(_) => Role::Client,
        }
    }

    /// Says something; while keys are exchanged, once that is done.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub fn send(&mut self, payload: &[u8]) -> Result<(), Fault> {
        if !matches!(self.exchange, Exchange::None) {
            self.waiting.push_back(Bytes::copy_from_slice(payload));
            return Ok(());
        }
        self.seal(payload)?;
        if self.since_keyed >= self.rekey_after {
            self.begin_exchange()?;
        }
        Ok(())
    }

    /// Says goodbye, in words that the other side may show.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub fn disconnect(&mut self, reason: u32, text: &str) -> Result<(), Fault> {
        let mut message = Writer::default();
        message.byte(DISCONNECT).number(reason).text(text).text("");
        self.seal(&message.0)
    }

    fn seal(&mut self, payload: &[u8]) -> Result<(), Fault> {
        self.since_keyed = self.since_keyed.saturating_add(payload.len() as u64);
        self.seals.seal(payload, &mut self.output)
    }

    /// The next message that is not of the transport itself; `None`: more has to come in.
    ///
    /// # Errors
    /// What the other side may not say ends the connection.
    pub fn receive(&mut self) -> Result<Option<Bytes>, Fault> {
        if self.their_id.is_none() && !self.read_id()? {
            return Ok(None);
        }
        while let Some(payload) = self.opens.open(&mut self.input)? {
            self.since_keyed = self.since_keyed.saturating_add(payload.len() as u64);
            self.received = self.received.wrapping_add(1);
            let number = *payload.first().ok_or(Fault::Malformed)?;
            if number == DISCONNECT {
                return Err(Fault::Ended);
            }
            if mem::take(&mut self.skips_one) {
                continue;
            }
            match number {
                KEXINIT => self.is_offered(payload)?,
                ECDH_INIT | ECDH_REPLY => self.is_keyed_by(&payload)?,
                NEWKEYS => self.takes_keys_into_use(&payload)?,
                IGNORE | DEBUG | UNIMPLEMENTED if !matches!(self.opens, Cipher::Clear) => {}
                _ if self.is_between_keys() => return Err(Fault::OutOfPlace),
                EXT_INFO => {}
                _ => {
                    if self.since_keyed >= self.rekey_after && matches!(self.exchange, Exchange::None) {
                        self.begin_exchange()?;
                    }
                    return Ok(Some(payload));
                }
            }
        }
        Ok(None)
    }

    /// Says that the message that came last is unknown.
    pub(crate) fn does_not_know(&mut self) -> Result<(), Fault> {
        let mut message = Writer::default();
        message.byte(UNIMPLEMENTED).number(self.received.wrapping_sub(1));
        self.send(&message.0)
    }

    /// Whether nothing but the exchange itself may come: during all of the first one, and from their offer to their new keys.
    const fn is_between_keys(&self) -> bool {
        self.session.is_none() || matches!(self.exchange, Exchange::Agreed { .. } | Exchange::Keyed { .. })
    }

    fn read_id(&mut self) -> Result<bool, Fault> {
        loop {
            let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else {
                return if self.input.len() > MAX_ID { Err(Fault::NoSsh) } else { Ok(false) };
            };
            let line = self.input.split_to(end + 1);
            let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
            self.greeted += end + 1;
            if line.starts_with(b"SSH-2.0-") && line.len() <= MAX_ID {
                self.their_id = Some(line.to_vec());
                return Ok(true);
            }
            // Only a server may say something before.
            if line.starts_with(b"SSH-") || self.role() == Role::Server || self.greeted > MAX_GREETING {
                return Err(Fault::NoSsh);
            }
        }
    }

    fn begin_exchange(&mut self) -> Result<(), Fault> {
        let mut cookie = [0; 16];
        self.random.fill(&mut cookie)?;
        let ours = exchange::offer(self.role(), &cookie);
        self.seal(&ours)?;
        self.exchange = Exchange::Offered(ours);
        Ok(())
    }

    fn is_offered(&mut self, theirs: Bytes) -> Result<(), Fault> {
        if matches!(self.exchange, Exchange::None) {
            self.begin_exchange()?;
        }
        let Exchange::Offered(ours) = mem::replace(&mut self.exchange, Exchange::None) else {
            return Err(Fault::OutOfPlace);
        };
        let agreed = agree(self.role(), &theirs)?;
        self.skips_one = agreed.is_guess_wrong;
        let private = match self.role() {
            Role::Server => None,
            Role::Client => {
                let (private, public) = self.ephemeral()?;
                let mut message = Writer::default();
                message.byte(ECDH_INIT).string(&public);
                self.seal(&message.0)?;
                Some((private, public))
            }
        };
        self.exchange = Exchange::Agreed { ours, theirs, agreed, private };
        Ok(())
    }

    fn ephemeral(&self) -> Result<(EphemeralPrivateKey, Vec<u8>), Fault> {
        let private = EphemeralPrivateKey::generate(&X25519, &*self.random)?;
        let public = private.compute_public_key()?.as_ref().to_vec();
        Ok((private, public))
    }

    /// Their key has come; a server's with its signature.
    fn is_keyed_by(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let Exchange::Agreed { ours, theirs, agreed, private } =
            mem::replace(&mut self.exchange, Exchange::None)
        else {
            return Err(Fault::OutOfPlace);
        };
        let their_id = self.their_id.clone().ok_or(Fault::OutOfPlace)?;
        let mut reader = Reader(payload);
        let (number, own_id) = (reader.byte()?, ID.as_bytes());
        let outcome = match (&self.side, private) {
            (Side::Server(key), None) if number == ECDH_INIT => {
                let client_key = reader.string()?;
                reader.end()?;
                let (private, public) = self.ephemeral()?;
                let host_key = key.public().blob();
                let said = Said {
                    client_id: &their_id,
                    server_id: own_id,
                    client_offer: &theirs,
                    server_offer: &ours,
                    host_key: &host_key,
                    client_key,
                    server_key: &public,
                };
                let outcome = agree_on_secret(private, client_key, &said)?;
                let mut reply = Writer::default();
                reply.byte(ECDH_REPLY).string(&host_key).string(&public).string(&key.sign(&outcome.hash));
                self.seal(&reply.0)?;
                outcome
            }
            (Side::Client(host), Some((private, public))) if number == ECDH_REPLY => {
                let (host_key, server_key, signature) =
                    (reader.string()?, reader.string()?, reader.string()?);
                reader.end()?;
                if host_key != host.blob() {
                    return Err(Fault::HostKey);
                }
                let said = Said {
                    client_id: own_id,
                    server_id: &their_id,
                    client_offer: &ours,
                    server_offer: &theirs,
                    host_key,
                    client_key: &public,
                    server_key,
                };
                let outcome = agree_on_secret(private, server_key, &said)?;
                let mut reader = Reader(signature);
                let (algorithm, signature) = (reader.text()?, reader.string()?);
                reader.end()?;
                let verified = SigningKey::new(&ED25519, host.bytes()).verify(&outcome.hash, signature);
                if algorithm != exchange::ED25519 || verified.is_err() {
                    return Err(Fault::HostKey);
                }
                outcome
            }
            _ => return Err(Fault::OutOfPlace),
        };
        let session = *self.session.get_or_insert(outcome.hash);
        self.seal(&[NEWKEYS])?;
        let [seals, incoming] = outcome.ciphers(self.role(), agreed, &session)?;
        self.seals = seals;
        // Whoever asked for it is told with the first keys alone.
        let wants_extensions = agreed.wants_extensions && session == outcome.hash;
        self.exchange = Exchange::Keyed { incoming, wants_extensions };
        Ok(())
    }

    fn takes_keys_into_use(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let Exchange::Keyed { incoming, wants_extensions } = mem::replace(&mut self.exchange, Exchange::None)
        else {
            return Err(Fault::OutOfPlace);
        };
        Reader(payload).bytes(2).map_or(Ok(()), |_| Err(Fault::Malformed))?;
        self.opens = incoming;
        (self.since_keyed, self.received) = (0, 0);
        if wants_extensions && self.role() == Role::Server {
            let mut message = Writer::default();
            message.byte(EXT_INFO).number(1).text("server-sig-algs").text(SIGNATURES);
            self.seal(&message.0)?;
        }
        for payload in mem::take(&mut self.waiting) {
            self.seal(&payload)?;
        }
        Ok(())
    }
}

fn agree_on_secret(private: EphemeralPrivateKey, theirs: &[u8], said: &Said<'_>) -> Result<Outcome, Fault> {
    let theirs = UnparsedPublicKey::new(&X25519, theirs);
    // A point of small order is refused by it.
    agree_ephemeral(private, &theirs, |secret| Outcome::new(said, secret)).map_err(|_| Fault::Malformed)
}
