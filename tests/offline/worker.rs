//! The generator thread with the real engine: normal operation, stalls, failures and recovery, early and late splices.
//!
//! The tests drive the engine as fast as the thread delivers, so nothing depends on the machine's speed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use melos::engine::{Engine, EngineEnds, EngineStatus, ports};
use melos::event::health::Loss;
use melos::event::{EngineCommand, Hop, QueuedCommand};
use melos::generator::model::{Models, runtime};
use melos::generator::{AHEAD, GeneratedLatent, Generator, GeneratorError, HopSource, Networks, Worker, WorkerEvent};
use melos::music::emotion::{Emotion, Mood};
use melos::music::plan::Plan;
use melos::music::theory::{Chord, Voice};
use ringbuf::HeapProd;
use ringbuf::traits::Producer;

/// A generator that a gate can block or make panic.
struct Gated {
    inner: Generator,
    gate: Arc<Gate>,
}

/// Blocks the generator once it has used up the allowed passes. Every step passes the gate twice: before it generates
/// the latent, and before it returns the hops.
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

    /// Sets the number of passes allowed from now on; 0 closes the gate.
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
    fn replan(&mut self, plan: Arc<Plan>, planned: u64, splice: u64) {
        self.inner.replan(plan, planned, splice);
    }
    fn swap(&mut self, networks: Networks, splice: u64) {
        self.inner.swap(networks, splice);
    }
    fn resplice(&mut self, splice: u64) {
        self.inner.resplice(splice);
    }
    fn resume_at(&mut self, frame: u64) {
        self.inner.resume_at(frame);
    }
    fn recover(&mut self) {
        self.inner.recover();
    }
    fn save(&mut self, frame: u64, buffer: Vec<u8>) -> Vec<u8> {
        self.inner.save(frame, buffer)
    }
    fn step(&mut self, out: &mut Vec<Hop>) -> Result<GeneratedLatent, GeneratorError> {
        self.gate.pass();
        let generated = self.inner.step(out);
        self.gate.pass();
        assert!(!self.gate.panics.swap(false, SeqCst), "simulated failure");
        generated
    }
    fn covered(&self) -> u64 {
        self.inner.covered()
    }
    fn generated_to(&self) -> u64 {
        self.inner.generated_to()
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

/// An engine and a worker, connected as in the daemon.
struct Rig {
    engine: Engine,
    commands: HeapProd<QueuedCommand>,
    status: Arc<EngineStatus>,
    worker: Worker,
    gate: Arc<Gate>,
    output: Vec<f32>,
    events: Vec<WorkerEvent>,
}

impl Rig {
    fn new() -> Self {
        let (engine_ports, EngineEnds { hops, commands, .. }) = ports();
        let status = Arc::new(EngineStatus::default());
        let gate = Arc::new(Gate::open());
        let source = Gated { inner: generator(), gate: gate.clone() };
        let worker = Worker::start(source, hops, status.clone(), AHEAD).unwrap();
        worker.plan(plan(Emotion::Calm), None);
        let engine = Engine::new(engine_ports, status.clone());
        Self { engine, commands, status, worker, gate, output: Vec::new(), events: Vec::new() }
    }

    /// Renders `frames` frames, rounded down to whole blocks; with `wait`, waits for the worker before each block.
    fn play(&mut self, frames: usize, wait: bool) {
        for _ in 0..frames / 512 {
            if wait {
                self.wait_until(|rig| rig.worker.status().covered() > rig.status.frame() + 8192);
            }
            let mut block = [0.0; 1024];
            self.engine.render(&mut block);
            self.output.extend(block.chunks_exact(2).map(|frame| 0.5 * (frame[0] + frame[1])));
        }
        self.collect_events();
    }

    fn collect_events(&mut self) {
        self.events.extend(self.worker.events());
    }

    /// Waits until a condition holds, while the worker runs.
    fn wait_until(&mut self, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            self.collect_events();
            assert!(started.elapsed() < Duration::from_secs(30), "timed out: {:?}", self.events.last());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn splices(&self) -> Vec<(u64, Option<u64>)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                WorkerEvent::Spliced { planned, outcome } => {
                    Some((*planned, outcome.map(|splice| splice.audible_from)))
                }
                _ => None,
            })
            .collect()
    }
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

