//! The engine on a real JACK server (with the dummy driver), recorded by another JACK client.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use melos::engine::{Engine, EngineStatus, ports};
use melos::event::health::Loss;
use melos::event::parameter::Param;
use melos::event::{EngineCommand, Hop, QueuedCommand};
use melos::files::config::{AudioConfig, AudioHost};
use melos::mel::HOP;
use melos::output::device::{AudioError, Output, find_output};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapProd, HeapRb};

use crate::support::jack_server::JackServer;
use crate::support::own_process;

/// Frames per period of the test tone, whose frequency is 400 Hz.
const TONE_PERIOD: u64 = 120;
const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs a test of this file in a separate process, whose environment names a server for this test alone.
fn in_own_process(name: &str) {
    let server = format!("melos-{name}-{}", std::process::id());
    let mut command = Command::new(own_process::test_binary());
    command.envs([("JACK_DEFAULT_SERVER", server.as_str()), ("JACK_NO_START_SERVER", "1")]);
    own_process::run(command, &format!("jack_output::{name}"));
}

/// Runs the tests one at a time, because each depends on timing.
#[test]
fn every_scenario_passes() {
    in_own_process("the_sound_has_no_gaps");
    in_own_process("survives_a_server_crash");
    in_own_process("survives_a_server_hang");
    in_own_process("uses_a_server_that_starts_later");
    in_own_process("switches_outputs_without_a_click");
    in_own_process("connects_to_the_named_device_or_lists_the_names");
    in_own_process("connects_to_any_number_of_ports_and_to_those_that_appear_later");
}

fn server_name() -> String {
    std::env::var("JACK_DEFAULT_SERVER").expect("the parent process should set JACK_DEFAULT_SERVER")
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < TIMEOUT, "timed out waiting for {what}");
        sleep(Duration::from_millis(5));
    }
    started.elapsed()
}

/// Plays a sine in place of the network's sound; a thread sends the hops three quarters of a second ahead of the
/// playhead.
struct Player {
    output: Output,
    status: Arc<EngineStatus>,
    stop: Arc<AtomicBool>,
    feeder: Option<thread::JoinHandle<()>>,
}

impl Player {
    fn start() -> Self {
        Self::start_on(AudioHost::Jack)
    }

    fn start_on(host: AudioHost) -> Self {
        Self::open(&AudioConfig { host, device: None, block_frames: None }).unwrap()
    }

    fn open(config: &AudioConfig) -> Result<Self, AudioError> {
        let (ports, mut ends) = ports();
        let status = Arc::new(EngineStatus::default());
        let engine = Engine::new(ports, Arc::clone(&status));
        // Turn off the effects, so that every sample of the sine follows from the two before it.
        for param in [Param::Reverb, Param::Width] {
            let command = EngineCommand::Number(param, 0.0);
            ends.commands.try_push(QueuedCommand { number: 0, frame: 0, command }).unwrap();
        }
        let mut pushed = 0;
        feed(&mut ends.hops, &mut pushed, 0);
        let output = Output::open(config, engine)?;
        println!("{}", output.status().name());
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, head) = (Arc::clone(&stop), Arc::clone(&status));
        let feeder = thread::spawn(move || {
            while !stopped.load(Relaxed) {
                feed(&mut ends.hops, &mut pushed, head.frame());
                ends.tap.clear();
                sleep(Duration::from_millis(20));
            }
        });
        Ok(Self { output, status, stop, feeder: Some(feeder) })
    }

    fn stop(mut self) -> Box<Engine> {
        self.stop.store(true, Relaxed);
        self.feeder.take().unwrap().join().unwrap();
        self.output.close().expect("the driver should return the engine")
    }
}

fn feed(hops: &mut HeapProd<Hop>, pushed: &mut u64, frame: u64) {
    while *pushed * (HOP as u64) < frame + 36_000 {
        let sample = |n: usize| {
            let phase = (*pushed * HOP as u64 + n as u64) % TONE_PERIOD;
            (0.4 * (std::f64::consts::TAU * phase as f64 / TONE_PERIOD as f64).sin()) as f32
        };
        let hop = Hop { index: *pushed, epoch: 0, samples: std::array::from_fn(sample) };
        if hops.try_push(hop).is_err() {
            return;
        }
        *pushed += 1;
    }
}

/// Records the left output port with another client for the given number of seconds.
fn record(seconds: usize) -> Vec<f32> {
    let (client, _) = jack::Client::new("listener", jack::ClientOptions::NO_START_SERVER).unwrap();
    let port = client.register_port("in", jack::AudioIn::default()).unwrap();
    let port_name = port.name().unwrap();
    let (mut captured, mut sound) = HeapRb::<f32>::new(48_000 * (seconds + 1)).split();
    let process = move |_: &jack::Client, scope: &jack::ProcessScope| {
        captured.push_slice(port.as_slice(scope));
        jack::Control::Continue
    };
    let client = client.activate_async((), jack::contrib::ClosureProcessHandler::new(process)).unwrap();
    client.as_client().connect_ports_by_name("melos-audio:left", &port_name).unwrap();
    let mut all = Vec::new();
    wait_until("sound to be recorded", || {
        all.extend(sound.pop_iter());
        all.len() >= 48_000 * seconds
    });
    client.deactivate().unwrap();
    all
}

