//! What is no token of three parts, or of parts that are not what they say.

use super::*;

/// What is no token of three parts, or of parts that are not what they say.
pub(crate) fn tokens(truth: &Truth) -> Vec<String> {
    let token = truth.token();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { unreachable!("three parts") };
    let raw = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let random = SystemRandom::new();
    let asn1 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &truth.der, &random).expect("a key");
    let asn1 = asn1.sign(&random, format!("{header}.{payload}").as_bytes()).expect("signed");
    let mut tokens = vec![
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}.{token}"),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{token}="),
        format!("Bearer {token}"),
        format!("{token}\u{0}"),
        format!("\u{feff}{token}"),
        token.replace('.', "\u{ff0e}"),
        format!("{header}.{payload}.{}", URL_SAFE.encode(&raw)),
        format!("{header}.{payload}.{}", STANDARD.encode(&raw)),
        format!("{header}.{payload}.{}", part(asn1)),
        format!("{header}.{payload}.{}", part(&raw[..63])),
        format!("{header}.{payload}.{}", part([raw.as_slice(), &[0]].concat())),
        format!("{header}.{payload}.{}", part([0; 64])),
        format!("{header}.{payload}.{}", part([[0; 31].as_slice(), &[1], &[0; 31], &[1]].concat())),
        format!("{header}.{payload}.{}", part([255; 64])),
        format!("{header}.{payload}.{}", part([&raw[32..], &raw[..32]].concat())),
    ];
    let true_header = truth.header().to_string();
    let body = truth.claims.to_string();
    let again = format!("{},\"exp\":{}}}", &body[..body.len() - 1], truth.now + 10);
    let twice = format!("{},\"alg\":\"ES256\"}}", &true_header[..true_header.len() - 1]);
    let deep = format!("{}{}", "[".repeat(900), "]".repeat(900));
    for payload in [
        again.as_str(),
        &token,
        "",
        "null",
        "1",
        "\"text\"",
        "[]",
        "{}",
        &format!("[{body}]"),
        &format!("{body}{body}"),
        &format!("\u{feff}{body}"),
        &deep,
        &body[..body.len() - 1],
        &format!("{{\"claims\":{body}}}"),
        &json!(body).to_string(),
    ] {
        tokens.push(signed(&truth.der, &true_header, payload));
    }
    tokens.push(signed(&truth.der, &true_header, [body.as_bytes(), &[0xff]].concat()));
    for header in [twice.as_str(), "", "null", "[]", "{}", &deep, &token, &body] {
        tokens.push(signed(&truth.der, header, &body));
    }
    let mut long = truth.claims.clone();
    long["sub"] = json!("s".repeat(truth.most_bytes));
    tokens.push(truth.with(&truth.header(), &long));
    tokens.push("a".repeat(1_000_000));
    // One character of a true token is another one.
    for index in (0..token.len()).step_by(3) {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        tokens.push(String::from_utf8(bytes).expect("ASCII"));
    }
    tokens
}
