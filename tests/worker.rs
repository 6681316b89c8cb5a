//! The generator thread with the real engine: normal operation, stalls, failures and recovery, early and late splices.
//!
//! The test drives the engine as fast as the thread delivers, so nothing depends on the machine's speed.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use melos::engine::{Engine, EngineEnds, EngineStatus, ports};
use melos::event::health::Loss;
use melos::event::{EngineCommand, Hop, QueuedCommand};
use melos::generator::model::{Models, runtime};
use melos::generator::{AHEAD, Generator, GeneratorError, Heard, HopSource, Networks, Worker, WorkerEvent};
use melos::music::emotion::{Emotion, Mood};
use melos::music::plan::Plan;
use melos::music::theory::{Chord, Voice};
use ringbuf::HeapProd;
use ringbuf::traits::Producer;

/// A generator behind a gate that can be made to fail.
struct Gated {
    inner: Generator,
    gate: Arc<Gate>,
}

/// Every step passes it twice: before the latent is generated and before its hops are returned.
struct Gate {
    allowed: Mutex<u64>,
    changed: Condvar,
    panics: AtomicBool,
    arrived: AtomicU64,
}

impl Gate {
    fn open() -> Self {
        let (panics, arrived) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { allowed: Mutex::new(u64::MAX), changed: Condvar::new(), panics, arrived }
    }

    /// Lets a number of steps pass.
    fn allow(&self, count: u64) {
        *self.allowed.lock().unwrap() = count;
        self.changed.notify_all();
    }

    fn pass(&self) {
        self.arrived.fetch_add(1, SeqCst);
        let allowed = self.allowed.lock().unwrap();
        *self.changed.wait_while(allowed, |allowed| *allowed == 0).unwrap() -= 1;
    }
}

impl HopSource for Gated {
    fn follow(&mut self, plan: Arc<Plan>) {
        self.inner.follow(plan);
    }
    fn replan(&mut self, plan: Arc<Plan>, planned: u64, heard: u64) {
        self.inner.replan(plan, planned, heard);
    }
    fn swap(&mut self, networks: Networks, heard: u64) {
        self.inner.swap(networks, heard);
    }
    fn resplice(&mut self, heard: u64) {
        self.inner.resplice(heard);
    }
    fn resume_at(&mut self, frame: u64) {
        self.inner.resume_at(frame);
    }
    fn recover(&mut self) {
        self.inner.recover();
    }
    fn save(&mut self, frame: u64) -> Vec<u8> {
        self.inner.save(frame)
    }
    fn step(&mut self, out: &mut Vec<Hop>) -> Result<Heard, GeneratorError> {
        self.gate.pass();
        let heard = self.inner.step(out);
        self.gate.pass();
        assert!(!self.gate.panics.swap(false, SeqCst), "the network tripped");
        heard
    }
    fn covered(&self) -> u64 {
        self.inner.covered()
    }
    fn known(&self) -> u64 {
        self.inner.known()
    }
    fn epoch(&self) -> u32 {
        self.inner.epoch()
    }
}

fn generator() -> Generator {
    Generator::new(Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap()).unwrap()
}

fn plan(emotion: Emotion) -> Arc<Plan> {
    Arc::new(Plan::steady(7, Mood::pure(emotion), Chord::parse("Am").unwrap(), 90.0))
}

/// Engine and worker, as on stage.
struct Stage {
    engine: Engine,
    commands: HeapProd<QueuedCommand>,
    status: Arc<EngineStatus>,
    worker: Worker,
    gate: Arc<Gate>,
    heard: Vec<f32>,
    events: Vec<WorkerEvent>,
}

impl Stage {
    fn new() -> Self {
        let (engine_ports, EngineEnds { hops, commands, .. }) = ports();
        let status = Arc::new(EngineStatus::default());
        let gate = Arc::new(Gate::open());
        let source = Gated { inner: generator(), gate: gate.clone() };
        let worker = Worker::start(source, hops, status.clone(), AHEAD).unwrap();
        worker.plan(plan(Emotion::Calm), None);
        let engine = Engine::new(engine_ports, status.clone());
        Self { engine, commands, status, worker, gate, heard: Vec::new(), events: Vec::new() }
    }

    /// Plays whole blocks; with `wait`, waits for the worker before each one.
    fn play(&mut self, frames: usize, wait: bool) {
        for _ in 0..frames / 512 {
            if wait {
                self.until(|stage| stage.worker.status().covered() > stage.status.frame() + 8192);
            }
            let mut block = [0.0; 1024];
            self.engine.render(&mut block);
            self.heard.extend(block.chunks_exact(2).map(|frame| 0.5 * (frame[0] + frame[1])));
        }
        self.listen();
    }

    fn listen(&mut self) {
        self.events.extend(self.worker.events());
    }

    /// Waits for the other thread to satisfy a condition.
    fn until(&mut self, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            self.listen();
            assert!(started.elapsed() < Duration::from_secs(30), "timed out: {:?}", self.events.last());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn splices(&self) -> Vec<(u64, Option<u64>)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                WorkerEvent::Spliced { planned, performed } => Some((*planned, performed.map(|it| it.heard))),
                _ => None,
            })
            .collect()
    }
}

