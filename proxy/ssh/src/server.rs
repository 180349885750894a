//! Letting somebody in (RFC 4252), as their server: by a public key and nothing else.
//!
//! Every key is asked for its signature, whosever it is: who has no private half learns nothing of what is registered.

use berth_schema::ssh::user_key::UserKey;
use berth_schema::ssh::wire::{Reader, Writer};

use crate::packet::{
    SERVICE_ACCEPT, SERVICE_REQUEST, USERAUTH_FAILURE, USERAUTH_PK_OK, USERAUTH_REQUEST, USERAUTH_SUCCESS,
};
use crate::verify::{is_signed, signs_by};
use crate::{Fault, Transport};

const SERVICE: &str = "ssh-userauth";
const NEXT: &str = "ssh-connection";
const METHOD: &str = "publickey";
/// So many signatures are looked at,
const MAX_SIGNATURES: u32 = 8;
/// and so many requests of any kind.
const MAX_REQUESTS: u32 = 50;
/// The longest name that somebody comes by.
const MAX_USER: usize = 255;

/// Somebody has shown that a key is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub user: String,
    pub key: UserKey,
}

/// Somebody who is to be let in.
#[derive(Debug)]
pub struct Guests {
    transport: Transport,
    was_begun: bool,
    signatures: u32,
    requests: u32,
}

impl Guests {
    pub const fn new(transport: Transport) -> Self {
        Self { transport, was_begun: false, signatures: 0, requests: 0 }
    }

    pub const fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    /// Goes on with what has come in, until somebody has shown a key; `None`: more has to come in. [`Guests::refuse`] or
    /// [`Guests::admit`] answers.
    ///
    /// # Errors
    /// What may not be said, and more attempts than there may be, end the connection.
    pub fn receive(&mut self) -> Result<Option<Shown>, Fault> {
        while let Some(payload) = self.transport.receive()? {
            let mut reader = Reader(&payload);
            match reader.byte()? {
                SERVICE_REQUEST if reader.text()? == SERVICE => {
                    self.was_begun = true;
                    let mut accept = Writer::default();
                    accept.byte(SERVICE_ACCEPT).text(SERVICE);
                    self.transport.send(&accept.0)?;
                }
                USERAUTH_REQUEST if self.was_begun => {
                    self.requests += 1;
                    if self.requests > MAX_REQUESTS {
                        return Err(Fault::TooManyAttempts);
                    }
                    if let Some(shown) = self.request(reader)? {
                        return Ok(Some(shown));
                    }
                }
                // Also what is said without waiting to be let in.
                SERVICE_REQUEST | USERAUTH_REQUEST..=u8::MAX => return Err(Fault::OutOfPlace),
                _ => self.transport.does_not_know()?,
            }
        }
        Ok(None)
    }

    fn request(&mut self, mut reader: Reader<'_>) -> Result<Option<Shown>, Fault> {
        let (user, service, method) = (reader.text()?, reader.text()?, reader.text()?);
        if service != NEXT || user.len() > MAX_USER {
            return Err(Fault::OutOfPlace);
        }
        if method != METHOD {
            self.refuse()?;
            return Ok(None);
        }
        let (is_signed_already, algorithm, blob) = (reader.flag()?, reader.text()?, reader.string()?);
        let Some(key) = UserKey::of_blob(blob).ok().filter(|key| signs_by(key, algorithm)) else {
            self.refuse()?;
            return Ok(None);
        };
        if !is_signed_already {
            reader.end()?;
            let mut ok = Writer::default();
            ok.byte(USERAUTH_PK_OK).text(algorithm).string(blob);
            self.transport.send(&ok.0)?;
            return Ok(None);
        }
        let signature = reader.string()?;
        reader.end()?;
        self.signatures += 1;
        if self.signatures > MAX_SIGNATURES {
            return Err(Fault::TooManyAttempts);
        }
        let session = self.transport.session().ok_or(Fault::OutOfPlace)?;
        let mut message = Writer::default();
        message.string(session).byte(USERAUTH_REQUEST).text(user).text(service).text(method);
        message.flag(true).text(algorithm).string(blob);
        if is_signed(&key, algorithm, signature, &message.0) {
            return Ok(Some(Shown { user: user.to_owned(), key }));
        }
        self.refuse()?;
        Ok(None)
    }

    /// That opens nothing: another key may.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub fn refuse(&mut self) -> Result<(), Fault> {
        let mut failure = Writer::default();
        failure.byte(USERAUTH_FAILURE).text(METHOD).flag(false);
        self.transport.send(&failure.0)
    }

    /// They are in. What they say from now on is not said to us.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub fn admit(mut self) -> Result<Transport, Fault> {
        self.transport.send(&[USERAUTH_SUCCESS])?;
        Ok(self.transport)
    }
}
