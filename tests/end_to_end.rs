//! The whole instrument: the shipped networks on a real JACK server, steered by other people's programs, heard by one.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/jack_server.rs"]
mod jack_server;
#[path = "support/recording.rs"]
mod recording;

use std::thread::sleep;
use std::time::Duration;

use daemon::{Daemon, SERVER};
use jack_server::JackServer;
use melos::theory::{Key, Mode};
use realfft::RealFftPlanner;
use recording::{left, record};

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

/// Longest run of samples that are exactly alike: silence, or a stuck stream.
fn longest_standstill(samples: &[f32]) -> usize {
    samples.chunk_by(|a, b| a == b).map(<[f32]>::len).max().unwrap_or(0)
}

/// Clicks: samples whose second difference is far above what the music around them has.
fn clicks(samples: &[f32]) -> usize {
    let second: Vec<f32> = samples.windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).collect();
    second
        .chunks(9600)
        .map(|chunk| {
            let mut sorted = chunk.to_vec();
            sorted.sort_by(f32::total_cmp);
            // A click is a single sample: the next largest ones are music.
            let usual = sorted[sorted.len() - sorted.len() / 100 - 1].max(1e-3);
            usize::from(sorted[sorted.len() - 1] > 20.0 * usual)
        })
        .sum()
}

/// Share of the sound from 100 Hz to 2 kHz that belongs to a key's pitch classes; windows are long enough to tell
/// semitones apart down there.
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
                chroma[note.round() as usize % 12] += value.norm();
            }
        }
    }
    let inside: f32 = (0..12u8).filter(|pitch| key.contains(*pitch)).map(|pitch| chroma[usize::from(pitch)]).sum();
    inside / chroma.iter().sum::<f32>()
}

#[test]
fn the_instrument_plays_and_follows() {
    let folder = tempfile::tempdir().unwrap();
    let _server = JackServer::start(SERVER, 512);
    let daemon = Daemon::start(folder.path(), &["--audio", "jack", "--preset", "calm", "--key", "D", "--seed", "5"]);
    daemon.oscsend(&["/melos/mode", "s", "major"]);
    daemon.oscsend(&["/melos/level/pad", "f", "-6"]);

    let calm = folder.path().join("calm.wav");
    assert!(record(&calm, 10).wait().unwrap().success());
    let calm = left(&calm);
    assert!(calm.len() >= 9 * 48_000, "{} frames were recorded", calm.len());
    assert!(rms(&calm) > 0.003, "calm music is heard: {}", rms(&calm));
    assert!(longest_standstill(&calm) < 480, "no gap: {} equal samples", longest_standstill(&calm));
    assert_eq!(clicks(&calm), 0, "no click");
    let inside = share_in_key(&calm, Key { tonic: 2, mode: Mode::Major });
    let outside = share_in_key(&calm, Key { tonic: 8, mode: Mode::Major });
    assert!(inside > 0.75 && inside > outside + 0.25, "in D major: {inside} of the sound, in A flat major {outside}");

    // The mood changes by OSC, the tempo by a program that speaks JACK MIDI.
    daemon.oscsend(&["/melos/glide", "f", "0"]);
    daemon.oscsend(&["/melos/emotion", "s", "angry"]);
    let status = daemon.wait_until("angry", |status| status["parameters"]["emotion"] == "angry");
    assert_eq!(status["parameters"]["emotion/angry"], 1.0);
    let angry = folder.path().join("angry.wav");
    assert!(record(&angry, 8).wait().unwrap().success());
    let angry = left(&angry);
    assert!(rms(&angry) > 1.5 * rms(&calm), "anger is louder: {} after {}", rms(&angry), rms(&calm));
    assert!(longest_standstill(&angry) < 480, "no gap: {} equal samples", longest_standstill(&angry));
    assert_eq!(clicks(&angry), 0, "no click");

    // SIGTERM fades out.
    let end = folder.path().join("end.wav");
    let mut recorder = record(&end, 5);
    sleep(Duration::from_secs(1));
    let (status, said) = daemon.terminate();
    assert!(status.success(), "{said}");
    assert!(said.contains("fading out"), "{said}");
    assert!(recorder.wait().unwrap().success());
    let end = left(&end);
    let last = end.iter().rposition(|sample| *sample != 0.0).expect("something was heard");
    let tail = &end[..=last];
    assert!(rms(&tail[tail.len().saturating_sub(2400)..]) < 0.01, "it fades before it stops");
    assert_eq!(clicks(tail), 0, "and does not click");
}
