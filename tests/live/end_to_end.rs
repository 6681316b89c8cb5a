//! The whole instrument: the shipped networks on a real JACK server, steered and recorded by third-party programs.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use melos::music::theory::{Key, Mode};
use realfft::RealFftPlanner;

use crate::support::client::python;
use crate::support::daemon::{Daemon, SERVER};
use crate::support::jack_server::JackServer;
use crate::support::recording::{channels, record};

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

/// Returns the length of the longest run of identical samples; a long one is silence or a stuck stream.
fn longest_constant_run(samples: &[f32]) -> usize {
    samples.chunk_by(|a, b| a == b).map(<[f32]>::len).max().unwrap_or(0)
}

/// Counts the fifths of a second that contain a click: a sample whose second difference is far above that of the music.
fn clicks(samples: &[f32]) -> usize {
    let differences: Vec<f32> = samples.windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).collect();
    differences
        .chunks(9600)
        .map(|chunk| {
            let mut sorted = chunk.to_vec();
            sorted.sort_by(f32::total_cmp);
            // A click affects only a few samples; the 99th percentile is music.
            let usual = sorted[sorted.len() - sorted.len() / 100 - 1].max(1e-3);
            usize::from(sorted[sorted.len() - 1] > 20.0 * usual)
        })
        .sum()
}

/// Returns the share of the energy between 100 Hz and 2 kHz that falls on a key's pitch classes. The windows are long
/// enough to resolve semitones at those frequencies.
fn share_in_key(samples: &[f32], key: Key) -> f32 {
    const WINDOW: usize = 32_768;
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
    let mut chroma = [0.0f32; 12];
    for window in samples.windows(WINDOW).step_by(WINDOW / 2) {
        let hann = |n: usize| 0.5 - 0.5 * (n as f32 / WINDOW as f32 * std::f32::consts::TAU).cos();
        let mut input: Vec<f32> = window.iter().enumerate().map(|(n, x)| x * hann(n)).collect();
        let mut spectrum = fft.make_output_vec();
        fft.process(&mut input, &mut spectrum).unwrap();
        for (bin, value) in spectrum.iter().enumerate() {
            let hertz = bin as f32 * 48_000.0 / WINDOW as f32;
            if (100.0..2000.0).contains(&hertz) {
                let note = 69.0 + 12.0 * (hertz / 440.0).log2();
                chroma[note.round() as usize % 12] += value.norm_sqr();
            }
        }
    }
    let inside: f32 = (0..12u8).filter(|pitch| key.contains(*pitch)).map(|pitch| chroma[usize::from(pitch)]).sum();
    inside / chroma.iter().sum::<f32>()
}

/// Asserts that neither channel has gaps or clicks.
fn assert_uninterrupted(sound: &[Vec<f32>; 2]) {
    for channel in sound {
        assert!(longest_constant_run(channel) < 480, "a gap of {} identical samples", longest_constant_run(channel));
        assert_eq!(clicks(channel), 0, "the music should not click");
    }
}

/// Mixes to mono.
fn mono([left, right]: &[Vec<f32>; 2]) -> Vec<f32> {
    left.iter().zip(right).map(|(left, right)| 0.5 * (left + right)).collect()
}

