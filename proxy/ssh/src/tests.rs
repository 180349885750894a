//! Both ends against each other, in memory; against OpenSSH's own they are held in `proxy/tests`.

use std::sync::Arc;

use berth_schema::ssh::wire::Writer;
use proptest::prelude::*;
use ring::rand::SystemRandom;

use super::*;

const CERTIFICATE: &str = "ssh-ed25519";

fn key(seed: u8) -> KeyPair {
    KeyPair::of_seed(&[seed; 32]).expect("a key")
}

fn server() -> Transport {
    Transport::server(key(1), Arc::new(SystemRandom::new())).expect("a server")
}

fn client(host: u8) -> Transport {
    Transport::client(key(host).public(), Arc::new(SystemRandom::new())).expect("a client")
}

/// Carries what both have to say, in pieces of that size.
fn carry(one: &mut Transport, other: &mut Transport, piece: usize) -> bool {
    let tell = |from: &mut Transport, to: &mut Transport| {
        let out = from.output().split();
        for piece in out.chunks(piece) {
            to.input().extend_from_slice(piece);
        }
        !out.is_empty()
    };
    let moved = tell(one, other);
    tell(other, one) || moved
}

/// Somebody comes to a server, and what they have come to: the server's answer is `decide`'s.
fn come(
    guest: &mut Visitor,
    host: &mut Guests,
    mut decide: impl FnMut(&Shown) -> bool,
) -> (Result<bool, Fault>, Option<Shown>) {
    let mut shown = None;
    for _ in 0..100 {
        carry(guest.transport(), host.transport(), 17);
        match host.receive() {
            Ok(Some(found)) if decide(&found) => return (Ok(true), Some(found)),
            Ok(Some(found)) => {
                host.refuse().expect("said");
                shown = Some(found);
            }
            Ok(None) => {}
            Err(fault) => return (Err(fault), shown),
        }
        carry(guest.transport(), host.transport(), 17);
        match guest.receive() {
            Ok(false) => {}
            ended => return (ended, shown),
        }
    }
    panic!("nothing comes of it")
}

fn visitor(host: u8) -> Visitor {
    let line = key(2).public().to_string();
    assert!(line.starts_with(CERTIFICATE));
    Visitor::new(client(host), "calm-blue-reef", (key(2), &line)).expect("a visitor")
}

/// Both after somebody was let in.
fn inside(rekey_after: u64) -> (Transport, Transport) {
    let line = key(2).public().to_string();
    let guest = client(1).rekeying_after(rekey_after);
    let mut guest = Visitor::new(guest, "calm-blue-reef", (key(2), &line)).expect("a visitor");
    let mut host = Guests::new(server());
    assert_eq!(come(&mut guest, &mut host, |_| true).0, Ok(true));
    let mut host = host.admit().expect("admitted");
    for _ in 0..10 {
        carry(guest.transport(), &mut host, 1_000);
        if guest.receive().expect("goes on") {
            return (guest.into_transport(), host);
        }
        assert_eq!(host.receive(), Ok(None));
    }
    panic!("nobody is in")
}

#[test]
fn whoever_shows_a_key_is_let_in_by_it_and_by_the_name_they_came_by() {
    let (mut guest, mut host) = (visitor(1), Guests::new(server()));
    let (ended, shown) = come(&mut guest, &mut host, |_| true);
    let shown = shown.expect("somebody");
    assert_eq!((ended, shown.user.as_str()), (Ok(true), "calm-blue-reef"));
    assert_eq!(shown.key.blob(), key(2).public().blob());
}

#[test]
fn who_is_refused_may_show_another_key_and_learns_nothing_else() {
    let (mut guest, mut host) = (visitor(1), Guests::new(server()));
    assert_eq!(come(&mut guest, &mut host, |_| false).0, Err(Fault::NotLetIn));
}

#[test]
fn a_host_of_another_key_is_not_spoken_to() {
    let (mut guest, mut host) = (visitor(9), Guests::new(server()));
    assert_eq!(come(&mut guest, &mut host, |_| panic!("it came so far")).0, Err(Fault::HostKey));
}

#[test]
fn a_signature_of_another_connection_or_of_another_key_is_none() {
    for wrong in ["session", "key"] {
        let (mut guest, mut host) = (client(1), Guests::new(server()));
        let mut request = Writer::default();
        request.byte(packet::SERVICE_REQUEST).text("ssh-userauth");
        guest.send(&request.0).expect("sent");
        for _ in 0..5 {
            carry(&mut guest, host.transport(), 1_000);
            assert!(host.receive().expect("goes on").is_none());
            carry(&mut guest, host.transport(), 1_000);
            guest.receive().expect("goes on");
        }
        let session = if wrong == "session" { [0; 32] } else { *guest.session().expect("a session") };
        let by = if wrong == "key" { key(3) } else { key(2) };
        let mut request = Writer::default();
        request.byte(packet::USERAUTH_REQUEST).text("a").text("ssh-connection").text("publickey");
        request.flag(true).text("ssh-ed25519").string(&key(2).public().blob());
        let mut signed = Writer::default();
        signed.string(&session);
        signed.0.extend_from_slice(&request.0);
        request.string(&by.sign(&signed.0));
        guest.send(&request.0).expect("sent");
        carry(&mut guest, host.transport(), 1_000);
        assert_eq!(host.receive(), Ok(None), "{wrong}");
        carry(&mut guest, host.transport(), 1_000);
        let answer = guest.receive().expect("goes on").expect("an answer");
        assert_eq!(answer[0], packet::USERAUTH_FAILURE, "{wrong}");
    }
}

