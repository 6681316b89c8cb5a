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

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::runtime::Runtime as TokioRuntime;

use crate::conductor::Conductor;
use crate::engine::{Engine, EngineStatus, ports};
use crate::event::health::{Loss, Losses};
use crate::event::log::{Entry, Header};
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, Inbox, Part, Troubles};
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
use crate::threads;
use crate::units::SAMPLE_RATE;

#[doc(hidden)]
pub use state::{is_state, reformat, stored_scene_file, stored_scenes};

use initial::{InitialState, log_start};
use log_file::LogFile;
use main_loop::{
    AutomaticEconomy, Checkpoints, Devices, EngineFeed, MainLoop, OpeningHours, Performance, Presets, Reloads, Reports,
    SceneFiles, Scheduler, Setlists, Show, Sound, Timer,
};
use networks::watch_model;
use publisher::Publisher;
use reload::Files;
use remote::Remote;
use state::{Saved, StateFile};
use supervision::{Signals, Stop};
use takes::Takes;

/// Frames to generate before the audio starts.
const PRIMING_FRAMES: u64 = 24_000;
/// Time limit for generating [`PRIMING_FRAMES`].
const PRIMING_TIMEOUT: Duration = Duration::from_secs(20);

/// Time limit for starting the first thread for blocking work.
const THREAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Time limit for locking the state folder.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Parameter values in the order in which they apply.
type Settings = Vec<(Param, Value)>;

/// How to start a performance.
#[allow(missing_debug_implementations, reason = "it holds a closure")]
pub struct Options {
    /// Where to read the configuration.
    pub config: ConfigSource,
    /// The search path for presets, scenes, setlists, mappings and models.
    pub search_path: SearchPath,
    /// Folder for the saved state, the logs and the recordings.
    pub state: PathBuf,
    /// Preset to load, overriding the saved state.
    pub preset: Option<String>,
    /// Values to set, overriding the preset and the saved state.
    pub settings: Settings,
    /// Seed for all random choices, overriding the preset and the saved state.
    pub seed: Option<u64>,
    /// Path of the session's control log; by default, `session.log` in the state folder.
    pub control_log: Option<PathBuf>,
}

/// Plays until SIGTERM or SIGINT, then fades out.
///
/// # Errors
/// When something essential is unavailable: the model, the output, a port. Most later failures do not stop the music.
pub fn run(options: Options) -> anyhow::Result<()> {
    let tokio_runtime = start_tokio_runtime()?;
    let signals = tokio_runtime.block_on(async { Signals::catch() })?;
    let Ready { main_loop, reloads, _discovery } = set_up(options, &tokio_runtime)?;
    let stop = Arc::new(OnceLock::new());
    let stop_request = Arc::clone(&stop);
    let (ended_sender, ended) = tokio::sync::oneshot::channel::<()>();
    let thread = threads::spawn("melos-perform", move || {
        // Dropped when the thread ends, which the receiver detects.
        let _ended_sender = ended_sender;
        main_loop.run(&stop_request)
    })?;
    supervision::notify_ready();
    let end = tokio_runtime.block_on(async {
        tokio::select! {
            stop = signals.wait_for_stop(&reloads) => End::Requested(stop),
            thread = threads::first_panic() => End::Crashed(thread),
            _ = ended => End::Failed,
        }
    });
    let outcome = match end {
        End::Requested(reason) => {
            tracing::info!("fading out");
            supervision::notify_stopping();
            let _ = stop.set(reason);
            join(thread)
        }
        End::Failed => join(thread),
        // The remaining threads are not joined, so that a process supervisor can restart Melos immediately.
        End::Crashed(thread) => Err(anyhow!("the thread {thread} panicked; see the log for the reason")),
    };
    tokio_runtime.shutdown_background();
    outcome
}

/// Starts the runtime for network and files, with a first thread for blocking work such as reading files, and reports if there
/// is none: Tokio keeps such work waiting for ever, without an error, until it can create a thread.
fn start_tokio_runtime() -> anyhow::Result<TokioRuntime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(2).enable_all().thread_keep_alive(Duration::MAX);
    let tokio_runtime = builder.build().context("cannot start the threads for the network")?;
    let first = tokio_runtime.spawn_blocking(|| ());
    if tokio_runtime.block_on(async { tokio::time::timeout(THREAD_TIMEOUT, first).await }).is_err() {
        tracing::warn!(
            "cannot start a thread for files, so the page cannot list takes, pieces and the log; the system may limit the number \
             of threads (`ulimit -u`)"
        );
    }
    Ok(tokio_runtime)
}

/// Why the performance ended.
enum End {
    /// A signal requested it.
    Requested(Stop),
    /// The performance thread cannot continue.
    Failed,
    /// The named thread panicked.
    Crashed(String),
}