fn loudest(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |loudest, sample| loudest.max(sample.abs()))
}

fn steepest(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn a_stall_causes_no_click_or_sudden_silence_and_recovers() {
    let mut stage = Stage::new();
    stage.play(96_000, true);
    let steady = steepest(&stage.heard);
    stage.gate.allow(0);
    // A pad chord every second, as the conductor would send.
    let start = 96_000 + AHEAD + 48_000;
    for (second, note) in (0..4).zip([57, 60, 64, 67]) {
        let frame = start + 48_000 * second;
        for command in [
            EngineCommand::NoteOn { voice: Voice::Pad, note, velocity: 0.8 },
            EngineCommand::NoteOff { voice: Voice::Pad, note },
        ] {
            let frame = if matches!(command, EngineCommand::NoteOff { .. }) { frame + 40_000 } else { frame };
            stage.commands.try_push(QueuedCommand { number: 0, frame, command }).unwrap();
        }
    }
    stage.play(5 * 48_000 + AHEAD as usize, false);
    assert!(stage.status.starved());
    let stalled = &stage.heard[96_000 + AHEAD as usize + 9600..];
    assert!(loudest(&stalled[..24_000]) > 0.1 * loudest(&stage.heard[..96_000]), "the last sound should be sustained");
    for (half, sound) in stalled.chunks_exact(24_000).enumerate() {
        assert!(loudest(sound) > 0.01 * loudest(&stage.heard[..96_000]), "silence in half second {half}");
    }
    stage.gate.allow(u64::MAX);
    stage.until(|stage| stage.worker.status().covered() > stage.status.frame() + 24_000);
    stage.play(48_000, true);
    assert!(!stage.status.starved());
    assert!(stage.events.iter().any(|event| matches!(event, WorkerEvent::Resumed { .. })));
    let tail = &stage.heard[stage.heard.len() - 24_000..];
    assert!(loudest(tail) > 0.3 * loudest(&stage.heard[..96_000]), "the music should be back");
    let usual = steady.max(steepest(tail));
    assert!(steepest(&stage.heard) <= 1.5 * usual, "{} against {usual}", steepest(&stage.heard));
}

#[test]
fn a_panic_in_the_network_is_reported_and_the_worker_recovers() {
    let mut stage = Stage::new();
    stage.play(48_000, true);
    stage.gate.panics.store(true, SeqCst);
    stage.play(96_000, true);
    let reasons: Vec<_> = stage
        .events
        .iter()
        .filter_map(|event| match event {
            WorkerEvent::Failed { reason } => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("the network tripped"));
    assert_eq!(stage.status.losses().count(Loss::Latents), 1);
    assert_eq!(stage.status.losses().count(Loss::Starvations), 0);
    assert!(loudest(&stage.heard[120_000..]) > 0.3 * loudest(&stage.heard[..48_000]));
}

#[test]
fn live_and_offline_are_bit_identical() {
    let mut stage = Stage::new();
    stage.play(48_000, true);
    let mut orders = Vec::new();
    for emotion in [Emotion::Angry, Emotion::Sad, Emotion::Calm] {
        let splice = (stage.status.frame() + 4096).next_multiple_of(512);
        stage.worker.plan(plan(emotion), Some(splice));
        orders.push((splice, emotion));
        let count = orders.len();
        // The engine must continue for the splice to be settled, but not past it.
        stage.until(|stage| stage.worker.status().epoch() as usize >= count);
        stage.play(24_064, true);
    }
    stage.until(|stage| stage.splices().len() == 3);
    assert_eq!(stage.splices(), orders.iter().map(|(splice, _)| (*splice, Some(*splice))).collect::<Vec<_>>());

    let mut generator = generator();
    generator.follow(plan(Emotion::Calm));
    let (engine_ports, mut ends) = ports();
    let mut engine = Engine::new(engine_ports, Arc::default());
    let mut hops = Vec::new();
    let mut samples = Vec::new();
    let mut orders = orders.into_iter().peekable();
    while samples.len() < stage.heard.len() {
        let frame = samples.len() as u64;
        if let Some((splice, emotion)) = orders.next_if(|(splice, _)| splice - 4096 <= frame) {
            generator.replan(plan(emotion), splice, splice);
        }
        while generator.covered() < frame + 2048 {
            generator.step(&mut hops).unwrap();
        }
        for hop in hops.drain(..) {
            ends.hops.try_push(hop).unwrap();
        }
        let mut block = [0.0; 1024];
        engine.render(&mut block);
        samples.extend(block.chunks_exact(2).map(|frame| 0.5 * (frame[0] + frame[1])));
    }
    let first = samples.iter().zip(&stage.heard).position(|(offline, live)| offline != live);
    assert_eq!(first, None, "the first sample that differs");
}

/// Sets up a stage whose worker hangs with a splice in progress, after `passes` passes of the gate; the engine has played past it.
fn late_splice(passes: u64) -> (Stage, u64) {
    let mut stage = Stage::new();
    stage.play(48_000, true);
    stage.until(|stage| stage.worker.status().covered() > stage.status.frame() + AHEAD);
    let splice = (stage.status.frame() + 4096).next_multiple_of(512);
    let arrived = stage.gate.arrived.load(SeqCst);
    stage.gate.allow(passes);
    stage.worker.plan(plan(Emotion::Angry), Some(splice));
    stage.until(|stage| stage.gate.arrived.load(SeqCst) > arrived + passes);
    stage.play(8192, false);
    stage.gate.allow(u64::MAX);
    (stage, splice)
}

/// Asserts that the splice is performed later, is reported and causes no click.
fn assert_moved(stage: &mut Stage, splice: u64) {
    while stage.splices().is_empty() {
        assert!(stage.heard.len() < 20 * 48_000, "the splice was never performed");
        // An epoch that the engine has not rejected is in progress.
        stage.until(|stage| stage.worker.status().epoch() > stage.status.rejected_epoch());
        stage.play(512, true);
        std::thread::sleep(Duration::from_millis(2));
    }
    stage.play(24_000, true);
    let (planned, performed) = stage.splices()[0];
    assert_eq!(planned, splice);
    let performed = performed.expect("the splice was performed");
    assert!(performed > splice + 4096, "{performed}");
    assert_eq!(stage.status.losses().count(Loss::Splices), 1);
    assert_eq!(stage.status.accepted_epoch(), stage.worker.status().epoch());
    assert_eq!(stage.status.losses().count(Loss::Starvations), 0);
    let (before, after) = stage.heard.split_at(splice as usize);
    let (around, settled) = after.split_at((performed - splice) as usize + 4096);
    let usual = steepest(before).max(steepest(settled));
    assert!(steepest(around) <= 1.5 * usual, "{} against {usual}", steepest(around));
}

#[test]
fn a_splice_that_is_not_ready_in_time_is_moved() {
    let (mut stage, splice) = late_splice(0);
    assert_moved(&mut stage, splice);
    assert_eq!(stage.status.rejected_epoch(), 0);
}

#[test]
fn a_splice_the_engine_rejects_is_moved() {
    // The second latent contains the first hops of the new epoch; the worker hangs before returning them.
    let (mut stage, splice) = late_splice(3);
    stage.until(|stage| stage.worker.status().epoch() == 1 && stage.worker.status().covered() > splice);
    stage.play(512, false);
    assert_eq!(stage.status.rejected_epoch(), 1);
    assert_moved(&mut stage, splice);
}

#[test]
fn a_superseded_splice_is_reported() {
    let mut stage = Stage::new();
    stage.play(48_000, true);
    stage.until(|stage| stage.worker.status().covered() > stage.status.frame() + AHEAD);
    stage.gate.allow(0);
    // The worker takes messages only between latents, so they accumulate while it hangs in the gate.
    let arrived = stage.gate.arrived.load(SeqCst);
    stage.play(8192, false);
    stage.until(|stage| stage.gate.arrived.load(SeqCst) > arrived);
    let splice = (stage.status.frame() + 8192).next_multiple_of(512);
    stage.worker.plan(plan(Emotion::Angry), Some(splice));
    stage.worker.plan(plan(Emotion::Sad), Some(splice + 5632));
    stage.gate.allow(u64::MAX);
    let sent = |stage: &Stage| stage.worker.status().epoch() == 1 && stage.worker.status().covered() > splice + 8192;
    stage.until(sent);
    stage.play(512, true);
    stage.until(|stage| stage.splices().len() == 2);
    assert_eq!(stage.splices(), [(splice, None), (splice + 5632, Some(splice + 5632))]);
}

#[test]
fn new_networks_take_over_while_playing() {
    let mut stage = Stage::new();
    stage.play(48_000, true);
    let mut models = Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap();
    models.vocoder = None;
    stage.worker.swap(Networks::new(models).unwrap());
    let swapped = |stage: &Stage| {
        stage.events.iter().find_map(|event| match event {
            WorkerEvent::Swapped { at } => Some(*at),
            _ => None,
        })
    };
    // The engine must continue for the splice to be settled.
    while swapped(&stage).is_none() {
        assert!(stage.heard.len() < 20 * 48_000, "it never took over");
        stage.play(512, true);
        std::thread::sleep(Duration::from_millis(2));
    }
    let at = swapped(&stage).unwrap() as usize;
    // A plan sent meanwhile is spliced in after it.
    let splice = (stage.status.frame() + 8192).next_multiple_of(512);
    stage.worker.plan(plan(Emotion::Angry), Some(splice));
    stage.until(|stage| stage.worker.status().epoch() == 2);
    stage.play(at.saturating_sub(stage.heard.len()) + 96_000, true);
    assert_eq!(stage.splices(), [(splice, Some(splice))]);
    assert_eq!((stage.status.losses().count(Loss::Starvations), stage.status.rejected_epoch()), (0, 0));
    let (before, after) = stage.heard.split_at(at);
    assert!(
        loudest(after) > 0.0 && steepest(after) <= 2.0 * steepest(before),
        "{} {}",
        steepest(after),
        steepest(before)
    );
}