#[test]
fn nothing_is_carried_before_somebody_is_in() {
    let (mut guest, mut host) = (client(1), Guests::new(server()));
    for _ in 0..5 {
        carry(&mut guest, host.transport(), 1_000);
        host.receive().expect("goes on");
        carry(&mut guest, host.transport(), 1_000);
        guest.receive().expect("goes on");
    }
    guest.send(&[90, 0, 0, 0, 7]).expect("sent");
    carry(&mut guest, host.transport(), 1_000);
    assert_eq!(host.receive(), Err(Fault::OutOfPlace));
}

#[test]
fn a_message_beside_the_first_exchange_ends_it() {
    for injected in [packet::IGNORE, packet::DEBUG, packet::EXT_INFO, packet::NEWKEYS, 90] {
        let mut host = server();
        let mut clear = cipher::Cipher::Clear;
        let input = host.input();
        input.extend_from_slice(b"SSH-2.0-x\r\n");
        clear.seal(&[injected, 0, 0, 0, 0], input).expect("sealed");
        assert_eq!(host.receive(), Err(Fault::OutOfPlace), "{injected}");
    }
}

#[test]
fn what_does_not_speak_ssh_is_told_from_what_has_not_spoken() {
    for (said, expected) in [
        ("SSH-2.0-OpenSSH_10.0\r\n", Ok(None)),
        ("SSH-2.0-Open", Ok(None)),
        ("SSH-1.5-old\n", Err(Fault::NoSsh)),
        ("GET / HTTP/1.1\r\n", Err(Fault::NoSsh)),
    ] {
        let mut host = server();
        host.input().extend_from_slice(said.as_bytes());
        assert_eq!(host.receive(), expected, "{said}");
    }
    let mut host = server();
    host.input().extend_from_slice(&[b'x'; 300]);
    assert_eq!(host.receive(), Err(Fault::NoSsh));
}

#[test]
fn what_sshd_tells_of_its_own_keys_and_what_is_said_to_the_proxy_is_not_carried() {
    let global = |name: &str| {
        let mut request = Writer::default();
        request.byte(80).text(name).flag(false);
        request.0
    };
    for (payload, direction, expected) in [
        (global("hostkeys-00@openssh.com"), Direction::ToPerson, false),
        (global("keepalive@openssh.com"), Direction::ToPerson, true),
        (global("tcpip-forward"), Direction::ToWorkspace, true),
        (vec![94, 0, 0, 0, 0], Direction::ToPerson, true),
        (vec![packet::USERAUTH_REQUEST], Direction::ToWorkspace, false),
        (vec![packet::SERVICE_REQUEST], Direction::ToWorkspace, false),
        (vec![192], Direction::ToWorkspace, false),
        (vec![], Direction::ToWorkspace, false),
    ] {
        assert_eq!(passes(&payload, direction), expected, "{payload:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn messages_arrive_in_their_order_however_often_keys_are_exchanged(
        sizes in prop::collection::vec((1_usize..2_000, any::<bool>()), 1..60), after in 1_u64..3_000, piece in 1_usize..500,
    ) {
        let (mut guest, mut host) = inside(after);
        let (mut sent, mut arrived) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for (index, (size, is_guests)) in sizes.iter().enumerate() {
            let payload = [vec![94], vec![u8::try_from(index).expect("few"); *size]].concat();
            let from = if *is_guests { &mut guest } else { &mut host };
            from.send(&payload).expect("sent");
            sent[usize::from(*is_guests)].push(payload);
            carry(&mut guest, &mut host, piece);
            arrived[1].extend(host.receive().expect("goes on").map(|payload| payload.to_vec()));
            arrived[0].extend(guest.receive().expect("goes on").map(|payload| payload.to_vec()));
        }
        for _ in 0..1_000 {
            let moved = carry(&mut guest, &mut host, piece);
            let mut came = false;
            while let Some(payload) = host.receive().expect("goes on") {
                came = true;
                arrived[1].push(payload.to_vec());
            }
            while let Some(payload) = guest.receive().expect("goes on") {
                came = true;
                arrived[0].push(payload.to_vec());
            }
            // What was left of before may have had something answered now.
            if !moved && !came && guest.output().is_empty() && host.output().is_empty() {
                break;
            }
        }
        prop_assert_eq!(&arrived, &sent);
        prop_assert_eq!(guest.backlog() + host.backlog(), 0);
    }

    #[test]
    fn whatever_a_stranger_says_ends_in_a_fault_or_in_waiting(bytes in prop::collection::vec(any::<u8>(), 0..600), greets: bool) {
        let mut host = Guests::new(server());
        if greets {
            host.transport().input().extend_from_slice(b"SSH-2.0-x\r\n");
        }
        host.transport().input().extend_from_slice(&bytes);
        prop_assert!(!matches!(host.receive(), Ok(Some(_))));
    }
}
