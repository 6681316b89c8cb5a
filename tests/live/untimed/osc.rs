//! OSC with third-party clients: liblo's `oscsend` and `oscdump`, and python-osc.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use melos::event::health::Loss;
use melos::event::parameter::{Param, Value};
use melos::event::{ControlEvent, Inbox, Notice, Part, Troubles};
use melos::remote::osc::{Clients, OscServer};
use tokio::runtime::Runtime;

use crate::support::client::{Client, TIMEOUT, free_port, python, wait_until_bound};

struct Rig {
    runtime: Runtime,
    server: OscServer,
    inbox: Arc<Inbox>,
}

impl Rig {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let inbox = Arc::new(Inbox::new(Arc::default()));
        let server = runtime.block_on(OscServer::start(
            "127.0.0.1:0".parse().unwrap(),
            Clients::default(),
            Arc::clone(&inbox),
            Troubles::default(),
        ));
        Self { runtime, server, inbox }
    }

    fn port(&self) -> String {
        self.server.address().port().to_string()
    }

    fn oscsend(&self, arguments: &[&str]) {
        let status = Command::new("oscsend").args(["127.0.0.1", &self.port()]).args(arguments).status().unwrap();
        assert!(status.success());
    }

    /// Waits for `count` events, but no longer than [`TIMEOUT`], and returns all that have arrived.
    fn events(&self, count: usize) -> Vec<ControlEvent> {
        let (mut incoming, start) = (Vec::new(), Instant::now());
        while incoming.len() < count && start.elapsed() < TIMEOUT {
            self.inbox.wait(Duration::from_millis(100));
            self.inbox.drain(&mut incoming);
        }
        incoming.into_iter().map(|incoming| incoming.event).collect()
    }
}

fn set(param: Param, value: Value) -> ControlEvent {
    ControlEvent::Set(param, value)
}

#[test]
fn oscsend_sets_every_kind_of_parameter() {
    let rig = Rig::new();
    for (arguments, expected) in [
        (&["/melos/temperature", "f", "0.5"][..], set(Param::Temperature, Value::Number(0.5))),
        (&["/melos/temperature", "d", "0.5"], set(Param::Temperature, Value::Number(0.5))),
        (&["/melos/temperature", "h", "1"], set(Param::Temperature, Value::Number(1.0))),
        (&["/melos/emotion", "s", "sad"], set(Param::Emotion, Value::Choice(1))),
        (&["/melos/emotion/calm", "f", "0.75"], set(Param::Calm, Value::Number(0.75))),
        (&["/melos/hold", "T"], set(Param::Hold, Value::Toggle(true))),
        (&["/melos/hold", "F"], set(Param::Hold, Value::Toggle(false))),
        (&["/melos/hold", "I"], set(Param::Hold, Value::Toggle(true))),
        (&["/melos/preset", "s", "slow-dawn"], set(Param::Preset, Value::Text("slow-dawn".to_owned()))),
        (&["/melos/panic"], set(Param::Panic, Value::Trigger)),
    ] {
        rig.oscsend(arguments);
        assert_eq!(rig.events(1), [expected], "{arguments:?}");
    }
}

#[test]
fn oscdump_receives_state_changes_and_streams() {
    let rig = Rig::new();
    let port = free_port();
    let dump = Client::spawn(Command::new("stdbuf").args(["-oL", "oscdump", &port]));
    wait_until_bound(&port);
    rig.oscsend(&["/melos/subscribe", "i", &port]);
    dump.expect("/melos/record i 0");
    rig.server.publish(Notice::Value(Param::Temperature, Value::Number(0.5)));
    dump.expect("/melos/temperature f 0.5");
    rig.server.publish(Notice::Value(Param::Mode, Value::Choice(3)));
    dump.expect("/melos/mode s \"dorian\"");
    rig.server.publish(Notice::Beat { beat: 2, bar: 0, tempo: 96.0 });
    dump.expect("/melos/beat iif 3 1 96.0");
    rig.server.publish(Notice::Mood(melos::music::emotion::Mood::default()));
    dump.expect("/melos/mood ffffffffff");
}

#[test]
fn python_osc_queries_values_and_sends_bundles_and_patterns() {
    let rig = Rig::new();
    let client = Client::spawn(&mut python("tests/clients/osc_client.py", &[&rig.port()]));
    client.expect("read /melos/temperature [1.0]");
    client.expect("read /melos/emotion ['calm']");
    client.expect("state 0 missing");
    client.expect("sent");
    let events = rig.events(4);
    assert_eq!(
        events,
        [
            set(Param::Valence, Value::Number(0.25)),
            set(Param::Arousal, Value::Number(-0.5)),
            set(Param::MuteBass, Value::Toggle(true)),
            set(Param::MutePad, Value::Toggle(true)),
        ]
    );
}

