//! OSCQuery over real sockets: the proposal's status codes, every parameter's node, LISTEN, and third-party clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use melos::event::parameter::{Kind, Param, TABLE, Value};
use melos::event::{ControlEvent, Inbox, Notice, Troubles};
use melos::remote::oscquery::{AccessRules, Discovery, OscQuery, ServerContext};
use rosc::{OscMessage, OscPacket, OscType};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;
use tungstenite::{Message, WebSocket};

use crate::support::own_process;

/// Time limit for any wait, long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

struct Rig {
    _runtime: Runtime,
    server: OscQuery,
    inbox: Arc<Inbox>,
}

impl Rig {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let inbox = Arc::new(Inbox::new(Arc::default()));
        let extra = Router::new().route("/status", get(|| async { "fine" }));
        let (any, osc) = ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:9000".parse().unwrap());
        let context = ServerContext {
            osc,
            counters: Arc::default(),
            access: AccessRules::new(&[], None, ""),
            troubles: Troubles::default(),
        };
        let server = runtime.block_on(OscQuery::start(any, context, Arc::clone(&inbox), extra));
        Self { _runtime: runtime, server, inbox }
    }

    /// Sends a request and returns the status code and the body.
    fn request(&self, method: &str, target: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(stream, "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 200 && target != "/status" {
            assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        }
        (status, body.to_owned())
    }

    fn status(&self, target: &str) -> u16 {
        self.request("GET", target).0
    }

    fn json(&self, target: &str) -> Json {
        let (status, body) = self.request("GET", target);
        assert_eq!(status, 200, "{target}");
        serde_json::from_str(&body).unwrap()
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{}/", self.server.address()), stream).unwrap();
        Client(socket)
    }

    /// Waits for an event and returns it.
    fn event(&self) -> ControlEvent {
        let (mut incoming, start) = (Vec::new(), Instant::now());
        while incoming.is_empty() && start.elapsed() < TIMEOUT {
            self.inbox.wait(Duration::from_millis(100));
            self.inbox.drain(&mut incoming);
        }
        incoming.remove(0).event
    }
}

struct Client(WebSocket<TcpStream>);

impl Client {
    fn command(&mut self, command: &str, path: &str) {
        self.0.send(Message::text(json!({ "COMMAND": command, "DATA": path }).to_string())).unwrap();
    }

    fn send(&mut self, address: &str, args: Vec<OscType>) {
        let packet = OscPacket::Message(OscMessage { addr: address.to_owned(), args });
        self.0.send(Message::binary(rosc::encoder::encode(&packet).unwrap())).unwrap();
    }

    fn receive(&mut self) -> (String, Vec<OscType>) {
        loop {
            if let Message::Binary(bytes) = self.0.read().unwrap() {
                let (_, OscPacket::Message(message)) = rosc::decoder::decode_udp(&bytes).unwrap() else {
                    panic!("expected a message, got a bundle")
                };
                return (message.addr, message.args);
            }
        }
    }
}

fn number(address: &str, value: f32) -> (String, Vec<OscType>) {
    (address.to_owned(), vec![OscType::Float(value)])
}

#[test]
fn status_codes_match_the_proposal() {
    let rig = Rig::new();
    for (target, expected) in [
        ("/", 200),
        ("/melos", 200),
        ("/melos/", 200),
        ("/melos/reverb?VALUE", 200),
        ("/melos/reverb?VALUE=", 200),
        ("/anything/at/all?HOST_INFO", 200),
        // Not readable.
        ("/melos/panic?VALUE", 204),
        ("/melos?VALUE", 204),
        // Defined by the proposal but not supported.
        ("/melos/reverb?HTML", 204),
        ("/melos/reverb?EXTENDED_TYPE", 204),
        ("/melos/reverb?HTML", 204),
        // Not defined by the proposal.
        ("/melos/reverb?COLOUR", 400),
        ("/melos/reverb?value", 400),
        ("/melos/reverb?VALUE&RANGE", 400),
        // No such node.
        ("/melos/nothing", 404),
        ("/melos/nothing?VALUE", 404),
        ("/reverb", 404),
        ("/melos//reverb", 404),
    ] {
        assert_eq!(rig.status(target), expected, "{target}");
    }
    assert_eq!(rig.json("/melos?TYPE"), json!({}), "a container should have no type");
    assert_eq!(rig.json("/melos/beat?VALUE"), json!({}), "there has not been a beat yet");
    assert_eq!(rig.json("/melos/preset?RANGE"), json!({}));
    assert_eq!(rig.request("POST", "/melos").0, 405);
    assert_eq!(rig.request("GET", "/status"), (200, "fine".to_owned()));
}

