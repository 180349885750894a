//! Where requests of HTTP/1.1 begin and end on a connection, and which of them leave a choice: those are refused, so that
//! nothing that stands before or behind reads them in another way (request smuggling; RFC 9112, 6 and 11.2).
//!
//! It is stricter than the parsers of the frameworks behind it, and stands in front of them: in the server's edge and at the
//! proxy's door. Whoever has the sockets hands over bytes and is told what they are.

mod chunks;
mod head;
mod inbound;

pub use head::{Head, REFUSED, Refusal, Rules, Target};
pub use inbound::{Inbound, Step};