#[test]
fn the_latest_value_wins_after_ten_thousand_messages_and_as_much_noise() {
    let rig = Rig::new();
    let client = Client::spawn(&mut python("tests/clients/osc_flood.py", &[&rig.port()]));
    client.expect("done");
    let (mut last, start) = (None, Instant::now());
    // The kernel may drop datagrams under such a flood, so the client repeats the last value at the end.
    while last != Some(set(Param::Valence, Value::Number(0.875))) && start.elapsed() < TIMEOUT {
        last = rig.events(1).into_iter().rfind(|event| matches!(event, ControlEvent::Set(Param::Valence, _))).or(last);
    }
    assert_eq!(last, Some(set(Param::Valence, Value::Number(0.875))));
    assert!(rig.inbox.losses().count(Loss::OscRefused) > 100);
}

#[test]
fn a_used_port_is_reported_and_used_once_it_is_free() {
    let rig = Rig::new();
    let occupant = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = occupant.local_addr().unwrap();
    let (troubles, inbox) = (Troubles::default(), Arc::clone(&rig.inbox));
    let server = rig.runtime.block_on(OscServer::start(address, Clients::default(), inbox, troubles.clone()));
    assert!(!server.is_listening() && server.address() == address);
    let trouble = troubles.now().0[&Part::Osc].clone();
    for part in [address.port().to_string().as_str(), "osc.port", "in use", "retrying"] {
        assert!(trouble.contains(part), "{part} is missing from {trouble}");
    }
    drop(occupant);
    let start = Instant::now();
    while troubles.now().0.contains_key(&Part::Osc) {
        assert!(start.elapsed() < TIMEOUT, "the port is not used although it is free");
        std::thread::sleep(Duration::from_millis(50));
    }
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.send_to(b"/melos/ping\0,i\0\0\0\0\0\x07", address).unwrap();
    let mut reply = [0; 64];
    let (length, _) = socket.recv_from(&mut reply).unwrap();
    assert_eq!(&reply[..length], b"/melos/pong\0,i\0\0\0\0\0\x07");
}

/// Some programs resolve `localhost` to an IPv6 address first.
#[test]
fn localhost_works_over_ipv4_and_ipv6() {
    let rig = Rig::new();
    for host in ["127.0.0.1", "::1"] {
        let socket = std::net::UdpSocket::bind((host, 0)).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        socket.send_to(b"/melos/ping\0,i\0\0\0\0\0\x07", (host, rig.server.address().port())).unwrap();
        let mut reply = [0; 64];
        let (length, from) = socket.recv_from(&mut reply).unwrap();
        assert_eq!(&reply[..length], b"/melos/pong\0,i\0\0\0\0\0\x07");
        assert_eq!(
            from.port(),
            rig.server.address().port(),
            "the reply should come from the port that received the request"
        );
    }
}

/// Some programs leave out the comma before the type tags, or the type tags themselves.
#[test]
fn values_without_type_tags_are_counted_as_refused_and_triggers_need_none() {
    let rig = Rig::new();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(rig.server.address()).unwrap();
    for datagram in [
        &b"/melos/reverb\0\0\0f\0\0\0\x3f\x28\xf5\xc3"[..],
        b"/melos/reverb\0\0\0i\0\0\0\0\0\0\x01",
        b"/melos/reverb\0\0\0\x3f\x28\xf5\xc3",
        b"/melos/panic\0\0\0\0",
    ] {
        socket.send(datagram).unwrap();
    }
    assert_eq!(rig.events(1), [set(Param::Panic, Value::Trigger)]);
    assert_eq!(rig.inbox.losses().count(Loss::OscRefused), 3);
}

/// During a flood of queries for the whole state, input is still accepted, because another task sends the replies.
#[test]
fn input_does_not_wait_for_replies() {
    let rig = Rig::new();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(rig.server.address()).unwrap();
    let state = rosc::encoder::encode(&rosc::OscPacket::Message(rosc::OscMessage {
        addr: "/melos/state".to_owned(),
        args: Vec::new(),
    }));
    let state = state.unwrap();
    for _ in 0..5_000 {
        socket.send(&state).unwrap();
    }
    let started = Instant::now();
    let mut received = Vec::new();
    while received.is_empty() && started.elapsed() < TIMEOUT {
        rig.oscsend(&["/melos/temperature", "f", "0.5"]);
        rig.inbox.wait(Duration::from_millis(100));
        rig.inbox.drain(&mut received);
    }
    assert!(!received.is_empty());
    assert!(rig.inbox.losses().count(Loss::OscUnsent) > 0, "excess replies should be dropped");
}