#[test]
fn host_info_lists_only_supported_extensions() {
    let rig = Rig::new();
    let info = rig.json("/?HOST_INFO");
    let port = rig.server.address().port();
    let expected = json!({
        "NAME": "Melos", "OSC_IP": "127.0.0.1", "OSC_PORT": 9000, "OSC_TRANSPORT": "UDP",
        "WS_IP": "127.0.0.1", "WS_PORT": port, "EXTENSIONS": info["EXTENSIONS"],
    });
    assert_eq!(info, expected);
    for (extension, claimed) in info["EXTENSIONS"].as_object().unwrap() {
        assert_eq!(claimed, true);
        if extension != "LISTEN" {
            assert!(rig.json(&format!("/melos/tempo?{extension}")).get(extension).is_some(), "{extension}");
        }
    }
}

#[test]
fn every_parameter_has_a_node() {
    let rig = Rig::new();
    let tree = rig.json("/");
    for spec in TABLE {
        let path = format!("/melos/{}", spec.id);
        let node = rig.json(&path);
        let in_tree = path.split('/').skip(1).fold(&tree, |node, part| &node["CONTENTS"][part]);
        assert_eq!(&node, in_tree, "the node should be the same alone and in the tree");
        assert_eq!((&node["FULL_PATH"], &node["DESCRIPTION"]), (&json!(path), &json!(spec.description)));
        let close = |json: &Json, expected: f32| json.as_f64().is_some_and(|found| found as f32 == expected);
        let (kind, value) = (&node["TYPE"], &node["VALUE"][0]);
        match spec.kind {
            Kind::Number { min, max, default } => {
                assert!(kind == "f" && close(value, default), "{node}");
                let range = &node["RANGE"][0];
                assert!(close(&range["MIN"], min) && close(&range["MAX"], max), "{node}");
                assert_eq!(node["CLIPMODE"], json!(["both"]));
                assert_eq!(node.get("UNIT").is_some(), !spec.unit.is_empty(), "{node}");
            }
            Kind::Toggle { default } => assert!(kind == "T" && *value == json!(default), "{node}"),
            Kind::Choice { names, default } => {
                assert!(kind == "s" && value == names[usize::from(default)], "{node}");
                assert_eq!(node["RANGE"], json!([{ "VALS": names }]));
            }
            Kind::Chord => assert!(kind == "s" && *value == json!("auto"), "{node}"),
            Kind::Text { default } => assert!(kind == "s" && value == default, "{node}"),
            Kind::Trigger => assert!(kind == "I" && node.get("VALUE").is_none(), "{node}"),
        }
        assert_eq!(node["ACCESS"], if spec.kind == Kind::Trigger { 2 } else { 3 }, "{path}");
    }
}

#[test]
fn streams_can_be_read_once_they_have_started() {
    let rig = Rig::new();
    rig.server.publish(&Notice::Beat { beat: 2, bar: 7, tempo: 96.5 });
    rig.server.publish(&Notice::Value(Param::Hold, Value::Toggle(true)));
    assert_eq!(rig.json("/melos/beat?VALUE"), json!({ "VALUE": [3, 8, 96.5] }));
    assert_eq!(rig.json("/melos/hold?VALUE"), json!({ "VALUE": [true] }));
    let node = rig.json("/melos/beat");
    assert_eq!((&node["TYPE"], &node["ACCESS"]), (&json!("iif"), &json!(1)));
}

