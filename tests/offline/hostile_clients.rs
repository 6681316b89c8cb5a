//! Hostile clients of the HTTP server, over real sockets: they cannot lock out other clients, and the resources
//! they can use are bounded.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use melos::event::health::{Loss, Losses};
use melos::event::{Inbox, Troubles};
use melos::remote::oscquery::{AccessRules, OscQuery, ServerContext};
use serde_json::json;
use tokio::runtime::Runtime;
use tungstenite::HandshakeError;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Message, WebSocket};

/// Longer than any of the server's own time limits.
const TIMEOUT: Duration = Duration::from_secs(60);

struct Rig {
    _runtime: Runtime,
    losses: Arc<Losses>,
    server: OscQuery,
}

impl Rig {
    fn new(password: Option<&str>) -> Self {
        let runtime = Runtime::new().unwrap();
        let extra = Router::new()
            .route("/status", get(|| async { "fine" }))
            .route("/take", post(|body: String| async move { body.len().to_string() }));
        let access = AccessRules::new(&[], password, "<script>play()</script>");
        let context = ServerContext {
            osc: "127.0.0.1:9000".parse().unwrap(),
            counters: Arc::default(),
            access,
            troubles: Troubles::default(),
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let losses = Arc::<Losses>::default();
        let inbox = Arc::new(Inbox::new(Arc::clone(&losses)));
        let server = runtime.block_on(OscQuery::start(any, context, inbox, extra));
        Self { _runtime: runtime, losses, server }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn connect(&self) -> TcpStream {
        connect(self.address())
    }

    /// Sends a request and returns the status code, the head in lower case and the body.
    fn request(&self, head: &str) -> (u16, String, String) {
        send_request(self.connect(), head)
    }

    fn get(&self, target: &str, host: &str) -> u16 {
        self.request(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n")).0
    }

    fn responds(&self) -> bool {
        self.get("/status", "localhost") == 200
    }

    fn open_socket(&self) -> tungstenite::Result<WebSocket<TcpStream>> {
        let opened = tungstenite::client(format!("ws://{}/", self.address()), self.connect());
        opened.map(|(socket, _)| socket).map_err(|error| match error {
            HandshakeError::Failure(error) => error,
            HandshakeError::Interrupted(_) => panic!("the handshake timed out"),
        })
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    stream
}

fn send_request(mut stream: TcpStream, head: &str) -> (u16, String, String) {
    write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    let _ = stream.read_to_string(&mut reply);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response to {head:?}: {reply:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

/// Returns whether the other end closes within the timeout, whatever it sends until then.
fn is_closed(mut stream: &TcpStream) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// Returns the resident memory in bytes of this process, which runs the server.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn partial_requests_do_not_lock_out_other_clients() {
    let rig = Rig::new(None);
    let mut partial = Vec::new();
    for _ in 0..600 {
        let mut stream = rig.connect();
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: loc").unwrap();
        partial.push(stream);
    }
    assert!(rig.responds());
    assert!(rig.open_socket().is_ok(), "the page's WebSocket should not be locked out either");
    assert!(is_closed(&partial[0]), "the oldest connection should be closed to make room");
}

#[test]
fn idle_connections_do_not_lock_out_other_clients() {
    let rig = Rig::new(None);
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut stream = rig.connect();
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut response = [0; 8];
        stream.read_exact(&mut response).unwrap();
        idle.push(stream);
    }
    assert!(rig.responds());
}

#[test]
fn a_connection_without_a_request_times_out() {
    let rig = Rig::new(None);
    let (silent, mut slow) = (rig.connect(), rig.connect());
    slow.write_all(b"GET /status HTTP/1.1\r\nX: ").unwrap();
    assert!(is_closed(&silent) && is_closed(&slow));
}

#[test]
fn idle_web_sockets_make_room_but_listening_ones_stay_open() {
    let rig = Rig::new(None);
    let mut sockets: Vec<_> = (0..64).map(|_| rig.open_socket().unwrap()).collect();
    let newcomer = rig.open_socket();
    assert!(newcomer.is_ok(), "64 idle sockets should not keep out a new one");
    assert!(is_closed(sockets[0].get_ref()), "the socket that has been idle the longest should be closed to make room");
    sockets[0] = newcomer.unwrap();
    for socket in &mut sockets {
        socket.send(Message::text(json!({ "COMMAND": "LISTEN", "DATA": "/melos/reverb" }).to_string())).unwrap();
        // A socket that has received the current value counts as listening.
        while !socket.read().unwrap().is_binary() {}
    }
    let full = rig.open_socket();
    assert!(matches!(&full, Err(tungstenite::Error::Http(response)) if response.status() == 503), "{full:?}");
    assert!(rig.responds(), "ordinary HTTP requests should still be answered");
    drop(sockets);
    let start = Instant::now();
    while rig.open_socket().is_err() {
        assert!(start.elapsed() < TIMEOUT);
    }
}

#[test]
fn a_socket_that_sends_pings_and_reads_nothing_is_closed() {
    let rig = Rig::new(None);
    let mut socket = rig.open_socket().unwrap();
    let before = resident();
    // The frames are masked, as required of clients; each requests a reply of 125 bytes.
    let ping = [vec![0x89, 0x80 | 125, 0, 0, 0, 0], vec![b'x'; 125]].concat();
    let many = ping.repeat(1000);
    let start = Instant::now();
    while socket.get_mut().write_all(&many).is_ok() {
        assert!(start.elapsed() < TIMEOUT, "the server accepts pings forever");
    }
    let growth = resident().saturating_sub(before);
    assert!(growth < 32 << 20, "{growth} bytes more than before");
    assert!(rig.responds());
}

#[test]
fn a_socket_that_sends_queries_and_reads_nothing_is_closed() {
    let rig = Rig::new(None);
    let mut socket = rig.open_socket().unwrap();
    let before = resident();
    let state = rosc::encoder::encode(&rosc::OscPacket::Message(rosc::OscMessage {
        addr: "/melos/state".to_owned(),
        args: Vec::new(),
    }));
    let frame = Frame::message(state.unwrap(), OpCode::Data(Data::Binary), true);
    let start = Instant::now();
    while socket.send(Message::Frame(frame.clone())).is_ok() {
        assert!(start.elapsed() < TIMEOUT, "the server replies forever");
    }
    let growth = resident().saturating_sub(before);
    assert!(growth < 32 << 20, "{growth} bytes more than before");
    assert!(rig.responds());
}

#[test]
fn large_frames_and_endless_messages_are_refused() {
    let rig = Rig::new(None);
    // A WebSocket frame of 16 MB is refused as soon as its header arrives.
    let mut large = rig.open_socket().unwrap();
    let header = [&[0x82, 0x80 | 127][..], &(16u64 << 20).to_be_bytes(), &[0; 4]].concat();
    large.get_mut().write_all(&header).unwrap();
    assert!(is_closed(large.get_ref()));
    // Send one endless message in fragments of 1 kB.
    let mut parts = rig.open_socket().unwrap();
    let part = |first| [vec![u8::from(first) * 2, 0x80 | 126, 4, 0, 0, 0, 0, 0], vec![0; 1024]].concat();
    parts.get_mut().write_all(&part(true)).unwrap();
    let start = Instant::now();
    while parts.get_mut().write_all(&part(false)).is_ok() {
        assert!(start.elapsed() < TIMEOUT, "the server accepts fragments forever");
    }
}

#[test]
fn request_heads_and_bodies_are_bounded() {
    let rig = Rig::new(None);
    let body = |length: usize| {
        let mut stream = rig.connect();
        write!(stream, "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n").unwrap();
        let _ = stream.write_all(&vec![b'x'; length]);
        let mut reply = [0; 12];
        stream.read_exact(&mut reply).unwrap();
        String::from_utf8_lossy(&reply[9..]).into_owned()
    };
    assert_eq!((body(60_000), body(70_000)), ("200".to_owned(), "413".to_owned()));
    // A chunked body has no declared length.
    let mut stream = rig.connect();
    write!(stream, "POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    let part = [b"2000\r\n".as_slice(), &[b'x'; 0x2000], b"\r\n"].concat();
    let start = Instant::now();
    while stream.write_all(&part).is_ok() {
        assert!(start.elapsed() < TIMEOUT, "the server accepts an endless body");
    }
    let mut stream = rig.connect();
    let _ = stream.write_all(format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000)).as_bytes());
    assert!(is_closed(&stream));
}

#[test]
fn an_unknown_host_name_is_refused_on_every_path() {
    let rig = Rig::new(None);
    for target in ["/", "/melos", "/status", "/nothing", "/?HOST_INFO"] {
        assert_eq!(rig.get(target, "rebound.example:9080"), 403, "{target}");
        assert!([200, 404].contains(&rig.get(target, "localhost:9080")), "{target}");
    }
    let open = |host: &str, origin: &str| {
        let mut request = format!("ws://{}/", rig.address()).into_client_request().unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match tungstenite::client(request, rig.connect()) {
            Ok(_) => 101,
            Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(open("rebound.example", "http://rebound.example"), 403);
    assert_eq!(open("localhost", "http://elsewhere.example"), 403);
    // The page may have been opened under another name of this machine.
    assert_eq!(open("127.0.0.1", "http://localhost:9080"), 101);
    let posted = "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nOrigin: http://elsewhere.example\r\n";
    assert_eq!(rig.request(posted).0, 403);
}

#[test]
fn every_response_has_security_headers() {
    let rig = Rig::new(None);
    for (target, host) in [("/status", "localhost"), ("/nothing", "localhost"), ("/", "rebound.example")] {
        let (_, head, _) = rig.request(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n"));
        for part in [
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
            "referrer-policy: no-referrer",
            "frame-ancestors 'none'",
            "script-src 'self' 'sha256-",
        ] {
            assert!(head.contains(part), "{part} is missing for {target}: {head}");
        }
        assert!(!head.contains("unsafe"), "{head}");
    }
}

#[test]
fn requests_from_other_machines_need_the_password() {
    let rig = Rig::new(Some("correct horse"));
    // As if forwarded by a local proxy.
    let send_with = |header: &str| {
        let request = format!("GET /status HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.9\r\n{header}");
        rig.request(&request)
    };
    let started = Instant::now();
    let (code, head, _) = send_with("");
    assert!(code == 401 && head.contains("www-authenticate: basic"), "{head}");
    assert!(
        started.elapsed() >= Duration::from_millis(400),
        "the response to a request without the password should be delayed"
    );
    assert!(!head.contains("set-cookie"), "{head}");
    // Base64 of "melos:correct horse".
    let (code, head, body) = send_with("Authorization: Basic bWVsb3M6Y29ycmVjdCBob3JzZQ==\r\n");
    assert_eq!((code, body.as_str()), (200, "fine"));
    let cookie = head.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    assert!(head.contains("httponly") && head.contains("samesite=strict"), "{head}");
    // The cookie alone suffices, because a browser sends nothing else when it opens a WebSocket.
    assert_eq!(send_with(&format!("Cookie: {cookie}\r\n")).0, 200);
    assert_eq!(send_with("Cookie: melos-key=0\r\n").0, 401);
    for headers in [
        "Host: rebound.example\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nOrigin: http://rebound.example\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        let (code, head, _) = rig.request(&format!("GET /status HTTP/1.1\r\nX-Forwarded-For: 192.0.2.9\r\n{headers}"));
        assert!([400, 403].contains(&code), "{headers}: {head}");
        assert!(!head.contains("set-cookie"), "a refusal should not reveal the cookie: {headers}: {head}");
    }
    assert!(rig.responds(), "requests from this machine should need no password");
}

#[test]
fn guesses_are_few_counted_and_do_not_keep_out_others() {
    let rig = Rig::new(Some("correct horse"));
    let send = |client: &str, password: &str| {
        let head = format!(
            "GET /status HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\nAuthorization: Basic {password}\r\n"
        );
        rig.request(&head)
    };
    // Base64 of ":wrong" and ":correct horse".
    let (wrong, right) = ("Ondyb25n", "OmNvcnJlY3QgaG9yc2U=");
    let started = Instant::now();
    let codes: Vec<_> = std::thread::scope(|scope| {
        let guessing: Vec<_> =
            (0..40).map(|_| scope.spawn(|| (0..20).map(|_| send("192.0.2.9", wrong).0).collect::<Vec<_>>())).collect();
        while guessing.iter().any(|guessing| !guessing.is_finished()) {
            assert_eq!(send("192.0.2.10", right).0, 200, "another client should not be kept out");
        }
        guessing.into_iter().flat_map(|guessing| guessing.join().unwrap()).collect()
    });
    let checked = codes.iter().filter(|code| **code == 401).count() as u64;
    assert!(checked >= 4 && checked <= 5 + started.elapsed().as_secs() / 2, "{checked} guesses checked");
    assert_eq!(codes.iter().filter(|code| **code == 429).count() as u64, 800 - checked);
    let (code, head, _) = send("192.0.2.9", wrong);
    assert!(code == 429 && head.contains("retry-after: 2"), "{head}");
    assert_eq!(rig.losses.count(Loss::Passwords), 801);
}

#[test]
fn localhost_works_over_ipv6() {
    let rig = Rig::new(None);
    let address = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), rig.address().port());
    let (code, ..) = send_request(connect(address), "GET /status HTTP/1.1\r\nHost: localhost\r\n");
    assert_eq!(code, 200);
}

#[test]
fn posted_packets_are_checked_like_datagrams_and_refusals_are_explained() {
    let rig = Rig::new(None);
    let message = |address: &str, args: Vec<rosc::OscType>| {
        let message = rosc::OscMessage { addr: address.to_owned(), args };
        rosc::encoder::encode(&rosc::OscPacket::Message(message)).unwrap()
    };
    let post = |kind: &str, packet: &[u8]| {
        let mut stream = rig.connect();
        let length = packet.len();
        let head = format!(
            "POST /osc HTTP/1.1\r\nHost: localhost\r\n{kind}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        // The server may close the connection before it has read a packet that is too large.
        let _ = stream.write_all(&[head.as_bytes(), packet].concat());
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        (reply.split(' ').nth(1).unwrap_or_default().to_owned(), reply)
    };
    let osc = "Content-Type: application/octet-stream\r\n";
    let reverb = message("/melos/reverb", vec![rosc::OscType::Float(0.5)]);
    assert_eq!(post(osc, &reverb).0, "202", "nothing handles events here");
    assert_eq!(post("", &reverb).0, "415", "a page from another site can send this, so it should be refused");
    assert_eq!(post("Content-Type: text/plain\r\n", &reverb).0, "415");
    assert_eq!(post(&format!("{osc}Origin: http://elsewhere.example\r\n"), &reverb).0, "403");
    for (packet, reason) in [
        (
            message("/melos/revreb", vec![rosc::OscType::Float(0.5)]),
            "there is no parameter /melos/revreb; did you mean \\\"reverb\\\"?",
        ),
        (message("/melos/state", Vec::new()), "sends no replies"),
        (message("/melos/scene/store", vec![rosc::OscType::String("a\nb".to_owned())]), "without control"),
        (
            message(
                "/melos/scene/rename",
                ["dawn", "\u{202e}nwad"].map(|name| rosc::OscType::String(name.to_owned())).into(),
            ),
            "the new one without control characters",
        ),
        (b"nonsense".to_vec(), "a message starts with an address"),
    ] {
        let (status, reply) = post(osc, &packet);
        assert!(status == "400" && reply.contains(reason), "{reply}");
    }
    assert_eq!(post(osc, &vec![0; 17 * 1024]).0, "413");
    assert_eq!(rig.get("/osc", "localhost"), 405);
    assert!(rig.responds());
}
