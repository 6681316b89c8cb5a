//! The thread that keeps the audio running. Nothing it calls may hang, so streams have their own threads.

mod playing;
mod recovery;
mod requested;
mod search;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::paced_driver::PacedDriver;
use super::route::{AudioError, Route};
use super::status::OutputStatus;
use super::stream_thread::{StreamThread, ThreadCount};
use crate::engine::Engine;
use crate::event::health::Loss;
use crate::files::config::AudioConfig;
use crate::threads;

use playing::{Condition, PlayingStream};
use recovery::{CLOSE_TIMEOUT, Recovery};
use requested::RequestedConfig;
use search::{Search, SearchStep};

/// Interval between checks of the stream while it has the engine.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Default block size without a device, in frames.
const DEFAULT_BLOCK: u32 = 512;
/// Name of the output when there is no device.
const NO_DEVICE: &str = "no device (null output)";

/// The running output; dropping it stops the audio.
#[derive(Debug)]
pub struct Output {
    status: Arc<OutputStatus>,
    requested: Arc<RequestedConfig>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<Box<Engine>>>>,
}

impl Output {
    /// Opens the first route that works and starts playing. Reconnects automatically if the device is lost.
    ///
    /// # Errors
    /// If none of the routes in `config` works; the engine is dropped.
    pub fn open(config: &AudioConfig, engine: Engine) -> Result<Self, AudioError> {
        let (status, stop) =
            (Arc::new(OutputStatus::new(Arc::clone(engine.status().losses()))), Arc::new(AtomicBool::new(false)));
        let requested = Arc::new(RequestedConfig::new(config.clone()));
        let (opened, result) = sync_channel(1);
        let supervisor = Supervisor {
            config: config.clone(),
            status: Arc::clone(&status),
            requested: Arc::clone(&requested),
            stop: Arc::clone(&stop),
            threads: ThreadCount::default(),
            engine_location: EngineLocation::Supervisor(Box::new(engine), None),
            paced: None,
            search: None,
            recovery: Recovery::new(),
        };
        let run = move || supervisor.run(&opened);
        let thread = threads::spawn("melos-audio", run).map_err(AudioError::Thread)?;
        match result.recv() {
            Ok(Ok(())) => Ok(Self { status, requested, stop, thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(AudioError::NoRoute(vec!["the audio thread has ended".to_owned()])),
        }
    }

    /// Returns the output's status.
    #[must_use]
    pub fn status(&self) -> &Arc<OutputStatus> {
        &self.status
    }

    /// Switches to a new configuration, usually within half a second. If none of its routes works, logs an error and reopens
    /// the current route. Does not block.
    pub fn configure(&self, config: AudioConfig) {
        self.requested.set(config);
    }

    /// Stops the audio and returns the engine, or `None` if a driver does not release it.
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
enum EngineLocation {
    /// With the supervisor, which plays it silently, until the stalled stream, if there is one, recovers.
    Supervisor(Box<Engine>, Option<PlayingStream>),
    /// In a stream.
    Stream(PlayingStream),
    /// Lost because a driver hung or crashed.
    Lost,
}

struct Supervisor {
    config: AudioConfig,
    status: Arc<OutputStatus>,
    requested: Arc<RequestedConfig>,
    stop: Arc<AtomicBool>,
    threads: ThreadCount,
    engine_location: EngineLocation,
    /// Paces the engine while it plays silently.
    paced: Option<PacedDriver>,
    search: Option<Search>,
    recovery: Recovery,
}

impl Supervisor {
    fn run(mut self, opened: &SyncSender<Result<(), AudioError>>) -> Option<Box<Engine>> {
        self.search = Some(Search::new(&self.config, true, None));
        // The engine waits for the first result, so that the beginning of the music is not lost.
        let error = loop {
            match self.continue_search() {
                None if self.stop.load(Relaxed) => break Some(AudioError::Hung),
                None => thread::sleep(POLL_INTERVAL / 4),
                Some(result) => break result.err(),
            }
        };
        if let Some(error) = error {
            let _ = opened.send(Err(error));
            return None;
        }
        let _ = opened.send(Ok(()));
        loop {
            if self.stop.load(Relaxed) {
                return self.shut_down();
            }
            if let Some(config) = self.requested.take() {
                self.switch_to(config);
            }
            self.check_stream();
            self.search_for_route();
            match &mut self.engine_location {
                EngineLocation::Supervisor(engine, _) => {
                    let block = self.config.block_frames.unwrap_or(DEFAULT_BLOCK);
                    self.paced.get_or_insert_with(|| PacedDriver::new(block)).play(engine, &self.status);
                }
                EngineLocation::Stream(_) => {
                    self.paced = None;
                    thread::sleep(POLL_INTERVAL);
                }
                EngineLocation::Lost => {
                    error!("the audio driver did not return the engine; restart Melos");
                    self.status.failed.store(true, Relaxed);
                    return None;
                }
            }
        }
    }

    /// Starts a search if one is due, and continues the current one.
    fn search_for_route(&mut self) {
        if self.search.is_none() && matches!(self.engine_location, EngineLocation::Supervisor(_, None)) {
            self.search = self.recovery.due(&self.config);
        }
        let new_config = self.search.as_ref().and_then(|search| search.config.clone());
        match self.continue_search() {
            None => {}
            Some(Ok(())) => {
                if let Some(config) = new_config {
                    self.requested.set_current(config.clone());
                    self.config = config;
                    self.paced = None;
                }
            }
            Some(Err(error)) => match new_config {
                Some(_) => error!(%error, "cannot open the new output; keeping the current one"),
                None => debug!(%error, "still no audio device"),
            },
        }
    }

    /// Continues the search, if any, and applies its result; returns the result once the search has ended.
    fn continue_search(&mut self) -> Option<Result<(), AudioError>> {
        if self.recovery.is_closing() {
            return None;
        }
        let search = self.search.take()?;
        let AudioConfig { block_frames, device, .. } = search.config.as_ref().unwrap_or(&self.config).clone();
        match search.step(block_frames, &self.status, &self.threads) {
            SearchStep::Continue(search) => {
                self.search = Some(search);
                None
            }
            SearchStep::Stream { route, stream, name } => {
                self.play(route, stream, name);
                Some(Ok(()))
            }
            SearchStep::Null { failures } => {
                self.play_to_null_output(&failures, device.as_deref());
                Some(Ok(()))
            }
            SearchStep::NoRoute { covers_all_routes, error } => {
                self.recovery.search_failed(covers_all_routes);
                Some(Err(error))
            }
        }
    }

    /// Gives the engine to a stream.
    fn play(&mut self, route: Route, stream: StreamThread, name: String) {
        let EngineLocation::Supervisor(engine, _) = std::mem::replace(&mut self.engine_location, EngineLocation::Lost)
        else {
            return;
        };
        info!(output = name, "playing");
        self.status.set_name(name);
        self.status.null.store(false, Relaxed);
        self.status.connected.store(true, Relaxed);
        let mut playing = PlayingStream::new(route, stream);
        playing.give_engine(engine);
        self.engine_location = EngineLocation::Stream(playing);
    }

    /// Plays to the null output. `failures` states why earlier routes failed; `device` is the configured device.
    fn play_to_null_output(&mut self, failures: &[String], device: Option<&str>) {
        let is_configured = failures.is_empty();
        match failures.join("; ") {
            _ if is_configured => match device {
                None => info!("playing to the null output"),
                Some(device) => warn!(device, "playing to the null output, which has no devices; ignoring the device"),
            },
            reasons => warn!(reasons, "no audio device available; playing to the null output until there is one"),
        }
        self.status.null.store(true, Relaxed);
        self.status.connected.store(is_configured, Relaxed);
        self.status.set_name(NO_DEVICE.to_owned());
        self.recovery.give_up_route();
    }

    /// Checks the stream: takes the engine back from it if it has stalled, and closes it if it is lost.
    fn check_stream(&mut self) {
        let (EngineLocation::Stream(playing) | EngineLocation::Supervisor(_, Some(playing))) =
            &mut self.engine_location
        else {
            return;
        };
        let condition = playing.check();
        self.engine_location = match (std::mem::replace(&mut self.engine_location, EngineLocation::Lost), condition) {
            (EngineLocation::Supervisor(engine, Some(mut playing)), Condition::Active) => {
                info!("the audio server responds again");
                playing.give_engine(engine);
                self.status.connected.store(true, Relaxed);
                EngineLocation::Stream(playing)
            }
            (EngineLocation::Stream(playing), Condition::Stalled) => {
                warn!("the audio server stalled; continuing silently until it responds");
                self.status.connected.store(false, Relaxed);
                match playing.take_engine() {
                    Some(engine) => EngineLocation::Supervisor(engine, Some(playing)),
                    None => EngineLocation::Lost,
                }
            }
            (EngineLocation::Supervisor(engine, Some(playing)), Condition::Lost(reason)) => {
                self.close_lost(playing, &reason);
                EngineLocation::Supervisor(engine, None)
            }
            (EngineLocation::Stream(playing), Condition::Lost(reason)) => {
                let engine = playing.take_engine();
                self.close_lost(playing, &reason);
                engine.map_or(EngineLocation::Lost, |engine| EngineLocation::Supervisor(engine, None))
            }
            (unchanged, _) => unchanged,
        };
    }

    /// Reports the loss of a stream and closes it.
    fn close_lost(&mut self, playing: PlayingStream, reason: &str) {
        self.status.connected.store(false, Relaxed);
        self.status.losses.add(Loss::Devices, 1);
        warn!(reason, "audio device lost; continuing silently until it returns");
        self.close(playing);
    }

    fn close(&mut self, playing: PlayingStream) {
        self.recovery = Recovery::from_closing(playing.route, playing.stream.close());
    }

    /// Leaves the current route and starts a search through the routes of a new configuration.
    fn switch_to(&mut self, config: AudioConfig) {
        let allow_null = self.status.null.load(Relaxed);
        self.search = Some(Search::new(&config, allow_null, Some(config.clone())));
        match std::mem::replace(&mut self.engine_location, EngineLocation::Lost) {
            EngineLocation::Supervisor(engine, playing) => {
                if let Some(playing) = playing {
                    self.close(playing);
                }
                self.engine_location = EngineLocation::Supervisor(engine, None);
            }
            EngineLocation::Stream(playing) => {
                playing.fade_out();
                let engine = playing.take_engine();
                self.close(playing);
                self.status.connected.store(false, Relaxed);
                // If none of the new routes works, the old one is retried at once.
                self.recovery.retry_now();
                self.engine_location =
                    engine.map_or(EngineLocation::Lost, |engine| EngineLocation::Supervisor(engine, None));
            }
            EngineLocation::Lost => {}
        }
    }

    /// Ends the audio; returns the engine unless it is lost.
    fn shut_down(self) -> Option<Box<Engine>> {
        match self.engine_location {
            EngineLocation::Supervisor(engine, _) => Some(engine),
            EngineLocation::Stream(playing) => {
                playing.fade_out();
                let engine = playing.take_engine();
                let (closing, started) = (playing.stream.close(), Instant::now());
                while !closing.is_done() && started.elapsed() < CLOSE_TIMEOUT {
                    thread::sleep(POLL_INTERVAL / 4);
                }
                engine
            }
            EngineLocation::Lost => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports;
    use crate::files::config::AudioHost;

    #[test]
    fn the_null_output_plays_in_real_time() {
        let (ports, _ends) = ports();
        let config = AudioConfig { host: AudioHost::Null, device: None, block_frames: Some(256) };
        let started = Instant::now();
        let output = Output::open(&config, Engine::new(ports, Arc::default())).unwrap();
        while output.status().callbacks() < 40 {
            thread::sleep(Duration::from_millis(2));
        }
        // On a busy machine, forty blocks may take longer than their duration, but they never take less.
        assert!(started.elapsed() >= Duration::from_secs_f64(39.0 * 256.0 / 48_000.0));
        assert!(output.status().is_connected());
        assert_eq!(output.status().block_frames(), 256);
        let engine = output.close().unwrap();
        assert!(engine.status().frame() >= 40 * 256);
    }

    #[test]
    fn switches_only_to_a_working_configuration() {
        let (ports, _ends) = ports();
        let config = |host, block| AudioConfig { host, device: None, block_frames: Some(block) };
        let output = Output::open(&config(AudioHost::Null, 256), Engine::new(ports, Arc::default())).unwrap();
        let wait_until = |event: &str, has_happened: &dyn Fn() -> bool| {
            let started = Instant::now();
            while !has_happened() {
                assert!(started.elapsed() < Duration::from_secs(20), "timed out waiting until {event}");
                thread::sleep(Duration::from_millis(2));
            }
        };
        let status = output.status();
        wait_until("a block has 256 frames", &|| status.block_frames() == 256);
        output.configure(config(AudioHost::Null, 1024));
        wait_until("a block has 1024 frames", &|| status.block_frames() == 1024);
        output.configure(AudioConfig { device: Some("no such device".to_owned()), ..config(AudioHost::Alsa, 64) });
        wait_until("the other route is tried", &|| !output.requested.is_pending());
        let before = status.callbacks();
        wait_until("the audio continues as before", &|| status.callbacks() > before + 20);
        assert_eq!(status.block_frames(), 1024);
        assert!(status.is_connected() && status.is_null());
        output.configure(config(AudioHost::Null, 1024));
        assert!(!output.requested.is_pending(), "a configuration already in use should not be requested");
        assert!(output.close().is_some());
    }
}