/// Waits for the performance thread and returns its result.
fn join(thread: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    thread.join().unwrap_or_else(|_| bail!("the performance thread panicked"))
}

/// A performance ready to start.
struct Ready {
    main_loop: MainLoop,
    /// Channels for reload requests: the first for the files, the second for the model.
    reloads: [SyncSender<Changed>; 2],
    /// Announces the services until dropped.
    _discovery: Option<Discovery>,
}

/// Opens everything in dependency order.
fn set_up(options: Options, tokio_runtime: &TokioRuntime) -> anyhow::Result<Ready> {
    let Options { config, search_path, state, preset, settings, seed, control_log } = options;
    let (troubles, losses) = (Troubles::default(), Arc::<Losses>::default());
    let panics = Arc::clone(&losses);
    threads::set_panic_counter(move || panics.add(Loss::Panics, 1));
    let files = Files::read(config, &search_path, troubles.clone()).map_err(ConfigError::from)?;
    let config = files.config.clone();
    let lock = lock_state(&state, &troubles)?;
    journal::start_saving(&state, config.log.keep_mb, troubles.clone(), Arc::clone(&losses))?;
    let last_saved = state::last_saved(&state);
    if lock.as_ref().is_some_and(FolderLock::was_abandoned) {
        log_abandoned(last_saved);
    }
    let inbox = Arc::new(Inbox::new(Arc::clone(&losses)));
    let remote = tokio_runtime.block_on(Remote::open(&config, &search_path, &state, &inbox, troubles.clone()))?;
    let Remote { publisher, api, listeners, page, discovery } = remote;
    let (saved, state_file) = open_state(&state, lock, &publisher, &troubles)?;
    let initial = InitialState::choose(&files.presets, &saved, preset.as_deref(), settings, &config, &inbox)?;

    let seed = seed.unwrap_or_else(|| initial.seed());

    let folder = find_model(&search_path, &config.model)?;
    let models = Models::load(runtime()?, &folder)?;
    let fingerprint = models.manifest.fingerprint();
    let log_path = control_log.unwrap_or_else(|| state.join("session.log"));
    let header = log_header(seed, format!("{} {fingerprint}", config.model), &initial.values);
    let (takes_api, notes_api) = (Arc::clone(&api), Arc::clone(&api));
    let mut log = LogFile::open(
        &log_path,
        header,
        &config.control_log,
        config.recordings.keep_free_bytes(),
        troubles.clone(),
        Arc::clone(&losses),
        move || takes_api.takes_changed(),
    )?;

    let (engine_ports, ends) = ports();
    let engine = Arc::new(EngineStatus::new(Arc::clone(&losses)));
    let worker = Worker::start(Generator::new(models)?, ends.hops, Arc::clone(&engine), AHEAD)?;
    let mut scene_files = SceneFiles::new(files.scenes.clone());
    let conductor = restored_conductor(seed, &initial.values, &saved, &mut scene_files, &mut log);
    let feed = EngineFeed::new(ends.commands, ends.immediate, ends.executed, Arc::clone(&engine));
    let interval = config.control_log.checkpoint_interval().map(|seconds| seconds * u64::from(SAMPLE_RATE));
    let checkpoints = Checkpoints::new(interval, ends.saves, ends.saved, ends.state);
    let midi_out = config.midi.out.clone();
    let performance = Performance::new(conductor, feed, worker, midi_out, log, checkpoints, Arc::clone(&publisher));
    wait_until_primed(performance.worker_status())?;

    let recordings = recordings_destination(&state, &config.recordings);
    let recorder = Recorder::spawn(ends.tap, listeners, recordings.clone(), Arc::clone(&losses))?;
    api.set_recorder(Arc::clone(recorder.status()));
    api.set_destination(recordings);
    let takes = Takes::new(recorder, troubles.clone(), losses, move || notes_api.takes_changed())?;
    let presets = Presets::new(files.presets.clone(), initial.journey);
    let [selected, position] = [Param::Setlist, Param::SetlistGo].map(|param| performance.conductor().value(param));
    let setlists = Setlists::new(files.setlists.clone(), &selected, &position);
    let mappings = LiveMappings::new(files.mappings.values().cloned().collect(), saved.learned);
    let (reload, reloaded) = files.watch(&search_path)?;
    let (reload_model, networks) = watch_model(runtime()?, &folder, fingerprint, troubles)?;

    // The playhead moves from here on, so the conductor's head start must last until the performance thread runs.
    let output = Output::open(&config.audio, Engine::new(engine_ports, Arc::clone(&engine)))?;
    let closed = config.schedule.as_ref().and_then(|schedule| schedule.closed(Timestamp::now()));
    if output.status().is_null() && closed.is_none() {
        takes.record_first_minute(&page);
    }
    log_start(performance.conductor(), presets.library(), output.status(), (&page, &publisher), closed);
    let reports = Reports::new(publisher, api, state_file, supervision::watchdog());
    let timer = Timer::new(initial.timer_ended);
    let mut show = Show { performance, presets, scene_files, setlists, timer, takes, reports };
    if let Some(value) = initial.timer {
        show.perform(&ControlEvent::Set(Param::Timer, value));
    }
    let devices = Devices::open(&config, output.status(), mappings, &inbox, show.tempo_source())?;
    let main_loop = MainLoop {
        show,
        scheduler: Scheduler::new(inbox),
        devices,
        reloads: Reloads { files: reloaded, networks, config, folder: state },
        opening_hours: OpeningHours::new(last_saved),
        economy: AutomaticEconomy::default(),
        sound: Sound { engine, events: ends.events, output },
    };
    Ok(Ready { main_loop, reloads: [reload, reload_model], _discovery: discovery })
}

