use super::*;

fn judge(head: &str) -> Result<Framing, Refusal> {
    let mut scanned = 0;
    let end = end(head.as_bytes(), &mut scanned)?.expect("the head is whole");
    assert_eq!(end, head.len(), "{head:?}");
    read(head.as_bytes(), Target::Here)
}

#[test]
fn what_well_behaved_clients_send_is_taken() {
    for (head, framing) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::None),
        ("GET /a?b=%20 HTTP/1.1\r\nhost: berth.example:8080\r\nAccept: */*\r\n\r\n", Framing::None),
        ("GET http://Berth.example/x HTTP/1.1\r\nHost: berth.example\r\n\r\n", Framing::None),
        ("OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", Framing::None),
        ("GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", Framing::None),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", Framing::None),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  7 \r\n\r\n", Framing::Length(7)),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", Framing::None),
    ] {
        assert_eq!(judge(head), Ok(framing), "{head:?}");
    }
}

#[test]
fn a_host_is_a_name_or_an_address() {
    for host in ["a", "berth.example", "a_b-c.d:1", "10.0.0.1:65535", "[::1]", "[fe80::1]:8080"] {
        assert!(is_host(host), "{host}");
    }
    for host in [
        "", ":80", "a b\"<>", "a:b", "a:65536", "a:-1", "a:+1", "a:", "a/b", "a@b", "a,b", "[::1", "[::1]x",
        "[x]", "[]", "::1", "a%20b", "a\\b", "[::1]:", "ä",
    ] {
        assert!(!is_host(host), "{host}");
    }
}

#[test]
fn every_line_ends_with_both_of_its_characters() {
    for head in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
        "GET /\u{b} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\u{7f}\r\n\r\n",
    ] {
        assert!(matches!(end(head.as_bytes(), &mut 0), Err(Refusal::Malformed(_))), "{head:?}");
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_is_the_same_head() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut scanned = 0;
    for length in 0..head.len() {
        assert_eq!(end(&head[..length], &mut scanned), Ok(None));
    }
    assert_eq!(end(head, &mut scanned), Ok(Some(head.len())));
}

#[test]
fn too_many_headers_are_too_large() {
    let head = |count| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert_eq!(judge(&head(MAX_HEADERS - 1)), Ok(Framing::None));
    assert_eq!(judge(&head(MAX_HEADERS)), Err(Refusal::TooLarge));
}

#[test]
fn a_path_with_a_control_character_is_refused() {
    for path in ["/a/%00", "/a%0a/b", "/%7F"] {
        assert!(holds_control(path), "{path}");
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(matches!(judge(&head), Err(Refusal::Malformed(_))), "{path}");
        assert_eq!(read(head.as_bytes(), Target::Behind), Ok(Framing::None), "{path}");
    }
    for path in ["/a/b", "/a%20b", "/%", "/%4", "/100%25", "/%C3%A4"] {
        assert!(!holds_control(path), "{path}");
    }
}