#[test]
fn listeners_receive_what_they_requested_but_not_their_own_values() {
    let rig = Rig::new();
    let (mut one, mut other) = (rig.connect(), rig.connect());
    for client in [&mut one, &mut other] {
        for path in ["/melos/reverb", "/melos/nothing", "/melos"] {
            client.command("LISTEN", path);
        }
        assert_eq!(client.receive(), number("/melos/reverb", 0.25), "the current value should come first");
    }
    one.send("/melos/reverb", vec![OscType::Float(0.5)]);
    assert_eq!(rig.event(), ControlEvent::Set(Param::Reverb, Value::Number(0.5)));
    rig.server.publish(&Notice::Value(Param::Width, Value::Number(0.1)));
    rig.server.publish(&Notice::Value(Param::Reverb, Value::Number(0.5)));
    assert_eq!(other.receive(), number("/melos/reverb", 0.5));
    // A client does not receive the values that it sets itself, so the next message is the response to its LISTEN.
    one.command("LISTEN", "/melos/hold");
    assert_eq!(one.receive(), ("/melos/hold".to_owned(), vec![OscType::Bool(false)]));
    other.command("IGNORE", "/melos/reverb");
    other.command("LISTEN", "/melos/width");
    assert_eq!(other.receive(), number("/melos/width", 0.1));
    rig.server.publish(&Notice::Value(Param::Reverb, Value::Number(0.75)));
    assert_eq!(one.receive(), number("/melos/reverb", 0.75));
    rig.server.publish(&Notice::Value(Param::Width, Value::Number(0.2)));
    assert_eq!(other.receive(), number("/melos/width", 0.2));
}

#[test]
fn a_client_is_told_why_its_messages_are_refused() {
    let rig = Rig::new();
    let mut client = rig.connect();
    let error = |text: &str| ("/melos/error".to_owned(), vec![OscType::String(text.to_owned())]);
    client.send("/melos/reverp", vec![OscType::Float(0.5)]);
    assert_eq!(client.receive(), error("there is no parameter /melos/reverp"));
    client.send("/melos/subscribe", vec![]);
    let only_udp = "subscriptions are for clients over UDP; over a WebSocket, send LISTEN instead";
    assert_eq!(client.receive(), error(only_udp));
    client.send("/melos/width/value", vec![]);
    assert_eq!(client.receive(), error("there is no parameter /melos/width/value"));
    client.send("/melos/tempo/value", vec![]);
    assert_eq!(client.receive().0, "/melos/tempo/value");
}

#[test]
fn invalid_input_changes_nothing() {
    let rig = Rig::new();
    let mut client = rig.connect();
    for text in ["", "{", "[]", r#"{"COMMAND":"LISTEN"}"#, r#"{"COMMAND":"DANCE","DATA":"/melos"}"#] {
        client.0.send(Message::text(text)).unwrap();
    }
    for packet in [&b""[..], b"/melos/reverb", &b"#bundle\0\0\0\0\0\0\0\0\x01\xff\xff\xff\xff"[..]] {
        client.0.send(Message::binary(packet.to_vec())).unwrap();
    }
    client.send("/melos/reverb", vec![OscType::Float(f32::NAN)]);
    client.send("/melos/panic", vec![OscType::Inf]);
    assert_eq!(rig.event(), ControlEvent::Set(Param::Panic, Value::Trigger), "only the valid event should arrive");
}

#[test]
fn a_command_without_a_value_is_in_the_tree_and_works() {
    let rig = Rig::new();
    let node = rig.json("/melos/scene/rename");
    assert_eq!((&node["TYPE"], &node["ACCESS"], node.get("VALUE")), (&json!("ss"), &json!(2), None));
    assert_eq!(rig.status("/melos/scene/rename?VALUE"), 204);
    let mut client = rig.connect();
    client.command("LISTEN", "/melos/scene/rename");
    client.send("/melos/scene/rename", ["verse", "intro"].map(|name| OscType::String(name.to_owned())).to_vec());
    let (from, to) = ("verse".to_owned(), "intro".to_owned());
    assert_eq!(rig.event(), ControlEvent::RenameScene { from, to });
}

/// The third-party npm package `oscquery` reads the whole tree.
#[test]
fn an_oscquery_client_reads_the_tree() {
    let rig = Rig::new();
    let port = rig.server.address().port().to_string();
    let output = Command::new("node").args(["tests/clients/node/oscquery.js", &port]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["host"]["oscPort"], &found["host"]["extensions"]["LISTEN"]), (&json!(9000), &json!(true)));
    for spec in TABLE {
        let method = &found["methods"][format!("/melos/{}", spec.id)];
        assert_eq!(method["description"], spec.description, "{}", spec.id);
        if let Kind::Number { min, .. } = spec.kind {
            let found = method["arguments"][0]["range"]["min"].as_f64().unwrap() as f32;
            assert_eq!(found, min, "{}", spec.id);
        }
    }
}