/// Returns the positions at which a recorded sine is interrupted, because a sample does not follow from the two before it.
fn discontinuities(sound: &[f32]) -> Vec<usize> {
    let coefficient = 2.0 * (std::f64::consts::TAU / TONE_PERIOD as f64).cos();
    let follows = |three: &[f32]| {
        let [a, b, c] = [three[0], three[1], three[2]].map(f64::from);
        (c - coefficient * b + a).abs() < 1e-4
    };
    sound.windows(3).enumerate().filter(|(_, three)| !follows(three)).map(|(at, _)| at).collect()
}

fn check_sine(sound: &[f32]) {
    // The recorder's first blocks precede its connection.
    let start = sound.iter().position(|sample| sample.abs() > 0.1).expect("the recording should not be silent") + 48;
    let sound = &sound[start..];
    let peak = sound.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.3..0.5).contains(&peak), "the peak is {peak}");
    assert!(sound.len() > 40_000);
    assert_eq!(discontinuities(sound), [0usize; 0], "discontinuities in {} frames", sound.len());
}

#[test]
#[ignore = "run by every_scenario_passes"]
fn the_sound_has_no_gaps() {
    let _server = JackServer::start(&server_name(), 256);
    let player = Player::start();
    wait_until("the fade-in", || player.status.frame() > 24_000);
    check_sine(&record(5));
    assert_eq!(player.status.losses().count(Loss::Starvations), 0);
    assert_eq!(player.status.losses().count(Loss::Devices), 0);
    println!("xruns: {}", player.status.losses().count(Loss::Xruns));
    player.stop();
}

#[test]
#[ignore = "run by every_scenario_passes"]
fn survives_a_server_crash() {
    let mut server = JackServer::start(&server_name(), 256);
    let player = Player::start();
    wait_until("the fade-in", || player.status.frame() > 24_000);
    check_sine(&record(1));
    for round in 1..=2 {
        server.kill();
        let killed = Instant::now();
        wait_until("the loss to be noticed", || !player.output.status().is_connected());
        let frame = player.status.frame();
        wait_until("the music to continue without a device", || player.status.frame() > frame + 24_000);
        println!("loss noticed and half a second played without a device after {:?}", killed.elapsed());
        drop(server);
        // Avoid `start`, which may first start a real-time server and stop it again.
        server = JackServer::start_synchronous(&server_name());
        let elapsed = wait_until("the output to return", || player.output.status().is_connected());
        println!("connected {elapsed:?} after the server started");
        assert_eq!(player.status.losses().count(Loss::Devices), round);
        check_sine(&record(1));
    }
    assert_eq!(player.status.losses().count(Loss::Starvations), 0);
    let engine = player.stop();
    assert!(engine.status().frame() > 96_000);
}

#[test]
#[ignore = "run by every_scenario_passes"]
fn survives_a_server_hang() {
    let server = JackServer::start_synchronous(&server_name());
    let player = Player::start();
    wait_until("the fade-in", || player.status.frame() > 24_000);
    // During the first hang, JACK keeps the client; during the second, it does not.
    for seconds in [1, 4] {
        server.signal("STOP");
        let (stopped, frame) = (Instant::now(), player.status.frame());
        wait_until("the music to continue without a device", || player.status.frame() > frame + 24_000);
        let late = stopped.elapsed();
        assert!(late < Duration::from_millis(2500), "half a second of music took {late:?}");
        assert!(!player.output.status().is_connected());
        sleep(Duration::from_secs(seconds).saturating_sub(stopped.elapsed()));
        server.signal("CONT");
        let elapsed = wait_until("the output to return", || player.output.status().is_connected());
        println!("connected {elapsed:?} after the server resumed");
        check_sine(&record(1));
    }
    assert_eq!(player.status.losses().count(Loss::Starvations), 0);
    player.stop();
}

#[test]
#[ignore = "run by every_scenario_passes"]
fn uses_a_server_that_starts_later() {
    let player = Player::start_on(AudioHost::Auto);
    let status = player.output.status();
    assert!(status.is_null() && !status.is_connected(), "{}", status.name());
    wait_until("the music to continue without a device", || player.status.frame() > 24_000);
    let _server = JackServer::start_synchronous(&server_name());
    let waited = wait_until("the server to be used", || status.is_connected() && !status.is_null());
    println!("used after {waited:?}");
    assert!(status.name().starts_with("JACK"), "{}", status.name());
    check_sine(&record(1));
    player.stop();
}