/// Locks the state folder for this daemon. Fails if another daemon uses the folder; any other failure, such as a disk that
/// does not respond, is only reported.
fn lock_state(state: &Path, troubles: &Troubles) -> Result<Option<FolderLock>, LockError> {
    let (sender, taken) = sync_channel(1);
    let folder = state.to_owned();
    // Once nobody waits for it any more, the lock is released again, and the state file's thread takes its own.
    let take = move || drop(sender.send(FolderLock::take(&folder)));
    let started = std::thread::Builder::new().name("melos-lock".to_owned()).spawn(take);
    let failed = |source| LockError::Failed { folder: state.to_owned(), source };
    let taken = started.map_err(failed).and_then(|_| {
        let hung = || failed(std::io::Error::new(ErrorKind::TimedOut, "the disk does not respond"));
        taken.recv_timeout(LOCK_TIMEOUT).unwrap_or_else(|_| Err(hung()))
    });
    match taken {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ LockError::Held { .. }) => Err(error),
        Err(error @ LockError::Failed { .. }) => {
            troubles.set(Part::Lock, error);
            Ok(None)
        }
    }
}

/// Logs that the previous session ended without shutting down, and when it last saved its state.
fn log_abandoned(last_saved: Option<Timestamp>) {
    let saved = last_saved.map_or_else(String::new, |time| {
        let time = TimeZone::system().to_datetime(time);
        format!("; its state was last saved at {}", time.strftime("%H:%M:%S on %Y-%m-%d"))
    });
    tracing::warn!("the previous session ended without shutting down (crash, kill or power failure){saved}");
}

/// Loads the saved state, starts saving changes, and writes this daemon's addresses to the lock file.
fn open_state(
    folder: &Path,
    mut lock: Option<FolderLock>,
    publisher: &Publisher,
    troubles: &Troubles,
) -> std::io::Result<(Saved, StateFile)> {
    let (saved, known) = Saved::load(folder, troubles);
    if let Some(lock) = &mut lock {
        lock.describe(&format!(", OSC on {}, HTTP on {}", publisher.osc_address(), publisher.http_address()));
    }
    Ok((saved, StateFile::open(folder, lock, known, troubles.clone())?))
}

/// Returns the header of the session's control log.
fn log_header(seed: u64, model: String, values: &Settings) -> Header {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Header { version, model, seed, settings: values.clone(), start_frame: None, take: None, gaps: Vec::new() }
}

/// Creates a conductor with the saved scenes and those from files, logging the events that load them.
fn restored_conductor(
    seed: u64,
    values: &Settings,
    saved: &Saved,
    scene_files: &mut SceneFiles,
    log: &mut LogFile,
) -> Conductor {
    let mut conductor = Conductor::new(seed, values);
    let names = scene_files.names_beside(&saved.scenes);
    let from_files: Vec<_> = names.iter().flat_map(|name| scene_files.events(name, &conductor)).collect();
    let mut last_problem = None;
    for event in saved.scene_events().chain(from_files) {
        match conductor.apply(&event) {
            Ok(()) => log.write(0, Entry::Event(event)),
            // There may be thousands of scene files beyond the maximum.
            Err(error) if last_problem.as_ref() == Some(&error) => {}
            Err(error) => {
                tracing::warn!("ignoring part of a scene: {error}");
                last_problem = Some(error);
            }
        }
    }
    scene_files.set_loaded(&names, &conductor);
    conductor
}

/// Returns the folder for recordings, with its space limits.
fn recordings_destination(state: &Path, config: &RecordingsConfig) -> Destination {
    Destination { folder: state.join(&config.folder), budget: Budget::new(config) }
}

fn wait_until_primed(worker: &WorkerStatus) -> anyhow::Result<()> {
    let started = Instant::now();
    while worker.covered() < PRIMING_FRAMES {
        if started.elapsed() > PRIMING_TIMEOUT {
            bail!(
                "the networks did not produce enough audio within {} s; stop other programs or use a faster machine",
                PRIMING_TIMEOUT.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
