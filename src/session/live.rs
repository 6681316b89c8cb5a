//! The live daemon: connects control, conductor, generator, engine and output, and keeps them running.

mod initial;
mod log_file;
mod main_loop;
mod networks;
mod publisher;
mod reload;
mod remote;
mod spectrum;
mod state;
mod subscribers;
mod supervision;
mod takes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use tokio::runtime::Runtime as Tasks;

use crate::conductor::Conductor;
use crate::engine::{Engine, EngineStatus, ports};
use crate::event::health::{Loss, Losses};
use crate::event::parameter::{Param, Value};
use crate::event::{Inbox, Part, Troubles};
use crate::files::config::{ConfigError, ConfigSource, RecordingsConfig};
use crate::files::watch::Changed;
use crate::files::{FolderLock, LockError, SearchPath};
use crate::generator::model::{Models, find_model, runtime};
use crate::generator::{AHEAD, Generator, Worker, WorkerStatus};
use crate::midi::mapping::LiveMappings;
use crate::output::device::Output;
use crate::output::record::{Budget, Destination, Recorder};
use crate::remote::journal;
use crate::remote::oscquery::Discovery;
use crate::session::log::{Entry, Header};
use crate::threads;
use crate::units::SAMPLE_RATE;

#[doc(hidden)]
pub use state::rewritten;

use publisher::Publisher;
use initial::{InitialState, log_start};
use log_file::LogFile;
use networks::watch_model;
use reload::Files;
use remote::Remote;
use main_loop::{
    Checkpoints, Devices, EngineFeed, OpeningHours, Performance, Presets, Reloads, Reports, Scheduler, Setlists, Show,
    Sound, MainLoop, Timer,
};
use state::{Saved, StateFile};
use supervision::Signals;
use takes::Takes;

/// Frames to generate before the audio starts.
const PRIMED: u64 = 24_000;
/// Time limit for generating [`PRIMED`] frames.
const PRIMING_TIMEOUT: Duration = Duration::from_secs(20);

/// Parameter values in the order they apply.
type Settings = Vec<(Param, Value)>;

/// How to start a performance.
#[allow(missing_debug_implementations, reason = "it holds a closure")]
pub struct Options {
    /// The configuration's source.
    pub config: ConfigSource,
    /// The search path for presets, mappings and models.
    pub search_path: SearchPath,
    /// Folder for saved state and recordings.
    pub state: PathBuf,
    /// Preset to load, overriding the saved state.
    pub preset: Option<String>,
    /// Values to set, overriding preset and saved state.
    pub settings: Settings,
    /// Seed of all random choices.
    pub seed: u64,
    /// Path for the control log of the whole session; `session.log` in the state folder by default.
    pub control_log: Option<PathBuf>,
}

/// Plays until SIGTERM or SIGINT, then fades out.
///
/// # Errors
/// When something essential is unavailable: the model, the output, a port. Later faults do not end the music.
pub fn run(options: Options) -> anyhow::Result<()> {
    let tasks = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let signals = tasks.block_on(async { Signals::catch() })?;
    let Ready { stage, reloads, _discovery } = set_up(options, &tasks)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let (on_stage, stage_ended) = tokio::sync::oneshot::channel::<()>();
    let stage = threads::spawn("melos-perform", move || {
        let _on_stage = on_stage;
        stage.run(&stopped)
    })?;
    supervision::notify_ready();
    let end = tasks.block_on(async {
        tokio::select! {
            () = signals.wait_for_stop(&reloads) => End::Requested,
            thread = threads::first_panic() => End::Crashed(thread),
            _ = stage_ended => End::Failed,
        }
    });
    let outcome = match end {
        End::Requested => {
            tracing::info!("fading out");
            supervision::notify_stopping();
            stop.store(true, Relaxed);
            outcome(stage)
        }
        End::Failed => outcome(stage),
        // Does not wait for the remaining threads: the process supervisor restarts it.
        End::Crashed(thread) => Err(anyhow!("the thread {thread} panicked; see the log for the reason")),
    };
    tasks.shutdown_background();
    outcome
}

/// Why the performance ended.
enum End {
    /// By a signal.
    Requested,
    /// It cannot continue.
    Failed,
    /// A thread panicked.
    Crashed(String),
}

/// The performance thread's result.
fn outcome(stage: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    stage.join().unwrap_or_else(|_| bail!("the performance thread panicked"))
}

/// A performance ready to start.
struct Ready {
    stage: MainLoop,
    /// Request that the files be read again.
    reloads: [SyncSender<Changed>; 2],
    /// Announces the services until dropped.
    _discovery: Option<Discovery>,
}

