//! Being let in (RFC 4252), as a client of a workspace's sshd: by a certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_schema::ssh::wire::{Reader, Writer};

use crate::packet::{
    SERVICE_ACCEPT, SERVICE_REQUEST, USERAUTH_BANNER, USERAUTH_FAILURE, USERAUTH_REQUEST, USERAUTH_SUCCESS,
};
use crate::{Fault, KeyPair, Transport};

const SERVICE: &str = "ssh-userauth";

/// On the way in.
#[derive(Debug)]
pub struct Visitor {
    transport: Transport,
    user: String,
    /// The private half of what the certificate is of.
    key: KeyPair,
    kind: String,
    certificate: Vec<u8>,
    is_asked: bool,
}

impl Visitor {
    /// `certificate`: a line of a file.
    ///
    /// # Errors
    /// Where that is none.
    pub fn new(
        mut transport: Transport,
        user: &str,
        (key, certificate): (KeyPair, &str),
    ) -> Result<Self, Fault> {
        let mut words = certificate.split_ascii_whitespace();
        let (Some(kind), Some(blob)) = (words.next(), words.next()) else { return Err(Fault::Malformed) };
        let certificate = STANDARD.decode(blob).map_err(|_| Fault::Malformed)?;
        let mut request = Writer::default();
        request.byte(SERVICE_REQUEST).text(SERVICE);
        transport.send(&request.0)?;
        let (user, kind) = (user.to_owned(), kind.to_owned());
        Ok(Self { transport, user, key, kind, certificate, is_asked: false })
    }

    pub const fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    /// Goes on with what has come in: whether it is in by now.
    ///
    /// # Errors
    /// [`Fault::HostKey`] where it is not the sshd that was meant; [`Fault::NotLetIn`] where that lets nobody in.
    pub fn receive(&mut self) -> Result<bool, Fault> {
        while let Some(payload) = self.transport.receive()? {
            match payload.first() {
                Some(&SERVICE_ACCEPT) if !self.is_asked => self.ask()?,
                Some(&USERAUTH_BANNER) => {}
                Some(&USERAUTH_SUCCESS) if self.is_asked => {
                    return Reader(&payload[1..]).end().map(|()| true).map_err(Fault::from);
                }
                Some(&USERAUTH_FAILURE) => return Err(Fault::NotLetIn),
                _ => return Err(Fault::OutOfPlace),
            }
        }
        Ok(false)
    }

    fn ask(&mut self) -> Result<(), Fault> {
        let session = *self.transport.session().ok_or(Fault::OutOfPlace)?;
        let mut request = Writer::default();
        request.byte(USERAUTH_REQUEST).text(&self.user).text("ssh-connection").text("publickey");
        request.flag(true).text(&self.kind).string(&self.certificate);
        let mut signed = Writer::default();
        signed.string(&session);
        signed.0.extend_from_slice(&request.0);
        request.string(&self.key.sign(&signed.0));
        self.is_asked = true;
        self.transport.send(&request.0)
    }

    pub fn into_transport(self) -> Transport {
        self.transport
    }
}