fn largest_step(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn a_stall_causes_no_click_or_sudden_silence_and_the_music_recovers() {
    let mut rig = Rig::new();
    rig.play(96_000, true);
    let steady = largest_step(&rig.output);
    rig.gate.allow(0);
    // A pad note every second, as the conductor would send.
    let start = 96_000 + AHEAD + 48_000;
    for (second, note) in (0..4).zip([57, 60, 64, 67]) {
        let frame = start + 48_000 * second;
        for command in [
            EngineCommand::NoteOn { voice: Voice::Pad, note, velocity: 0.8 },
            EngineCommand::NoteOff { voice: Voice::Pad, note },
        ] {
            let frame = if matches!(command, EngineCommand::NoteOff { .. }) { frame + 40_000 } else { frame };
            rig.commands.try_push(QueuedCommand { number: 0, frame, command }).unwrap();
        }
    }
    rig.play(5 * 48_000 + AHEAD as usize, false);
    assert!(rig.status.is_starved());
    let stalled = &rig.output[96_000 + AHEAD as usize + 9600..];
    assert!(peak(&stalled[..24_000]) > 0.1 * peak(&rig.output[..96_000]), "the last sound should be sustained");
    for (half, sound) in stalled.chunks_exact(24_000).enumerate() {
        assert!(peak(sound) > 0.01 * peak(&rig.output[..96_000]), "silence in half second {half}");
    }
    rig.gate.allow(u64::MAX);
    rig.wait_until(|rig| rig.worker.status().covered() > rig.status.frame() + 24_000);
    rig.play(48_000, true);
    assert!(!rig.status.is_starved());
    assert!(rig.events.iter().any(|event| matches!(event, WorkerEvent::Resumed { .. })));
    let tail = &rig.output[rig.output.len() - 24_000..];
    assert!(peak(tail) > 0.3 * peak(&rig.output[..96_000]), "the music should be back");
    let usual = steady.max(largest_step(tail));
    assert!(largest_step(&rig.output) <= 1.5 * usual, "{} against {usual}", largest_step(&rig.output));
}

#[test]
fn a_panic_in_the_network_is_reported_and_the_worker_recovers() {
    let mut rig = Rig::new();
    rig.play(48_000, true);
    rig.gate.panics.store(true, SeqCst);
    rig.play(96_000, true);
    let reasons: Vec<_> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            WorkerEvent::Failed { reason } => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("simulated failure"));
    assert_eq!(rig.status.losses().count(Loss::Latents), 1);
    assert_eq!(rig.status.losses().count(Loss::Starvations), 0);
    assert!(peak(&rig.output[120_000..]) > 0.3 * peak(&rig.output[..48_000]));
}