/// Opens everything in order of dependency.
fn set_up(options: Options, tasks: &Tasks) -> anyhow::Result<Ready> {
    let Options { config, search_path, state, preset, settings, seed, control_log } = options;
    let (troubles, losses) = (Troubles::default(), Arc::<Losses>::default());
    let panics = Arc::clone(&losses);
    threads::count_panics(move || panics.add(Loss::Panics, 1));
    let files = Files::read(config, &search_path, troubles.clone()).map_err(ConfigError::from)?;
    let config = files.config.clone();
    let lock = lock(&state, &troubles)?;
    journal::keep(&state, config.log.keep_mb, troubles.clone())?;
    let inbox = Arc::new(Inbox::new(Arc::clone(&losses)));
    let remote = tasks.block_on(Remote::open(&config, &search_path, &state, &inbox, troubles.clone()))?;
    let Remote { publisher, api, listeners, page, discovery } = remote;
    let last_saved = state::last_saved(&state);
    let (saved, state_file) = open_state(&state, lock, &publisher, &troubles)?;
    let initial = InitialState::choose(&files.presets, &saved, preset.as_deref(), settings, &config, &inbox)?;

    let folder = find_model(&search_path, &config.model)?;
    let models = Models::load(runtime()?, &folder)?;
    let fingerprint = models.manifest.fingerprint();
    let log_path = control_log.unwrap_or_else(|| state.join("session.log"));
    let header = header(seed, format!("{} {fingerprint}", config.model), &initial.values);
    let mut log = LogFile::open(&log_path, header, &config.control_log, troubles.clone())?;

    let (engine_ports, ends) = ports();
    let engine = Arc::new(EngineStatus::new(Arc::clone(&losses)));
    let worker = Worker::start(Generator::new(models)?, ends.hops, Arc::clone(&engine), AHEAD)?;
    let conductor = conductor(seed, &initial.values, &saved, &mut log);
    let feed = EngineFeed::new(ends.commands, ends.immediate, ends.executed, Arc::clone(&engine));
    let interval = config.control_log.checkpoint_interval().map(|seconds| seconds * u64::from(SAMPLE_RATE));
    let checkpoints = Checkpoints::new(interval, ends.saves, ends.saved, ends.state);
    let midi_out = config.midi.out.clone();
    let performance = Performance::new(conductor, feed, worker, midi_out, log, checkpoints, Arc::clone(&publisher));
    wait_until_primed(performance.worker_status())?;

    let recordings = destination(&state, &config.recordings);
    api.set_recordings(recordings.folder.clone());
    let recorder = Recorder::spawn(ends.tap, listeners, recordings, Arc::clone(&losses))?;
    let takes = Takes::new(recorder, troubles.clone());
    let presets = Presets::new(files.presets.clone(), initial.journey);
    let setlists = Setlists::new(files.setlists.clone(), &performance.conductor().value(Param::SetlistGo));
    let mappings = LiveMappings::new(files.mappings.values().cloned().collect(), saved.learned);
    let (reload, news) = files.watch(&search_path)?;
    let (reload_model, networks) = watch_model(runtime()?, &folder, fingerprint, troubles)?;

    // The playhead moves from here on, so the conductor's head start must last until the performance thread runs.
    let output = Output::open(&config.audio, Engine::new(engine_ports, Arc::clone(&engine)))?;
    if output.status().is_null() {
        takes.record_first_minute(&page);
    }
    log_start(performance.conductor(), presets.library(), output.status(), publisher.http_address());
    let reports = Reports::new(publisher, api, state_file, supervision::watchdog());
    let show = Show { performance, presets, setlists, timer: Timer::default(), takes, reports };
    let devices = Devices::open(&config, output.status(), mappings, &inbox, show.tempo_source())?;
    let stage = MainLoop {
        show,
        scheduler: Scheduler::new(inbox),
        devices,
        reloads: Reloads { news, networks, config, folder: state },
        opening_hours: OpeningHours::new(last_saved),
        sound: Sound { engine, events: ends.events, output },
    };
    Ok(Ready { stage, reloads: [reload, reload_model], _discovery: discovery })
}

/// Locks the state folder for this daemon. A failure to lock does not prevent playing, but a folder in use does.
fn lock(state: &Path, troubles: &Troubles) -> Result<Option<FolderLock>, LockError> {
    match FolderLock::take(state) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ LockError::Held { .. }) => Err(error),
        Err(error @ LockError::Unlockable { .. }) => {
            troubles.set(Part::Lock, error);
            Ok(None)
        }
    }
}

/// Loads the saved state and starts saving changes; the lock file names this daemon's addresses.
fn open_state(
    folder: &Path,
    mut lock: Option<FolderLock>,
    publisher: &Publisher,
    troubles: &Troubles,
) -> std::io::Result<(Saved, StateFile)> {
    let saved = Saved::load(folder, troubles);
    if let Some(lock) = &mut lock {
        lock.describe(&format!(", OSC on {}, HTTP on {}", publisher.osc_address(), publisher.http_address()));
    }
    Ok((saved, StateFile::open(folder, lock, troubles.clone())?))
}

/// The header of a control log.
fn header(seed: u64, model: String, values: &Settings) -> Header {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Header { version, model, seed, settings: values.clone(), begins: None, take: None, gaps: Vec::new() }
}

/// A conductor with the saved scenes.
fn conductor(seed: u64, values: &Settings, saved: &Saved, log: &mut LogFile) -> Conductor {
    let mut conductor = Conductor::new(seed, values);
    for event in saved.scene_events() {
        match conductor.apply(&event) {
            Ok(()) => log.write(0, Entry::Event(event)),
            Err(error) => tracing::warn!("ignoring part of a saved scene: {error}"),
        }
    }
    conductor
}

/// The folder for recordings.
fn destination(state: &Path, config: &RecordingsConfig) -> Destination {
    Destination { folder: state.join(&config.folder), budget: Budget::of(config) }
}

fn wait_until_primed(worker: &WorkerStatus) -> anyhow::Result<()> {
    let started = Instant::now();
    while worker.covered() < PRIMED {
        if started.elapsed() > PRIMING_TIMEOUT {
            bail!("the networks produced no audio within {} s", PRIMING_TIMEOUT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
