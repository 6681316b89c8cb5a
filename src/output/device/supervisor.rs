//! The thread that keeps the audio running. Nothing it calls may hang: streams have their own threads.

mod playing;
mod recovery;
mod search;
mod wanted;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::paced_driver::PacedDriver;
use super::route::{AudioError, Route};
use super::status::OutputStatus;
use super::stream_thread::{StreamThread, Threads};
use crate::engine::Engine;
use crate::event::health::Loss;
use crate::files::config::AudioConfig;
use crate::threads;

use playing::{Condition, Playing};
use recovery::{CLOSE_TIMEOUT, Recovery};
use search::{Found, Search};
use wanted::Wanted;

/// Maximum interval between checks of the stream.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Frames per block without a device.
const BLOCK: u32 = 512;
/// Name of the output when there is none.
const NO_DEVICE: &str = "no device (null output)";

/// The running output; dropping it stops the audio.
#[derive(Debug)]
pub struct Output {
    status: Arc<OutputStatus>,
    wanted: Arc<Wanted>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<Box<Engine>>>>,
}

impl Output {
    /// Opens the first route that works and starts playing; reconnects automatically after a loss.
    ///
    /// # Errors
    /// When none of the routes in `config` works; the engine is lost with it.
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
            threads: Threads::default(),
            sound: Sound::Engine(Box::new(engine), None),
            paced: None,
            search: None,
            recovery: Recovery::new(),
        };
        let run = move || supervisor.run(&answer);
        let thread = threads::spawn("melos-audio", run).map_err(AudioError::Thread)?;
        match answered.recv() {
            Ok(Ok(())) => Ok(Self { status, wanted, stop, thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(AudioError::NoRoute(vec!["the audio thread has ended".to_owned()])),
        }
    }

    /// The output's status.
    #[must_use]
    pub fn status(&self) -> &Arc<OutputStatus> {
        &self.status
    }

    /// Switches to another route, within half a second unless it takes longer to open; if none in the configuration
    /// works, logs that and returns to the current route. Does not block.
    pub fn configure(&self, config: AudioConfig) {
        self.wanted.set(config);
    }

    /// Stops the audio and returns the engine; `None` if a driver does not release it.
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

/// Where the engine is.
enum Sound {
    /// With the supervisor, which plays it silently; and the stalled stream, if any, that may recover.
    Engine(Box<Engine>, Option<Playing>),
    /// In a stream.
    Stream(Playing),
    /// Lost with a driver that hung or crashed.
    Lost,
}

struct Supervisor {
    config: AudioConfig,
    status: Arc<OutputStatus>,
    wanted: Arc<Wanted>,
    stop: Arc<AtomicBool>,
    threads: Threads,
    sound: Sound,
    /// Paces the engine while it plays silently.
    paced: Option<PacedDriver>,
    search: Option<Search>,
    recovery: Recovery,
}

impl Supervisor {
    fn run(mut self, answer: &SyncSender<Result<(), AudioError>>) -> Option<Box<Engine>> {
        self.search = Some(Search::new(&self.config, true, None));
        // The first audio must not be played silently, so the engine waits for the first result.
        let error = loop {
            match self.continue_search() {
                None if self.stop.load(Relaxed) => break Some(AudioError::Hung),
                None => thread::sleep(POLL_INTERVAL / 4),
                Some(outcome) => break outcome.err(),
            }
        };
        if let Some(error) = error {
            let _ = answer.send(Err(error));
            return None;
        }
        let _ = answer.send(Ok(()));
        loop {
            if self.stop.load(Relaxed) {
                return self.leave();
            }
            if let Some(config) = self.wanted.take() {
                self.change(config);
            }
            self.watch();
            self.search_for_route();
            match &mut self.sound {
                Sound::Engine(engine, _) => {
                    let block = self.config.block_frames.unwrap_or(BLOCK);
                    self.paced.get_or_insert_with(|| PacedDriver::new(block)).play(engine, &self.status);
                }
                Sound::Stream(_) => {
                    self.paced = None;
                    thread::sleep(POLL_INTERVAL);
                }
                Sound::Lost => {
                    error!("the audio driver hangs and holds the engine; restart Melos");
                    self.status.failed.store(true, Relaxed);
                    return None;
                }
            }
        }
    }

    /// Starts another search when due, and continues the current one.
    fn search_for_route(&mut self) {
        if self.search.is_none() && matches!(self.sound, Sound::Engine(_, None)) {
            self.search = self.recovery.due(&self.config);
        }
        let changing = self.search.as_ref().and_then(|search| search.config.clone());
        match self.continue_search() {
            None => {}
            Some(Ok(())) => {
                if let Some(config) = changing {
                    self.wanted.applied(config.clone());
                    self.config = config;
                    self.paced = None;
                }
            }
            Some(Err(error)) => match changing {
                Some(_) => error!(%error, "cannot open the new output; keeping the current one"),
                None => debug!(%error, "still no audio device"),
            },
        }
    }

    /// Continues the search, if any; returns its result once it has ended.
    fn continue_search(&mut self) -> Option<Result<(), AudioError>> {
        if self.recovery.is_closing() {
            return None;
        }
        let search = self.search.take()?;
        let block = search.config.as_ref().unwrap_or(&self.config).block_frames;
        match search.step(block, &self.status, &self.threads) {
            Found::Nothing(search) => {
                self.search = Some(search);
                None
            }
            Found::Stream { route, stream, name } => {
                self.play(route, stream, name);
                Some(Ok(()))
            }
            Found::Null { tried } => {
                self.play_to_null_output(&tried);
                Some(Ok(()))
            }
            Found::NoRoute { is_whole, error } => {
                self.recovery.failed(is_whole);
                Some(Err(error))
            }
        }
    }

    /// Gives the engine to a stream.
    fn play(&mut self, route: Route, stream: StreamThread, name: String) {
        let Sound::Engine(engine, _) = std::mem::replace(&mut self.sound, Sound::Lost) else { return };
        info!(output = name, "playing");
        self.status.set_name(name);
        self.status.null.store(false, Relaxed);
        self.status.connected.store(true, Relaxed);
        let mut playing = Playing::new(route, stream);
        playing.give_engine(engine);
        self.sound = Sound::Stream(playing);
    }

    /// Continues without a device.
    fn play_to_null_output(&mut self, tried: &[String]) {
        let by_choice = tried.is_empty();
        match tried.join("; ") {
            _ if by_choice => info!("playing to the null output"),
            reasons => warn!(reasons, "no audio device available; playing to the null output until there is one"),
        }
        self.status.null.store(true, Relaxed);
        self.status.connected.store(by_choice, Relaxed);
        self.status.set_name(NO_DEVICE.to_owned());
        self.recovery.give_up_route();
    }

    /// Checks the stream: takes the engine back from one that has stalled, and abandons one that is lost.
    fn watch(&mut self) {
        let (Sound::Stream(playing) | Sound::Engine(_, Some(playing))) = &mut self.sound else { return };
        let condition = playing.check();
        self.sound = match (std::mem::replace(&mut self.sound, Sound::Lost), condition) {
            (Sound::Engine(engine, Some(mut playing)), Condition::Resumed) => {
                info!("the audio server responds again");
                playing.give_engine(engine);
                self.status.connected.store(true, Relaxed);
                Sound::Stream(playing)
            }
            (Sound::Stream(playing), Condition::Stalled) => {
                warn!("the audio server stalled; continuing silently until it responds");
                self.status.connected.store(false, Relaxed);
                match playing.take_engine() {
                    Some(engine) => Sound::Engine(engine, Some(playing)),
                    None => Sound::Lost,
                }
            }
            (Sound::Engine(engine, Some(playing)), Condition::Lost(reason)) => {
                self.lose(playing, &reason);
                Sound::Engine(engine, None)
            }
            (Sound::Stream(playing), Condition::Lost(reason)) => {
                let engine = playing.take_engine();
                self.lose(playing, &reason);
                engine.map_or(Sound::Lost, |engine| Sound::Engine(engine, None))
            }
            (same, _) => same,
        };
    }

    fn lose(&mut self, playing: Playing, reason: &str) {
        self.status.connected.store(false, Relaxed);
        self.status.losses.add(Loss::Devices, 1);
        warn!(reason, "audio device lost; continuing silently until it returns");
        self.close(playing);
    }

    fn close(&mut self, playing: Playing) {
        self.recovery = Recovery::of(playing.route, playing.stream.close());
    }

    /// Leaves the current route for another.
    fn change(&mut self, config: AudioConfig) {
        let allow_null = self.status.null.load(Relaxed);
        self.search = Some(Search::new(&config, allow_null, Some(config.clone())));
        match std::mem::replace(&mut self.sound, Sound::Lost) {
            Sound::Engine(engine, playing) => {
                if let Some(playing) = playing {
                    self.close(playing);
                }
                self.sound = Sound::Engine(engine, None);
            }
            Sound::Stream(playing) => {
                playing.fade();
                let engine = playing.take_engine();
                self.close(playing);
                self.status.connected.store(false, Relaxed);
                // If none of the new routes works, return to the old one at once.
                self.recovery.hurry();
                self.sound = engine.map_or(Sound::Lost, |engine| Sound::Engine(engine, None));
            }
            Sound::Lost => {}
        }
    }

    /// Ends the audio; returns the engine if possible.
    fn leave(self) -> Option<Box<Engine>> {
        match self.sound {
            Sound::Engine(engine, _) => Some(engine),
            Sound::Stream(playing) => {
                playing.fade();
                let engine = playing.take_engine();
                let (closing, started) = (playing.stream.close(), Instant::now());
                while !closing.is_done() && started.elapsed() < CLOSE_TIMEOUT {
                    thread::sleep(POLL_INTERVAL / 4);
                }
                engine
            }
            Sound::Lost => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports;
    use crate::files::config::AudioHost;

    #[test]
    fn the_null_output_keeps_time_and_returns_the_engine() {
        let (ports, _ends) = ports();
        let config = AudioConfig { host: AudioHost::Null, device: None, block_frames: Some(256) };
        let started = Instant::now();
        let output = Output::open(&config, Engine::new(ports, Arc::default())).unwrap();
        while output.status().callbacks() < 40 {
            thread::sleep(Duration::from_millis(2));
        }
        // Forty blocks may take longer on a busy machine but never less.
        assert!(started.elapsed() >= Duration::from_secs_f64(39.0 * 256.0 / 48_000.0));
        assert!(output.status().connected());
        assert_eq!(output.status().block_frames(), 256);
        let engine = output.close().unwrap();
        assert!(engine.status().frame() >= 40 * 256);
    }

    #[test]
    fn a_working_route_replaces_the_current_one_and_a_failing_one_does_not() {
        let (ports, _ends) = ports();
        let config = |host, block| AudioConfig { host, device: None, block_frames: Some(block) };
        let output = Output::open(&config(AudioHost::Null, 256), Engine::new(ports, Arc::default())).unwrap();
        let until = |what: &str, reached: &dyn Fn() -> bool| {
            let started = Instant::now();
            while !reached() {
                assert!(started.elapsed() < Duration::from_secs(20), "{what}");
                thread::sleep(Duration::from_millis(2));
            }
        };
        let status = output.status();
        until("256 frames", &|| status.block_frames() == 256);
        output.configure(config(AudioHost::Null, 1024));
        until("1024 frames", &|| status.block_frames() == 1024);
        output.configure(AudioConfig { device: Some("no such device".to_owned()), ..config(AudioHost::Alsa, 64) });
        until("the other route is tried", &|| !output.wanted.is_waiting());
        let before = status.callbacks();
        until("the audio continues as before", &|| status.callbacks() > before + 20);
        assert_eq!(status.block_frames(), 1024);
        assert!(status.connected() && status.is_null());
        output.configure(config(AudioHost::Null, 1024));
        assert!(!output.wanted.is_waiting(), "that configuration is already in use");
        assert!(output.close().is_some());
    }
}
