//! The thread that keeps the sound going.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::home::Home;
use super::jack_client;
use super::pace::Pace;
use super::route::{AudioError, Fault, Route, Running, find, routes};
use super::status::OutputStatus;
use crate::engine::Engine;
use crate::event::health::Loss;
use crate::files::config::AudioConfig;

/// Between two attempts to get a lost device back.
const RETRY: Duration = Duration::from_millis(200);
/// Longest time between two looks at the stream.
const LOOK: Duration = Duration::from_millis(50);
/// A stream that has not asked for sound for so long is lost, whatever it says (some sound servers take two seconds'
/// worth at a time); its first time may take longer.
const QUIET: Duration = Duration::from_millis(2500);
const FIRST: Duration = Duration::from_millis(5000);
/// A stream that reported an error must ask for sound again within this time.
const DOUBT: Duration = Duration::from_millis(250);
/// How long a driver may take to give the engine back.
const PATIENCE: Duration = Duration::from_secs(5);
/// Frames per block without a device.
const BLOCK: u32 = 512;

/// The running output; dropping it stops the sound.
#[derive(Debug)]
pub struct Output {
    status: Arc<OutputStatus>,
    wanted: Arc<Wanted>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<Box<Engine>>>>,
}

impl Output {
    /// Opens the first way that works and starts to play; from then on losses are repaired without further ado.
    ///
    /// # Errors
    /// When none of the ways that `config` allows works; the engine is lost with it.
    pub fn open(config: &AudioConfig, engine: Engine) -> Result<Self, AudioError> {
        let (status, stop) =
            (Arc::new(OutputStatus::new(Arc::clone(engine.status().losses()))), Arc::new(AtomicBool::new(false)));
        let wanted = Arc::new(Wanted::new(config.clone()));
        let (answer, answered) = sync_channel(1);
        let supervisor = Supervisor {
            config: config.clone(),
            status: Arc::clone(&status),
            wanted: Arc::clone(&wanted),
            stop: Arc::clone(&stop),
            home: Home::new(),
        };
        let run = move || supervisor.run(Box::new(engine), &answer);
        let thread = thread::Builder::new().name("melos-audio".to_owned()).spawn(run).map_err(AudioError::Thread)?;
        match answered.recv() {
            Ok(Ok(())) => Ok(Self { status, wanted, stop, thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(AudioError::NoRoute(vec!["the audio thread ended".to_owned()])),
        }
    }

    /// What the output tells about itself.
    #[must_use]
    pub fn status(&self) -> &Arc<OutputStatus> {
        &self.status
    }

    /// Plays another way, begun within 50 ms; when none that the configuration names works, that is said, and the way it
    /// was played before is taken again. Does not wait.
    pub fn configure(&self, config: AudioConfig) {
        self.wanted.set(config);
    }

    /// Stops the sound and gives the engine back; `None` when a driver does not let go of it.
    #[must_use]
    pub fn close(mut self) -> Option<Box<Engine>> {
        self.stop()
    }

    fn stop(&mut self) -> Option<Box<Engine>> {
        self.stop.store(true, Relaxed);
        self.thread.take()?.join().ok().flatten()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The way it is played, and another one that was asked for until the supervisor takes it up.
#[derive(Debug)]
struct Wanted(Mutex<(AudioConfig, Option<AudioConfig>)>);

impl Wanted {
    fn new(present: AudioConfig) -> Self {
        Self(Mutex::new((present, None)))
    }

    /// Asks for a way; the one that is taken already needs nothing.
    fn set(&self, config: AudioConfig) {
        let mut ways = self.lock();
        ways.1 = (config != ways.0).then_some(config);
    }

    fn any(&self) -> bool {
        self.lock().1.is_some()
    }

    fn take(&self) -> Option<AudioConfig> {
        self.lock().1.take()
    }

    /// Notes the way that is taken now.
    fn took(&self, config: AudioConfig) {
        self.lock().0 = config;
    }

    fn lock(&self) -> MutexGuard<'_, (AudioConfig, Option<AudioConfig>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a stream is no longer watched.
enum End {
    /// Something else is asked for: the end, or another way to play.
    Asked,
    Lost(String),
}

/// A way that works.
struct Opened {
    route: Route,
    /// `None` for the null output.
    running: Option<Running>,
    /// Here when no driver has it.
    engine: Option<Box<Engine>>,
}

struct Supervisor {
    config: AudioConfig,
    status: Arc<OutputStatus>,
    wanted: Arc<Wanted>,
    stop: Arc<AtomicBool>,
    home: Home,
}

/// A failed attempt, and the engine if it came back from it.
type Failure = (AudioError, Option<Box<Engine>>);

impl Supervisor {
    fn run(mut self, engine: Box<Engine>, answer: &SyncSender<Result<(), AudioError>>) -> Option<Box<Engine>> {
        let (faults, faulty) = sync_channel(16);
        let Opened { mut route, mut running, mut engine } = match self.first(&self.config, true, engine, &faults) {
            Ok(opened) => opened,
            Err((error, _)) => {
                let _ = answer.send(Err(error));
                return None;
            }
        };
        let _ = answer.send(Ok(()));
        loop {
            if let Some(stream) = running.take() {
                // What failed attempts reported is not this stream's.
                while faulty.try_recv().is_ok() {}
                let end = self.watch(&stream, &faulty);
                self.status.connected.store(false, Relaxed);
                drop(stream);
                engine = self.home.wait(PATIENCE);
                if let End::Lost(reason) = end {
                    self.status.losses.add(Loss::Devices, 1);
                    warn!(reason, "audio device lost; the music goes on unheard until it is back");
                }
            }
            let Some(present) = engine.take() else {
                error!("the audio driver does not give the engine back; only a restart helps");
                self.status.failed.store(true, Relaxed);
                return None;
            };
            if self.stop.load(Relaxed) {
                return Some(present);
            }
            if let Some(config) = self.wanted.take() {
                match self.first(&config, route == Route::Null, present, &faults) {
                    Ok(opened) => {
                        (route, running, engine) = (opened.route, opened.running, opened.engine);
                        self.wanted.took(config.clone());
                        self.config = config;
                    }
                    Err((error, back)) => {
                        error!(%error, "the sound cannot be played the new way; it stays where it was");
                        engine = back;
                    }
                }
                continue;
            }
            if route == Route::Null {
                engine = Some(self.pace(present, None));
                continue;
            }
            let waiting = self.pace(present, Some(RETRY));
            match self.attempt(&route, self.config.block_frames, waiting, &faults) {
                Ok(opened) => running = opened,
                Err((error, back)) => {
                    debug!(%error, "audio device still lost");
                    engine = back;
                }
            }
        }
    }

    /// Tries the ways a configuration allows, in their order; `or_nothing` says whether the null output will do for want of
    /// a device.
    fn first(
        &self,
        config: &AudioConfig,
        or_nothing: bool,
        engine: Box<Engine>,
        faults: &SyncSender<Fault>,
    ) -> Result<Opened, Failure> {
        let mut tried = Vec::new();
        let mut engine = Some(engine);
        for route in routes(config.host, config.device.as_deref()) {
            if route == Route::Null {
                if !or_nothing && !tried.is_empty() {
                    break;
                }
                match tried.join("; ") {
                    reasons if reasons.is_empty() => info!("playing into nothing"),
                    reasons => warn!(reasons, "no sound device: playing into nothing"),
                }
                self.status.null.store(true, Relaxed);
                self.status.connected.store(true, Relaxed);
                self.status.set_name("no device: playing into nothing".to_owned());
                return Ok(Opened { route, running: None, engine });
            }
            let Some(present) = engine.take() else { break };
            match self.attempt(&route, config.block_frames, present, faults) {
                Ok(running) => return Ok(Opened { route, running, engine: None }),
                Err((error, back)) => {
                    tried.push(error.to_string());
                    engine = back;
                }
            }
        }
        Err((AudioError::NoRoute(tried), engine))
    }

    fn attempt(
        &self,
        route: &Route,
        block_frames: Option<u32>,
        engine: Box<Engine>,
        faults: &SyncSender<Fault>,
    ) -> Result<Option<Running>, Failure> {
        match route {
            Route::Null => Ok(None),
            Route::Jack => {
                let started = jack_client::start(self.home.send_out(engine), &self.status, faults);
                started.map(|running| Some(self.playing(running))).map_err(|error| (error, self.home.wait(PATIENCE)))
            }
            Route::Device { host, device } => {
                let opening = match find(*host, device.as_deref()) {
                    Ok(opening) => opening,
                    Err(error) => return Err((error, Some(engine))),
                };
                let [first, second] = opening.blocks(block_frames);
                let start = |block, engine| {
                    let started = opening.start(block, self.home.send_out(engine), &self.status, faults.clone());
                    started
                        .map(|running| Some(self.playing(running)))
                        .map_err(|error| (error, self.home.wait(PATIENCE)))
                };
                start(first, engine).or_else(|(error, engine)| match engine {
                    Some(engine) => start(second, engine),
                    None => Err((error, None)),
                })
            }
        }
    }

    fn playing(&self, running: Running) -> Running {
        info!(output = running.name, "playing");
        self.status.set_name(running.name.clone());
        self.status.null.store(false, Relaxed);
        self.status.connected.store(true, Relaxed);
        running
    }

    /// Plays into nothing for a while, or until something else is asked for.
    fn pace(&self, mut engine: Box<Engine>, time: Option<Duration>) -> Box<Engine> {
        let begun = Instant::now();
        let mut pace = Pace::new(self.config.block_frames.unwrap_or(BLOCK));
        while !self.asked() && time.is_none_or(|time| begun.elapsed() < time) {
            pace.play(&mut engine, &self.status);
        }
        engine
    }

    fn asked(&self) -> bool {
        self.stop.load(Relaxed) || self.wanted.any()
    }

    /// Watches a stream until it is lost or something else is asked for.
    fn watch(&self, stream: &Running, faults: &Receiver<Fault>) -> End {
        let mut seen = self.status.callbacks();
        let (mut changed, mut patience) = (Instant::now(), FIRST);
        let mut doubt: Option<(Instant, String)> = None;
        loop {
            let fault = faults.recv_timeout(LOOK);
            if self.asked() {
                return End::Asked;
            }
            if stream.lost.load(Relaxed) {
                return End::Lost("the server is gone".to_owned());
            }
            let callbacks = self.status.callbacks();
            if callbacks != seen {
                (seen, changed, patience, doubt) = (callbacks, Instant::now(), QUIET, None);
            }
            match fault {
                Ok(Fault::Lost(reason)) => return End::Lost(reason),
                Ok(Fault::Doubtful(reason)) => {
                    debug!(reason, "audio driver");
                    doubt.get_or_insert((Instant::now(), reason));
                }
                Ok(Fault::Notice(text)) => info!(text, "audio driver"),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if let Some((since, reason)) = &doubt
                && since.elapsed() > DOUBT
            {
                return End::Lost(reason.clone());
            }
            if changed.elapsed() > patience {
                return End::Lost(format!("no sound was asked for in {} ms", patience.as_millis()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports;
    use crate::files::config::AudioHost;

    #[test]
    fn the_null_output_keeps_time_and_gives_the_engine_back() {
        let (ports, _ends) = ports();
        let config = AudioConfig { host: AudioHost::Null, device: None, block_frames: Some(256) };
        let begun = Instant::now();
        let output = Output::open(&config, Engine::new(ports, Arc::default())).unwrap();
        while output.status().callbacks() < 40 {
            thread::sleep(Duration::from_millis(2));
        }
        // Forty blocks may take longer on a busy machine but never less.
        assert!(begun.elapsed() >= Duration::from_secs_f64(39.0 * 256.0 / 48_000.0));
        assert!(output.status().connected());
        assert_eq!(output.status().block_frames(), 256);
        let engine = output.close().unwrap();
        assert!(engine.status().frame() >= 40 * 256);
    }

    #[test]
    fn another_way_is_taken_up_and_one_that_does_not_work_is_left() {
        let (ports, _ends) = ports();
        let config = |host, block| AudioConfig { host, device: None, block_frames: Some(block) };
        let output = Output::open(&config(AudioHost::Null, 256), Engine::new(ports, Arc::default())).unwrap();
        let until = |what: &str, reached: &dyn Fn() -> bool| {
            let begun = Instant::now();
            while !reached() {
                assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
                thread::sleep(Duration::from_millis(2));
            }
        };
        let status = output.status();
        until("256 frames", &|| status.block_frames() == 256);
        output.configure(config(AudioHost::Null, 1024));
        until("1024 frames", &|| status.block_frames() == 1024);
        output.configure(AudioConfig { device: Some("no such device".to_owned()), ..config(AudioHost::Alsa, 64) });
        until("the other way is tried", &|| !output.wanted.any());
        let before = status.callbacks();
        until("the sound goes on as before", &|| status.callbacks() > before + 20);
        assert_eq!(status.block_frames(), 1024);
        assert!(status.connected() && status.is_null());
        output.configure(config(AudioHost::Null, 1024));
        assert!(!output.wanted.any(), "it is played that way already");
        assert!(output.close().is_some());
    }
}
