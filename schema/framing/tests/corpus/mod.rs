//! Requests that another reader might read in another way. The server and the proxy are asked them, too, over sockets: the host is `a`.

/// A request that is right but for the part that is put in.
pub(crate) fn get(part: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{part}\r\n")
}

fn post(part: &str) -> String {
    format!("POST /healthz HTTP/1.1\r\nHost: a\r\n{part}")
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

fn host(host: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// What is refused, by what is wrong with it.
pub(crate) fn malformed() -> Vec<String> {
    let mut all = vec![
        // Line ends.
        "GET /healthz HTTP/1.1\nHost: a\n\n".to_owned(),
        "GET /healthz HTTP/1.1\nHost: a\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.1\r\nHost: a\n\r\n".to_owned(),
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\n".to_owned(),
        "\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        get("X: a\rY: b\r\n"),
        get("X: a\r\r\n"),
        get("X: a\0b\r\n"),
        get("X: \u{1b}[2J\r\n"),
        // Not HTTP/1.
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}".to_owned() + "\n",
        "GET /healthz\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned(),
    ];
    all.extend(
        [
            "GET  /healthz HTTP/1.1",
            "GET /healthz  HTTP/1.1",
            "GET /healthz HTTP/1.1 ",
            " GET /healthz HTTP/1.1",
            "GET\t/healthz\tHTTP/1.1",
            "GET /health z HTTP/1.1",
            "GET /healthz HTTP/1.2",
            "GET /healthz HTTP/2.0",
            "GET /healthz HTTP/0.9",
            "GET /healthz http/1.1",
            "GET /healthz HTTP/1.1x",
            "G@T /healthz HTTP/1.1",
            "GET healthz HTTP/1.1",
            "GET * HTTP/1.1",
            "GET /healthz#part HTTP/1.1",
            "GET /ä HTTP/1.1",
            "CONNECT a:80 HTTP/1.1",
            "BERTH-REFUSED / HTTP/1.1",
            "GET http://evil/healthz HTTP/1.1",
            "GET http://a@evil/healthz HTTP/1.1",
            "GET http://a:81/healthz HTTP/1.1",
            "GET ftp://a/healthz HTTP/1.1",
            "GET a:80 HTTP/1.1",
        ]
        .map(line),
    );
    all.extend(
        [
            "a b\"<>", "", "a, b", "a/b", "a@b", "a:", "a:x", "a:65536", "[::1", "::1", "a\\b", "a%20b",
            "a\tb", "ä",
        ]
        .map(host),
    );
    all.extend(
        [
            "Host: a\r\n",
            "Host: b\r\n",
            "X\r\n",
            ": x\r\n",
            "X : y\r\n",
            " X: y\r\n",
            "X: a\r\n b\r\n",
            "X: a\r\n\tb\r\n",
            "X(y): z\r\n",
            "Ä: b\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
        ]
        .map(get),
    );
    all.extend(
        [
            "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "Content-Length: 5, 5\r\n\r\nhello",
            "Content-Length: +5\r\n\r\nhello",
            "Content-Length: -5\r\n\r\nhello",
            "Content-Length: 0x5\r\n\r\nhello",
            "Content-Length: 5 5\r\n\r\nhello",
            "Content-Length: \r\n\r\n",
            "Content-Length: 18446744073709551616\r\n\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: identity\r\n\r\n",
            "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding\r\n : chunked\r\n\r\n",
        ]
        .map(post),
    );
    all.push("POST /healthz HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned());
    all.push("POST /healthz HTTP/1.0\r\nHost: a\r\n\r\n".to_owned());
    all.push("GET /healthz HTTP/1.1\r\n\r\n".to_owned());
    all
}