/// Some clients, such as Chataigne, treat every node with `CONTENTS` as a container and show only its contents.
#[test]
fn every_parameter_is_also_a_leaf() {
    fn leaves(node: &Json, found: &mut Vec<Json>) {
        match node["CONTENTS"].as_object() {
            Some(contents) => contents.values().for_each(|child| leaves(child, found)),
            None => found.push(node.clone()),
        }
    }
    let rig = Rig::new();
    let mut found = Vec::new();
    leaves(&rig.json("/"), &mut found);
    for spec in TABLE {
        let path = format!("/melos/{}", spec.id);
        let own = |leaf: &&Json| leaf["FULL_PATH"] == path || leaf["FULL_PATH"] == format!("{path}/value");
        let leaf = found.iter().find(own).unwrap_or_else(|| panic!("{path} is only a container"));
        assert_eq!((&leaf["TYPE"], &leaf["DESCRIPTION"]), (&rig.json(&path)["TYPE"], &json!(spec.description)));
    }
    // The leaf can be set, read and listened to like any other.
    let (mut one, mut other) = (rig.connect(), rig.connect());
    one.command("LISTEN", "/melos/reverb/value");
    assert_eq!(one.receive(), number("/melos/reverb/value", 0.25));
    other.send("/melos/reverb/value", vec![OscType::Float(0.5)]);
    assert_eq!(rig.event(), ControlEvent::Set(Param::Reverb, Value::Number(0.5)));
    rig.server.publish(&Notice::Value(Param::Reverb, Value::Number(0.5)));
    assert_eq!(one.receive(), number("/melos/reverb/value", 0.5));
    assert_eq!(rig.json("/melos/reverb/value?VALUE"), json!({ "VALUE": [0.5] }));
    other.send("/melos/next/bar/tempo/value", vec![OscType::Float(90.0)]);
    assert_eq!(rig.event(), ControlEvent::NextBar(Param::Tempo, Value::Number(90.0)));
    // A parameter that contains no others has no such leaf.
    assert_eq!(rig.status("/melos/width/value"), 404);
    other.send("/melos/width/value", vec![OscType::Float(0.5)]);
    other.send("/melos/scene/morph/value", vec![OscType::Float(2.0)]);
    assert_eq!(rig.event(), ControlEvent::Set(Param::SceneMorph, Value::Number(2.0)));
}

/// Runs [`services_are_found_on_loopback`] in its own network namespace, where multicast reaches nobody else.
#[test]
fn zeroconf_finds_the_instrument() {
    let within = "ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec \"$0\" \"$@\"";
    let namespace = ["-rn", "bash", "-c"];
    let mut command = Command::new("unshare");
    command.args(namespace).arg(within).arg(own_process::test_binary());
    own_process::run(command, "untimed::oscquery::services_are_found_on_loopback");
}

#[test]
#[ignore = "sends multicast; zeroconf_finds_the_instrument runs it in a namespace"]
fn services_are_found_on_loopback() {
    let (oscquery, osc): (SocketAddr, SocketAddr) =
        ("127.0.0.1:9080".parse().unwrap(), "127.0.0.1:9000".parse().unwrap());
    let _discovery = Discovery::announce(Some(oscquery), Some(osc)).unwrap();
    let browser = mdns_sd::ServiceDaemon::new().unwrap();
    for (kind, address) in [("_oscjson._tcp.local.", oscquery), ("_osc._udp.local.", osc)] {
        let events = browser.browse(kind).unwrap();
        let start = Instant::now();
        let found = loop {
            assert!(start.elapsed() < TIMEOUT, "{kind} was not found");
            if let Ok(mdns_sd::ServiceEvent::ServiceResolved(found)) = events.recv_timeout(TIMEOUT) {
                break found;
            }
        };
        assert_eq!(found.port, address.port());
        assert!(found.addresses.iter().any(|found| found.to_ip_addr() == address.ip()), "{found:?}");
    }
}