/// Only one test at a time may use the JACK server.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn the_instrument_plays_and_responds() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let _server = JackServer::start(SERVER, 512);
    let daemon = Daemon::start(folder.path(), &["--audio", "jack", "--preset", "calm", "--key", "D", "--seed", "5"]);
    let listen = |name: &str, seconds: u32| {
        let path = folder.path().join(name);
        assert!(record(&path, seconds).wait().unwrap().success());
        let sound = channels(&path);
        assert!(sound[0].len() >= (seconds as usize - 1) * 48_000, "{} frames were recorded", sound[0].len());
        sound
    };
    daemon.oscsend(&["/melos/mode", "s", "major"]);
    daemon.oscsend(&["/melos/level/pad", "f", "-6"]);

    // The network and the harmony are in key, each on its own.
    for (name, muted) in [("network.wav", "/melos/mute/harmony"), ("harmony.wav", "/melos/mute/network")] {
        daemon.oscsend(&[muted, "i", "1"]);
        let sound = listen(name, 16);
        daemon.oscsend(&[muted, "i", "0"]);
        // Skip the tail of the other layer.
        let sound = &mono(&sound)[48_000..];
        assert!(rms(sound) > 0.001, "{name} is inaudible: {}", rms(sound));
        let inside = share_in_key(sound, Key { tonic: 2, mode: Mode::Major });
        let outside = share_in_key(sound, Key { tonic: 8, mode: Mode::Major });
        println!("{name} in D major: {inside}, in A flat major: {outside}");
        assert!(inside > 0.85 && inside > outside + 0.5, "{name} in D major: {inside}, in A flat major: {outside}");
    }

    // One recording covers two mood changes: one over OSC, one by a MIDI program change.
    let mut controller = python("tests/clients/jack_midi_desk.py", &[])
        .env("JACK_DEFAULT_SERVER", SERVER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut connected = String::new();
    BufReader::new(controller.stdout.take().unwrap()).read_line(&mut connected).unwrap();
    assert_eq!(connected.trim(), "connected");
    daemon.oscsend(&["/melos/glide", "f", "0"]);
    let path = folder.path().join("changes.wav");
    let mut recorder = record(&path, 20);
    sleep(Duration::from_secs(6));
    daemon.oscsend(&["/melos/emotion", "s", "angry"]);
    let status = daemon.wait_until("the mood is angry", |status| status["parameters"]["emotion"] == "angry");
    assert_eq!(status["parameters"]["emotion/angry"], 1.0);
    sleep(Duration::from_secs(6));
    // Select program 8 of the keyboard mapping, then move its volume knob from the top, where the knob matches the
    // level, to the middle.
    writeln!(controller.stdin.as_ref().unwrap(), "c007\nb0077f\nb00740").unwrap();
    daemon.wait_until("the preset is mysterious", |status| status["parameters"]["preset"] == "mysterious");
    assert!(recorder.wait().unwrap().success());
    let _ = controller.kill();
    let _ = controller.wait();
    let sound = channels(&path);
    assert_uninterrupted(&sound);
    let (mixed, left) = (mono(&sound), &sound[0]);
    let (calm, angry) = (&left[48_000..4 * 48_000], &left[8 * 48_000..11 * 48_000]);
    let last = &left[left.len() - 3 * 48_000..];
    assert!(rms(calm) > 0.003, "calm is inaudible: {}", rms(calm));
    assert!(rms(angry) > 1.5 * rms(calm), "angry should be louder than calm: {} and {}", rms(angry), rms(calm));
    // In its middle position, the knob sets a level 12 dB below that of the top.
    assert!(rms(last) < 0.5 * rms(angry), "the volume knob should lower the level: {} and {}", rms(last), rms(angry));
    assert!(rms(&mixed) > 0.6 * rms(left), "the channels cancel in mono: {} of {}", rms(&mixed), rms(left));

    // SIGTERM fades the music out.
    let end = folder.path().join("end.wav");
    let mut recorder = record(&end, 5);
    sleep(Duration::from_secs(1));
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    assert!(log.contains("fading out"), "{log}");
    assert!(recorder.wait().unwrap().success());
    for end in channels(&end) {
        let last = end.iter().rposition(|sample| *sample != 0.0).expect("the recording should not be silent");
        let tail = &end[..=last];
        assert!(rms(&tail[tail.len().saturating_sub(2400)..]) < 0.01, "the output should fade out before it stops");
        assert_eq!(clicks(tail), 0, "the fade-out should not click");
    }
}

#[test]
fn no_setting_is_lost_when_the_server_dies() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let mut server = JackServer::start(SERVER, 512);
    let daemon = Daemon::start(folder.path(), &["--audio", "jack", "--emotion", "romantic=0.75,sad=0.25"]);
    for message in [["/melos/reverb", "f", "0.625"], ["/melos/chord", "s", "Dm7"], ["/melos/temperature", "f", "0.5"]] {
        daemon.oscsend(&message);
    }
    let before = daemon
        .wait_until("Melos plays", |status| status["state"] == "playing" && status["parameters"]["temperature"] == 0.5);
    server.kill();
    let lost = daemon.wait_until("the loss is reported", |status| status["state"] == "no-device");
    daemon.oscsend(&["/melos/valence", "f", "-0.25"]);
    daemon.wait_until("the clock continues without a device", |status| {
        status["seconds"].as_f64() > lost["seconds"].as_f64().map(|seconds| seconds + 1.0)
            && status["parameters"]["valence"] == -0.25
    });
    drop(server);
    // Avoid `start`, which may first start a real-time server and stop it again.
    let _server = JackServer::start_synchronous(SERVER);
    let started = Instant::now();
    let after = daemon.wait_until("Melos plays again", |status| status["state"] == "playing");
    println!("playing again {:?} after the server started", started.elapsed());
    assert_eq!(after["losses"]["device_losses"], 1);
    // Valence changes the mood, and the tempo follows.
    let moved = |id: &str| ["valence", "arousal", "tempo"].contains(&id) || id.starts_with("emotion");
    for (id, value) in before["parameters"].as_object().unwrap().iter().filter(|(id, _)| !moved(id)) {
        assert_eq!(after["parameters"][id], *value, "{id}");
    }
    assert_eq!(after["parameters"]["valence"], -0.25, "changes made in the meantime should take effect");
    let path = folder.path().join("after.wav");
    assert!(record(&path, 5).wait().unwrap().success());
    let sound = channels(&path);
    assert!(rms(&sound[0]) > 0.003, "inaudible after the restart: {}", rms(&sound[0]));
    assert_uninterrupted(&sound);
}
