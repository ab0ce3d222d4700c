//! Steps of databases at servers that say nothing, something else, or what they were told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use futures_util::future::join_all;

use crate::world::World;

const CANARY: &str = "canary-4711";

/// A server that does this with every connection; it lives as long as the tests.
fn server(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that goes away is what these tests are about.
            drop(serve(stream));
        }
    });
    address
}

/// A message of PostgreSQL: its kind, its length, its body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// An error of PostgreSQL.
fn error(code: &str, text: &[u8]) -> Vec<u8> {
    let fields: [(u8, &[u8]); 5] =
        [(b'S', b"ERROR"), (b'V', b"ERROR"), (b'C', code.as_bytes()), (b'M', text), (b'D', text)];
    let fields = fields.iter().flat_map(|(kind, text)| [&[*kind], *text, &[0]].concat());
    message(b'E', &fields.chain([0]).collect::<Vec<u8>>())
}

fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let count = stream.read(&mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Waits until the client is gone.
fn drain(mut stream: TcpStream) -> std::io::Result<()> {
    while !read(&mut stream)?.is_empty() {}
    Ok(())
}

/// A step at such a server fails with this message, soon, and shows no password.
async fn check(kind: &str, address: SocketAddr, text: &str) {
    let world = World::new();
    let mode = if kind == "mysql" { "disabled" } else { "disable" };
    let dsn = format!("{kind}://ada:${{TOKEN}}@{address}/d?sslmode={mode}");
    let with = format!("{{dsn: '{dsn}', connect_timeout: 1, params: {{v: $TOKEN}}}}");
    let step = format!("{{name: s, type: {kind}, command: 'SELECT :v', with: {with}}}");
    let secrets = "secrets: [{name: TOKEN, provider: said, key: canary-4711}]";
    let began = Instant::now();
    let left = world.run(&format!("{secrets}\nsteps:\n  - {step}\n")).await;
    let found = left.failure().replace(&format!("`{address}`"), "PLACE");
    assert!(found.contains(text) && !text.is_empty(), "{kind}: {found}");
    assert!(!left.all().contains(CANARY), "{}", left.all());
    assert!(began.elapsed().as_secs() < 6);
}

#[tokio::test]
async fn a_server_that_is_silent_or_gone_fails_the_step_in_time() {
    for kind in ["postgres", "mysql"] {
        check(kind, server(drain), "cannot reach PLACE: no answer within 1 s").await;
        check(kind, server(|_| Ok(())), "PLACE").await;
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        check(kind, gone, "cannot reach PLACE: connection refused").await;
    }
}

#[tokio::test]
async fn what_is_no_protocol_is_told_in_our_words() {
    let garbage: [&[u8]; 9] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"R\0\0\0\0",
        b"R\0\0\0\x01",
        b"R\xff\xff\xff\xff",
        b"R\x7f\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x05\x00\x00\x00\xff\x15\x04canary-4711",
        b"\xff\xff\xff\x00\x0a",
    ];
    for kind in ["postgres", "mysql"] {
        let told = garbage.into_iter().map(|bytes| {
            let address = server(move |mut stream| {
                stream.write_all(bytes)?;
                drain(stream)
            });
            check(kind, address, "PLACE")
        });
        join_all(told).await;
        // What it was told, over and over.
        let address = server(|mut stream| {
            stream.write_all(b"\x4a\0\0\0")?;
            loop {
                let told = read(&mut stream)?;
                if told.is_empty() {
                    return Ok(());
                }
                stream.write_all(&told)?;
            }
        });
        check(kind, address, "PLACE").await;
    }
}

/// Has the client send its password as it is; what it sent.
fn password(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    read(stream)?;
    stream.write_all(&message(b'R', &3_u32.to_be_bytes()))?;
    let told = read(stream)?;
    Ok(told.get(5..told.len() - 1).unwrap_or_default().to_vec())
}

#[tokio::test]
async fn a_server_that_tells_what_it_was_told_is_not_quoted() {
    for (code, text) in [
        ("28P01", "PLACE: the server refuses the user or the password"),
        ("42601", "PLACE: no *******"),
        ("XX000", "PLACE: the server answered with the error XX000"),
        ("\x1b[2J", "PLACE: the server answered with an error"),
    ] {
        let address = server(move |mut stream| {
            let told = [&b"no "[..], &password(&mut stream)?].concat();
            assert!(told.ends_with(CANARY.as_bytes()));
            stream.write_all(&error(code, &told))?;
            drain(stream)
        });
        check("postgres", address, text).await;
    }
    // A row that has the password in it, and never ends, to a step that has no time for it.
    let address = server(|mut stream| {
        let told = password(&mut stream)?;
        stream.write_all(&message(b'R', &0_u32.to_be_bytes()))?;
        stream.write_all(&message(b'Z', b"I"))?;
        read(&mut stream)?;
        loop {
            stream.write_all(&message(b'S', &[b"n\0", &told[..], b"\0"].concat()))?;
        }
    });
    check("postgres", address, "PLACE").await;
}

#[tokio::test]
async fn a_name_ends_where_it_ends() {
    let world = World::new();
    for dsn in ["postgres://ada%00options@h/d", "postgres://ada@h/d%00options", "mysql://a%00@h/d"]
    {
        let kind = dsn.split(':').next().unwrap();
        let step = format!("{{name: s, type: {kind}, command: SELECT 1, with: {{dsn: '{dsn}'}}}}");
        let left = world.run(&format!("steps:\n  - {step}\n")).await;
        assert!(left.failure().contains("null byte"), "{}", left.failure());
    }
}