#[test]
fn live_and_offline_are_bit_identical() {
    let mut rig = Rig::new();
    rig.play(48_000, true);
    let mut requests = Vec::new();
    for emotion in [Emotion::Angry, Emotion::Sad, Emotion::Calm] {
        let splice = (rig.status.frame() + 4096).next_multiple_of(512);
        rig.worker.plan(plan(emotion), Some(splice));
        requests.push((splice, emotion));
        let count = requests.len();
        // The engine must not play past the splice before the new epoch is generated.
        rig.wait_until(|rig| rig.worker.status().epoch() as usize >= count);
        rig.play(24_064, true);
    }
    rig.wait_until(|rig| rig.splices().len() == 3);
    assert_eq!(rig.splices(), requests.iter().map(|(splice, _)| (*splice, Some(*splice))).collect::<Vec<_>>());

    let mut generator = generator();
    generator.follow(plan(Emotion::Calm));
    let (engine_ports, mut ends) = ports();
    let mut engine = Engine::new(engine_ports, Arc::default());
    let mut hops = Vec::new();
    let mut samples = Vec::new();
    let mut requests = requests.into_iter().peekable();
    while samples.len() < rig.output.len() {
        let frame = samples.len() as u64;
        if let Some((splice, emotion)) = requests.next_if(|(splice, _)| splice - 4096 <= frame) {
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
    let first = samples.iter().zip(&rig.output).position(|(offline, live)| offline != live);
    assert_eq!(first, None, "no sample should differ");
}

/// Returns a rig and the frame of a splice that is late: once the splice had been requested, the worker passed the gate
/// `passes` times and then hung until the engine had played past the splice.
fn late_splice(passes: u64) -> (Rig, u64) {
    let mut rig = Rig::new();
    rig.play(48_000, true);
    rig.wait_until(|rig| rig.worker.status().covered() > rig.status.frame() + AHEAD);
    let splice = (rig.status.frame() + 4096).next_multiple_of(512);
    let arrived = rig.gate.arrived.load(SeqCst);
    rig.gate.allow(passes);
    rig.worker.plan(plan(Emotion::Angry), Some(splice));
    rig.wait_until(|rig| rig.gate.arrived.load(SeqCst) > arrived + passes);
    rig.play(8192, false);
    rig.gate.allow(u64::MAX);
    (rig, splice)
}

/// Asserts that the splice is performed later, is reported and causes no click.
fn assert_moved(rig: &mut Rig, splice: u64) {
    while rig.splices().is_empty() {
        assert!(rig.output.len() < 20 * 48_000, "the splice was never performed");
        // Wait for an epoch that the engine has not rejected.
        rig.wait_until(|rig| rig.worker.status().epoch() > rig.status.rejected_epoch());
        rig.play(512, true);
        std::thread::sleep(Duration::from_millis(2));
    }
    rig.play(24_000, true);
    let (planned, performed) = rig.splices()[0];
    assert_eq!(planned, splice);
    let performed = performed.expect("the splice should be performed");
    assert!(performed > splice + 4096, "{performed}");
    assert_eq!(rig.status.losses().count(Loss::Splices), 1);
    assert_eq!(rig.status.accepted_epoch(), rig.worker.status().epoch());
    assert_eq!(rig.status.losses().count(Loss::Starvations), 0);
    let (before, after) = rig.output.split_at(splice as usize);
    let (around, settled) = after.split_at((performed - splice) as usize + 4096);
    let usual = largest_step(before).max(largest_step(settled));
    assert!(largest_step(around) <= 1.5 * usual, "{} against {usual}", largest_step(around));
}

#[test]
fn a_splice_that_is_not_ready_in_time_is_moved() {
    let (mut rig, splice) = late_splice(0);
    assert_moved(&mut rig, splice);
    assert_eq!(rig.status.rejected_epoch(), 0);
}

#[test]
fn a_splice_the_engine_rejects_is_moved() {
    // The second latent completes the first hops of the new epoch; the worker hangs before it returns them.
    let (mut rig, splice) = late_splice(3);
    rig.wait_until(|rig| rig.worker.status().epoch() == 1 && rig.worker.status().covered() > splice);
    rig.play(512, false);
    assert_eq!(rig.status.rejected_epoch(), 1);
    assert_moved(&mut rig, splice);
}

#[test]
fn a_superseded_splice_is_reported() {
    let mut rig = Rig::new();
    rig.play(48_000, true);
    rig.wait_until(|rig| rig.worker.status().covered() > rig.status.frame() + AHEAD);
    rig.gate.allow(0);
    // The worker takes requests only between latents, so they accumulate while it hangs at the gate.
    let arrived = rig.gate.arrived.load(SeqCst);
    rig.play(8192, false);
    rig.wait_until(|rig| rig.gate.arrived.load(SeqCst) > arrived);
    let splice = (rig.status.frame() + 8192).next_multiple_of(512);
    rig.worker.plan(plan(Emotion::Angry), Some(splice));
    rig.worker.plan(plan(Emotion::Sad), Some(splice + 5632));
    rig.gate.allow(u64::MAX);
    let sent = |rig: &Rig| rig.worker.status().epoch() == 1 && rig.worker.status().covered() > splice + 8192;
    rig.wait_until(sent);
    rig.play(512, true);
    rig.wait_until(|rig| rig.splices().len() == 2);
    assert_eq!(rig.splices(), [(splice, None), (splice + 5632, Some(splice + 5632))]);
}

#[test]
fn new_networks_take_over_while_playing() {
    let mut rig = Rig::new();
    rig.play(48_000, true);
    let mut models = Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap();
    models.vocoder = None;
    let start = rig.status.frame();
    rig.worker.swap(Networks::new(models).unwrap());
    // The engine must not play on before the new networks have generated the music from the swap on: how far it gets in the
    // meantime would depend on the machine, and with it where the networks take over, and what they play there.
    rig.wait_until(|rig| rig.worker.status().epoch() == 1 && rig.worker.status().covered() > start + AHEAD / 2);
    let swapped = |rig: &Rig| {
        rig.events.iter().find_map(|event| match event {
            WorkerEvent::Swapped { at } => Some(*at as usize),
            _ => None,
        })
    };
    assert_eq!(swapped(&rig), None, "the swap is complete only once the engine has accepted it");
    rig.play(512, false);
    rig.wait_until(|rig| swapped(rig).is_some());
    let at = swapped(&rig).unwrap();
    // Before the new networks would be heard, a plan can already be spliced in; they are then heard from there on.
    let splice = (rig.status.frame() + 8192).next_multiple_of(512);
    assert!((splice as usize) < at, "{splice} {at}");
    rig.worker.plan(plan(Emotion::Angry), Some(splice));
    rig.wait_until(|rig| rig.worker.status().epoch() == 2);
    rig.play(at + 96_000 - rig.output.len(), true);
    assert_eq!(rig.splices(), [(splice, Some(splice))]);
    assert_eq!((rig.status.losses().count(Loss::Starvations), rig.status.rejected_epoch()), (0, 0));
    // The music before and after may differ in loudness, but where it changes, no step is much larger than within the music.
    const NEAR: usize = 4800;
    let (from, to) = (splice as usize - NEAR, at + NEAR);
    let [before, after] = [&rig.output[..from], &rig.output[to..]];
    let (near, usual) = (largest_step(&rig.output[from..to]), largest_step(before).max(largest_step(after)));
    assert!(peak(after) > 0.0 && near <= 1.5 * usual, "{near} against {usual}");
}
