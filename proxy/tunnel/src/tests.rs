use super::*;
use tokio::io::{DuplexStream, duplex, split};
use tokio::task::JoinHandle;

/// A client's program and sshd with a tunnel between them.
struct Ends {
    program: DuplexStream,
    sshd: DuplexStream,
    at_client: JoinHandle<Result<(), Broken>>,
    at_proxy: JoinHandle<Result<(), Broken>>,
}

/// So many bytes are on the way at most between two parts.
const ROOM: usize = 16 * 1_024;

fn tunnel() -> Ends {
    let (client, proxy) = duplex(ROOM);
    let ((program, its), (sshd, their)) = (duplex(ROOM), duplex(ROOM));
    let ((from_program, to_program), (from_sshd, to_sshd)) = (split(its), split(their));
    let at_client = tokio::spawn(carry(client, Role::Client, from_program, to_program));
    let at_proxy = tokio::spawn(carry(proxy, Role::Server, from_sshd, to_sshd));
    Ends { program, sshd, at_client, at_proxy }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 7 % 251).expect("a byte")).collect()
}

#[tokio::test]
async fn megabytes_arrive_both_ways_at_once_as_they_were_sent() {
    let Ends { program, sshd, at_client, at_proxy } = tunnel();
    let sent = pattern(5_000_001);
    let exchange = async |end: DuplexStream| {
        let (mut reader, mut writer) = split(end);
        let mut read = Vec::new();
        let write = async {
            writer.write_all(&sent).await?;
            writer.shutdown().await
        };
        tokio::try_join!(write, reader.read_to_end(&mut read)).expect("carried");
        read
    };
    let (at_program, at_sshd) = tokio::join!(exchange(program), exchange(sshd));
    assert!(at_program == sent && at_sshd == sent);
    at_client.await.expect("no panic").expect("an end");
    at_proxy.await.expect("no panic").expect("an end");
}

#[tokio::test]
async fn one_side_ends_and_the_other_goes_on() {
    let Ends { mut program, mut sshd, at_client, at_proxy } = tunnel();
    program.write_all(b"all").await.expect("written");
    program.shutdown().await.expect("ended");
    let mut read = Vec::new();
    sshd.read_to_end(&mut read).await.expect("read");
    assert_eq!(read, b"all");
    sshd.write_all(b"still here").await.expect("written");
    let mut answer = [0; 10];
    program.read_exact(&mut answer).await.expect("read");
    assert_eq!(&answer, b"still here");
    assert!(!at_client.is_finished() && !at_proxy.is_finished());
    drop(sshd);
    assert_eq!(program.read(&mut answer).await.expect("read"), 0);
    at_client.await.expect("no panic").expect("an end");
    at_proxy.await.expect("no panic").expect("an end");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_tunnel_stays_and_one_to_nobody_ends() {
    let Ends { mut program, mut sshd, .. } = tunnel();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    program.write_all(b"x").await.expect("written");
    let mut read = [0; 1];
    sshd.read_exact(&mut read).await.expect("it is carried still");

    let (client, _nobody) = duplex(ROOM);
    let (_program, its) = duplex(ROOM);
    let (reader, writer) = split(its);
    let begin = Instant::now();
    let ended = carry(client, Role::Client, reader, writer).await;
    assert!(matches!(ended, Err(Broken::Silent)), "{ended:?}");
    assert!(begin.elapsed() >= SILENCE && begin.elapsed() < 2 * SILENCE, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_read_holds_nothing_but_the_buffers_and_is_given_up() {
    let (client, nobody) = duplex(ROOM);
    let (mut program, its) = duplex(ROOM);
    let (reader, writer) = split(its);
    let carried = tokio::spawn(carry(client, Role::Client, reader, writer));
    let sent = pattern(64 * TUNNEL_MESSAGE);
    let written = tokio::time::timeout(Duration::from_secs(60), program.write_all(&sent)).await;
    assert!(written.is_err(), "four megabytes are kept for somebody who reads none");
    assert!(matches!(carried.await.expect("no panic"), Err(Broken::Silent)));
    drop(nobody);
}

#[tokio::test]
async fn what_is_no_tunnels_ends_it() {
    for message in [Message::text("hello"), Message::binary(vec![0; TUNNEL_MESSAGE + 1])] {
        let (client, proxy) = duplex(4 * TUNNEL_MESSAGE);
        let (_sshd, their) = duplex(ROOM);
        let (reader, writer) = split(their);
        let carried = tokio::spawn(carry(proxy, Role::Server, reader, writer));
        let mut socket = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        socket.send(message).await.expect("sent");
        let ended = carried.await.expect("no panic");
        assert!(matches!(ended, Err(Broken::Foreign | Broken::Socket(_))), "{ended:?}");
    }
}
