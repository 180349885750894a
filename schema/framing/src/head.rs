//! The head of a request, before anything else looks at it.

use std::fmt;

use http::Uri;

/// The most header lines; the frameworks' parsers take no more.
const MAX_HEADERS: usize = 96;
/// The method of the request that stands in for one that was refused. No client's request with it gets through.
pub const REFUSED: &str = "BERTH-REFUSED";

/// What is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The largest head, in bytes.
    pub head_bytes: usize,
    /// What one body may be on the wire, in bytes.
    pub body_bytes: u64,
    pub target: Target,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whoever reads the head: nothing here is upgraded, and has a name that nobody can type.
    Here,
    /// Somebody behind, whose the bytes of a path are, and who may speak WebSocket.
    Behind,
}

/// Why a request goes no further than its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Malformed(&'static str),
    TooLarge,
    /// It did not arrive in its time: whoever has the clock says so.
    Slow,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => f.write_str(why),
            Self::TooLarge => f.write_str("too large"),
            Self::Slow => f.write_str("too slow"),
        }
    }
}

/// How the body after a head is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    /// Never 0.
    Length(u64),
    Chunked,
    /// The request asks for another protocol: what comes after it is no HTTP, where that is agreed to.
    Upgrade,
}

/// A head that is whole and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// With the empty line at its end, in bytes.
    pub length: usize,
    /// It asks for another protocol. Where that is not agreed to, the connection has to end with the answer: what comes after the head
    /// is not looked at any more.
    pub upgrades: bool,
}

const fn malformed<T>(why: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Malformed(why))
}

/// Looks for the end of a head in what has arrived of it, from `scanned` on, and finds what no head may hold. The answer is its
/// length with the empty line at its end.
pub(super) fn end(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, Refusal> {
    for (at, byte) in bytes.iter().copied().enumerate().skip(*scanned) {
        let after_return = at > 0 && bytes[at - 1] == b'\r';
        match byte {
            b'\n' if !after_return => return malformed("a line ends with a bare line feed"),
            b'\n' if bytes[..=at].ends_with(b"\r\n\r\n") => return Ok(Some(at + 1)),
            b'\n' => {}
            _ if after_return => return malformed("a carriage return is followed by no line feed"),
            b'\r' | b'\t' => {}
            0..=0x1f | 0x7f => return malformed("the head holds a control character"),
            _ => {}
        }
    }
    *scanned = bytes.len();
    Ok(None)
}

/// Reads a whole head.
pub(super) fn read(head: &[u8], answers: Target) -> Result<Framing, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return malformed("the head cannot be understood"),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLarge),
        Err(httparse::Error::Version) => return malformed("the version must be HTTP/1.1 or HTTP/1.0"),
        Err(httparse::Error::Token) => return malformed("the request line cannot be understood"),
        Err(httparse::Error::HeaderName) => return malformed("a header's name is not valid"),
        Err(_) => return malformed("a header's value is not valid"),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return malformed("the request line cannot be understood");
    };
    if method == "CONNECT" || method == REFUSED {
        return malformed("the method is not served");
    }
    check_target((method, target), host(request.headers)?, answers)?;
    framing(method, version == 1, request.headers, answers)
}

/// The one `Host`: a name or an address, with or without a port.
fn host<'h>(headers: &[httparse::Header<'h>]) -> Result<&'h str, Refusal> {
    let mut hosts = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return malformed("exactly one Host header is needed");
    };
    match std::str::from_utf8(host.value) {
        Ok(host) if is_host(host) => Ok(host),
        _ => malformed("the Host header must be a name or an address, with or without a port"),
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => return address.parse::<std::net::Ipv6Addr>().is_ok(),
        Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            match port.strip_prefix(':') {
                Some(port) => ("v6", port),
                None => return false,
            }
        }
        Some(_) => return false,
        None => host.split_once(':').unwrap_or((host, "0")),
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty()
        && name.len() <= 255
        && name.bytes().all(named)
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

/// A path, or a whole URL of the host that the Host header names: what one proxy routes by one of them must not be read by the other.
fn check_target((method, target): (&str, &str), host: &str, answers: Target) -> Result<(), Refusal> {
    if target == "*" && method == "OPTIONS" {
        return Ok(());
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return malformed("the target is not valid");
    }
    let Ok(uri) = target.parse::<Uri>() else {
        return malformed("the target is not valid");
    };
    if answers == Target::Here && holds_control(uri.path()) {
        return malformed("the path holds a control character");
    }
    match (target.starts_with('/'), uri.authority()) {
        (true, None) => Ok(()),
        (false, Some(authority)) if matches!(uri.scheme_str(), Some("http" | "https")) => {
            if authority.as_str().eq_ignore_ascii_case(host) {
                Ok(())
            } else {
                malformed("the target and the Host header name different hosts")
            }
        }
        _ => malformed("the target is not valid"),
    }
}

/// Whether a path holds an escaped control character: there is nothing that has such a name, and Postgres takes no NUL even to
/// look for it.
fn holds_control(path: &str) -> bool {
    let mut escapes = path.split('%').skip(1).filter_map(|rest| u8::from_str_radix(rest.get(..2)?, 16).ok());
    escapes.any(|byte| byte.is_ascii_control())
}

/// The one way to read how long the body is; whatever leaves a choice is refused.
fn framing(
    method: &str,
    is_current: bool,
    headers: &[httparse::Header<'_>],
    answers: Target,
) -> Result<Framing, Refusal> {
    let (mut length, mut chunked, mut upgrades) = (None, false, false);
    for header in headers {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let value = header.value.trim_ascii();
        if is("content-length") {
            let digits = value.iter().all(u8::is_ascii_digit);
            let given =
                std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse::<u64>().ok());
            match (length, given) {
                (None, Some(given)) => length = Some(given),
                _ => return malformed("exactly one Content-Length, a number, may be given"),
            }
        } else if is("transfer-encoding") {
            if chunked || !is_current || !value.eq_ignore_ascii_case(b"chunked") {
                return malformed("the only Transfer-Encoding is chunked, once, with HTTP/1.1");
            }
            chunked = true;
        } else if is("upgrade") && value.eq_ignore_ascii_case(b"websocket") {
            if answers == Target::Here {
                return malformed("the connection cannot be upgraded");
            }
            upgrades = true;
        }
    }
    if upgrades {
        return match (is_current, chunked, length) {
            (true, false, None | Some(0)) => Ok(Framing::Upgrade),
            _ => malformed("the connection is upgraded by a request of HTTP/1.1 without a body"),
        };
    }
    match (chunked, length) {
        (true, Some(_)) => malformed("a body has a Transfer-Encoding or a Content-Length, not both"),
        (true, None) => Ok(Framing::Chunked),
        (false, None) if !is_current && method == "POST" => malformed("the Content-Length is missing"),
        (false, None | Some(0)) => Ok(Framing::None),
        (false, Some(length)) => Ok(Framing::Length(length)),
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