#[test]
#[ignore = "run by every_scenario_passes"]
fn switches_outputs_without_a_click() {
    let _server = JackServer::start_synchronous(&server_name());
    let player = Player::start();
    let config = |host| AudioConfig { host, device: None, block_frames: None };
    for _ in 0..3 {
        let frame = player.status.frame();
        wait_until("the sound to return", || player.status.frame() > frame + 24_000);
        let listener = thread::spawn(|| record(2));
        sleep(Duration::from_millis(800));
        player.output.configure(config(AudioHost::Null));
        wait_until("the null output to be used", || player.output.status().is_null());
        let sound = listener.join().unwrap();
        let start =
            sound.iter().position(|sample| sample.abs() > 0.1).expect("the recording should not be silent") + 48;
        let (sound, end) = sound[start..].split_at(sound.len() - start - 4800);
        assert!(end.iter().all(|sample| *sample == 0.0), "the output is still connected");
        // The steepest part of the sine rises by 0.021 a frame.
        let steepest = sound.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.025, "a step of {steepest}");
        player.output.configure(config(AudioHost::Jack));
        wait_until("JACK to be used again", || {
            player.output.status().is_connected() && !player.output.status().is_null()
        });
    }
    wait_until("the output to be connected", || player.output.status().is_connected());
    check_sine(&record(1));
    assert_eq!(player.status.losses().count(Loss::Devices), 0);
    player.stop();
}

/// A playback port of another program, like that of a sound card.
struct Playback;

#[expect(unsafe_code, reason = "required by the trait; the port's buffer is never read")]
unsafe impl jack::PortSpec for Playback {
    fn jack_port_type(&self) -> &'static str {
        "32 bit float mono audio"
    }

    fn jack_flags(&self) -> jack::PortFlags {
        jack::PortFlags::IS_INPUT | jack::PortFlags::IS_PHYSICAL
    }

    fn jack_buffer_size(&self) -> std::ffi::c_ulong {
        0
    }
}

/// Returns the connections of a port.
fn connections(port: &str) -> Vec<String> {
    let listed = Command::new("jack_lsp").args(["-c", port]).output().unwrap();
    let lines = String::from_utf8(listed.stdout).unwrap();
    lines.lines().filter_map(|line| line.strip_prefix("   ")).map(str::to_owned).collect()
}

#[test]
#[ignore = "run by every_scenario_passes"]
fn connects_to_the_named_device_or_lists_the_names() {
    let _server = JackServer::with_playback(&server_name(), 2);
    let (client, _) = jack::Client::new("USB card", jack::ClientOptions::NO_START_SERVER).unwrap();
    let _port = client.register_port("out", Playback).unwrap();
    let client = client.activate_async((), ()).unwrap();
    let config =
        |device: &str| AudioConfig { host: AudioHost::Jack, device: Some(device.to_owned()), block_frames: None };
    assert_eq!(find_output(&config("usb")).unwrap(), "JACK: USB card");
    for error in [find_output(&config("hdmi")).unwrap_err(), Player::open(&config("hdmi")).err().unwrap()] {
        let expected = "JACK: no output device name contains \"hdmi\"; available: system, USB card";
        assert!(error.to_string().contains(expected), "{error}");
    }
    let player = Player::open(&config("usb")).unwrap();
    assert_eq!(player.output.status().block_frames(), 1024);
    for port in ["melos-audio:left", "melos-audio:right"] {
        wait_until("the connection", || connections(port) == ["USB card:out"]);
    }
    player.stop();
    client.deactivate().unwrap();
}

#[test]
#[ignore = "run by every_scenario_passes"]
fn connects_to_any_number_of_ports_and_to_those_that_appear_later() {
    let expect_connections = |left: &str, right: &str| {
        wait_until(&format!("connections to {left} and {right}"), || {
            connections("melos-audio:left") == [left] && connections("melos-audio:right") == [right]
        });
    };
    let server = JackServer::with_playback(&server_name(), 6);
    let player = Player::start();
    expect_connections("system:playback_1", "system:playback_2");
    // The displayed name follows a change of the server's block size.
    assert!(Command::new("jack_bufsize").arg("512").status().unwrap().success());
    wait_until("the new block size", || player.output.status().name().ends_with(" 512 frames per block"));
    player.stop();
    drop(server);

    let server = JackServer::with_playback(&server_name(), 1);
    let player = Player::start();
    expect_connections("system:playback_1", "system:playback_1");
    let (client, _) = jack::Client::new("card", jack::ClientOptions::NO_START_SERVER).unwrap();
    let port = client.register_port("out", Playback).unwrap();
    let client = client.activate_async((), ()).unwrap();
    expect_connections("system:playback_1", "card:out");
    client.as_client().unregister_port(port).unwrap();
    expect_connections("system:playback_1", "system:playback_1");
    // Connections changed by a patchbay are left alone.
    let patched = Command::new("jack_disconnect").args(["melos-audio:left", "system:playback_1"]).status().unwrap();
    assert!(patched.success());
    sleep(Duration::from_millis(300));
    assert!(connections("melos-audio:left").is_empty());
    client.deactivate().unwrap();
    player.stop();
    drop(server);
}
