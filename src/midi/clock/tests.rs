use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::*;

/// A simulated clock with uniform jitter of ± `jitter` seconds.
struct Clock {
    follower: ClockFollower,
    start: Instant,
    seconds: f64,
    jitter: f64,
    random: ChaCha8Rng,
    /// Each reported beat, and the error of its time in seconds.
    beats: Vec<(u64, f64)>,
    tempo: f64,
    reports: usize,
}

impl Clock {
    fn new(jitter: f64) -> Self {
        // Late enough that jitter can be subtracted.
        let start = Instant::now() + Duration::from_secs(10);
        let random = ChaCha8Rng::seed_from_u64(3);
        Self {
            follower: ClockFollower::default(),
            start,
            seconds: 0.0,
            jitter,
            random,
            beats: vec![],
            tempo: 0.0,
            reports: 0,
        }
    }

    fn send(&mut self, message: Message) {
        let random = f64::from(self.random.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0;
        let mut out = Vec::new();
        self.follower.process(message, shifted(self.start, self.seconds + random * self.jitter), &mut out);
        for event in out {
            match event {
                ClockEvent::Tempo(tempo) => {
                    self.tempo = tempo;
                    self.reports += 1;
                }
                ClockEvent::Beat { beat, at } => {
                    self.beats.push((beat, seconds_between(self.start, at) - self.seconds))
                }
            }
        }
    }

    /// Sends the ticks of `beats` beats at `tempo` bpm and records the error of each beat in seconds.
    fn run(&mut self, tempo: f64, beats: u32) {
        for _ in 0..beats * TICKS_PER_BEAT as u32 {
            self.send(Message::Clock);
            self.seconds += 60.0 / tempo / TICKS_PER_BEAT as f64;
        }
    }

    fn worst_error_ms(&self, from_beat: usize) -> f64 {
        self.beats[from_beat..].iter().map(|(_, error)| error.abs() * 1e3).fold(0.0, f64::max)
    }
}

#[test]
fn filters_jitter() {
    let mut clock = Clock::new(0.004);
    clock.send(Message::Start);
    clock.run(120.0, 32);
    assert!((clock.tempo - 120.0).abs() < 0.8, "{}", clock.tempo);
    assert!(clock.beats.iter().map(|(beat, _)| *beat).eq(0..32));
    assert!(clock.worst_error_ms(4) < 3.0, "{} ms", clock.worst_error_ms(4));
}

#[test]
fn reports_a_steady_tempo_once() {
    let mut clock = Clock::new(0.0);
    clock.run(97.0, 16);
    assert!((clock.tempo - 97.0).abs() < 1e-3, "{}", clock.tempo);
    assert_eq!(clock.reports, 1);
    assert!(clock.beats.is_empty(), "without a start message, no beats should be reported");
}

#[test]
fn follows_a_tempo_jump_within_two_bars() {
    for (from, to) in [(80.0, 140.0), (140.0, 80.0), (120.0, 124.0)] {
        let mut clock = Clock::new(0.001);
        clock.send(Message::Start);
        clock.run(from, 16);
        clock.run(to, 8);
        assert!((clock.tempo / to - 1.0).abs() < 0.01, "{from} to {to}: {}", clock.tempo);
        clock.run(to, 16);
        assert!(clock.worst_error_ms(24) < 3.0, "{from} to {to}: {} ms", clock.worst_error_ms(24));
    }
}

#[test]
fn keeps_tempo_and_position_during_a_dropout() {
    let mut clock = Clock::new(0.001);
    clock.send(Message::Start);
    clock.run(120.0, 8);
    let (tempo, reports) = (clock.tempo, clock.reports);
    clock.seconds += 5.0;
    assert_eq!(clock.reports, reports);
    clock.run(120.0, 8);
    assert!((clock.tempo / tempo - 1.0).abs() < 0.02, "{} {tempo}", clock.tempo);
    assert!(clock.beats.iter().map(|(beat, _)| *beat).eq(0..16));
}

#[test]
fn follows_stop_continue_and_song_position() {
    let mut clock = Clock::new(0.0);
    clock.send(Message::Start);
    clock.run(120.0, 2);
    clock.send(Message::Stop);
    clock.run(120.0, 2);
    clock.send(Message::Continue);
    clock.run(120.0, 1);
    clock.send(Message::Stop);
    clock.send(Message::SongPosition(16 * 4));
    clock.send(Message::Continue);
    clock.run(120.0, 2);
    assert!(clock.beats.iter().map(|(beat, _)| *beat).eq([0, 1, 2, 16, 17]), "{:?}", clock.beats);
}
