//! The live daemon: control in, conductor, generator, engine and sound out, wired together and kept going.

mod board;
mod log_file;
mod networks;
mod reload;
mod spectrum;
mod stage;
mod state;
mod subscribers;
mod takes;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use ringbuf::traits::Producer;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::conductor::{Conductor, Handover, Score};
use crate::engine::{Engine, EngineStatus, ports};
use crate::event::health::Losses;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::event::{ControlEvent, Inbox, Incoming, Source};
use crate::event::{Part, Troubles};
use crate::files::config::{Config, ConfigError, ConfigSource, MidiHost, RecordingsConfig};
use crate::files::library::Library;
use crate::files::preset::{Preset, begin_with};
use crate::files::watch::Changed;
use crate::files::{FolderLock, LockError, Places};
use crate::generator::model::{Models, find_model, runtime};
use crate::generator::{AHEAD, Generator, Worker};
use crate::midi::mapping::LiveMappings;
use crate::midi::{MidiEvent, MidiIn, MidiSystem, follow_transport};
use crate::output::device::{Output, OutputStatus};
use crate::output::record::{Budget, Listeners, Place, Recorder};
use crate::remote::http::desk::Desk;
use crate::remote::http::{self, Http};
use crate::remote::osc::{Clients, OscServer};
use crate::remote::oscquery::{Discovery, Door, Neighbours, OscQuery};
use crate::remote::status::Figures;
use crate::session::log::{Entry, Header};
use crate::threads;
use crate::units::frames_to_seconds;

#[doc(hidden)]
pub use state::rewritten;

use board::Board;
use log_file::LogFile;
use networks::watch_model;
use reload::Files;
use stage::{Ensemble, Outside, Stage};
use state::{Saved, StateFile};
use takes::Takes;

/// Frames that must be generated before the sound starts.
const PRIMED: u64 = 24_000;
/// MIDI messages that may wait; the stage empties the channel every few milliseconds.
const MIDI_EVENTS: usize = 1024;
/// Longest time that priming may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Values of parameters, in the order they apply.
type Settings = Vec<(Param, Value)>;

/// What to start with.
#[allow(missing_debug_implementations, reason = "a function has nothing to show")]
pub struct Options {
    /// Devices, ports, places: where they stand.
    pub config: ConfigSource,
    /// Where presets, mappings and models are.
    pub places: Places,
    /// Folder for the state that survives a restart, and for recordings.
    pub state: PathBuf,
    /// Preset to start with, whatever was saved.
    pub preset: Option<String>,
    /// Values to start with, over preset and saved state.
    pub settings: Settings,
    /// Seed of everything random.
    pub seed: u64,
    /// Where to write the control log of the whole session; `session.log` in the state folder when left out.
    pub control_log: Option<PathBuf>,
}

/// Plays until SIGTERM or SIGINT, then fades out.
///
/// # Errors
/// When something that is needed cannot be had: the model, the sound, a port. Later faults do not end the music.
pub fn run(options: Options) -> anyhow::Result<()> {
    let Options { config, places, state, preset, settings, seed, control_log } = options;
    let troubles = Troubles::default();
    let files = Files::read(config, &places, troubles.clone()).map_err(ConfigError::from)?;
    let config = files.config.clone();
    let mut lock = lock(&state, &troubles)?;
    let tasks = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let signals = tasks.block_on(async { Signals::catch() })?;
    let losses = Arc::new(Losses::default());
    let inbox = Arc::new(Inbox::new(Arc::clone(&losses)));
    let osc_address = SocketAddr::new(config.osc.address, config.osc.port);
    let openings = config.openings()?;
    let clients = Clients { trusted: config.osc.trusted.clone(), subscriptions: subscribers::load(&state) };
    let osc = Arc::new(tasks.block_on(OscServer::start(osc_address, clients, Arc::clone(&inbox)))?);
    tracing::info!(address = %osc.address(), "listening to OSC");
    tasks.spawn(subscribers::keep(state.clone(), Arc::clone(&osc)));
    let figures = Arc::new(Figures::default());
    let http_address = SocketAddr::new(config.http.address, config.http.port);
    let listeners = Listeners::default();
    let door = Door::new(&config.http.hosts, config.http.password.as_deref(), http::PAGE_TEXT);
    let beside = Neighbours { osc: osc.address(), counters: Arc::clone(osc.counters()), door };
    let desk = Arc::new(Desk::default());
    let home = state.join("pieces");
    let http =
        Http::new(Arc::clone(&figures), Arc::clone(&desk), Arc::clone(&inbox), home, render_with(&places, &config));
    let routes = http::routes(Arc::clone(&http), listeners.clone());
    let oscquery =
        tasks.block_on(OscQuery::start(http_address, beside, Arc::clone(&inbox), routes)).with_context(|| {
            format!("HTTP cannot listen on {http_address}; choose another port with --http, or http.port in melos.toml")
        })?;
    let page = format!("http://{}{}", oscquery.address(), http::PAGE);
    tracing::info!(%page, "serving OSCQuery and the page");
    for opening in openings {
        tracing::warn!("{opening}");
    }
    let _discovery = config.http.announce.then(|| announce(oscquery.address(), osc.address())).flatten();
    let board = Arc::new(Board::new(osc, oscquery, figures, troubles.clone(), Arc::clone(&losses)));
    tasks.spawn(http.render());
    tasks.spawn(spectrum::tell(listeners.clone(), Arc::clone(&board)));

    let saved = Saved::load(&state, &troubles);
    if let Some(lock) = &mut lock {
        lock.describe(&format!(", OSC on {}, HTTP on {}", board.osc_address(), board.http_address()));
    }
    let state_file = StateFile::open(&state, lock, troubles.clone())?;
    let (mut start, preset) = start_values(&files.presets, &saved, preset.as_deref(), &config)?;
    // A recording is an act, not a state to begin in.
    let (acts, settings): (Vec<_>, Vec<_>) = settings.into_iter().partition(|(param, _)| *param == Param::Record);
    let preset = preset.filter(|_| !settings.iter().any(|(param, _)| param.policy().ends_journey));
    start.extend(settings);
    for (param, value) in acts {
        inbox.push(Incoming { event: ControlEvent::Set(param, value), due: None, source: Source::Other });
    }

    let folder = find_model(&places, &config.model)?;
    let models = Models::load(runtime()?, &folder)?;
    let fingerprint = models.manifest.fingerprint();
    let model = format!("{} {fingerprint}", config.model);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let header = Header { version, model, seed, settings: start.clone(), take: None, gaps: Vec::new() };
    let log_path = control_log.unwrap_or_else(|| state.join("session.log"));
    let mut log = LogFile::open(&log_path, header, &config.control_log, troubles.clone())?;

    let (engine_ports, mut ends) = ports();
    let engine = Arc::new(EngineStatus::new(Arc::clone(&losses)));
    let worker = Worker::start(Generator::new(models)?, ends.hops, Arc::clone(&engine), AHEAD)?;
    let mut conductor = Conductor::new(seed, &start);
    for event in saved.scene_events() {
        match conductor.apply(&event) {
            Ok(()) => log.write(0, Entry::Event(event)),
            Err(error) => tracing::warn!("part of a saved scene is left out: {error}"),
        }
    }
    let mut score = Score::default();
    conductor.advance(1, &mut score);
    let mut ensemble = Ensemble::new(config.midi.out.clone());
    ensemble.take(&score.commands, &score.pulses);
    for update in score.plans {
        worker.plan(update.plan, update.splice);
    }
    let mut handover = Handover::default();
    for command in score.commands {
        handover.pass(command, |command| ends.commands.try_push(command).is_ok());
    }
    wait_until_primed(&worker)?;

    let output = Output::open(&config.audio, Engine::new(engine_ports, Arc::clone(&engine)))?;
    let recordings = place(&state, &config.recordings);
    desk.set_recordings(recordings.folder.clone());
    let recorder = Recorder::spawn(ends.tap, listeners, recordings, Arc::clone(&losses))?;
    let takes = Takes::new(recorder, log, troubles.clone());
    if output.status().is_null() {
        takes.record_first_minute(&page);
    }
    greet(&conductor, &files.presets, output.status());
    let stop = Arc::new(AtomicBool::new(false));
    let (presets, setlists) = (files.presets.clone(), files.setlists.clone());
    let mappings = files.mappings.values().cloned().collect();
    let (reload, news) = files.watch(&places)?;
    let (reload_model, networks) = watch_model(runtime()?, &folder, fingerprint, troubles)?;
    let stage = Stage {
        midi: open_midi(config.midi.host, &output.status().name(), losses)?,
        outside: outside(config.link)?,
        ensemble,
        mappings: LiveMappings::new(mappings, saved.learned),
        news,
        networks,
        presets,
        setlists,
        preset,
        takes,
        config,
        folder: state,
        conductor,
        handover,
        commands: ends.commands,
        events: ends.events,
        engine,
        output,
        worker,
        inbox,
        board,
        desk,
        state: state_file,
        stop: Arc::clone(&stop),
        alive: Box::new(watchdog()),
    };
    let (on_stage, stage_ended) = tokio::sync::oneshot::channel::<()>();
    let perform = move || {
        let _on_stage = on_stage;
        stage.run()
    };
    let stage = threads::spawn("melos-stage", perform)?;
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let reloads = [reload, reload_model];
    let end = tasks.block_on(async {
        tokio::select! {
            () = signals.until_told_to_stop(&reloads) => End::Asked,
            thread = threads::first_panic() => End::Crashed(thread),
            _ = stage_ended => End::Failed,
        }
    });
    let outcome = match end {
        End::Asked => {
            tracing::info!("fading out");
            let _ = sd_notify::notify(&[NotifyState::Stopping]);
            stop.store(true, Relaxed);
            stage.join().unwrap_or_else(|_| bail!("the performance thread panicked"))
        }
        End::Failed => stage.join().unwrap_or_else(|_| bail!("the performance thread panicked")),
        // What it leaves behind is not waited for: whatever supervises the process starts it again.
        End::Crashed(thread) => Err(anyhow!("the thread {thread} panicked; the reason stands in the log")),
    };
    tasks.shutdown_background();
    outcome
}

/// Why the performance is over.
enum End {
    /// Somebody asked for it.
    Asked,
    /// It cannot go on.
    Failed,
    /// A thread panicked.
    Crashed(String),
}

/// Says what plays, where, and what to try next; the addresses have been said as they were opened.
fn greet(conductor: &Conductor, presets: &Library<Preset>, output: &OutputStatus) {
    let preset = conductor.value(Param::Preset);
    let name = match &preset {
        Value::Text(id) => presets.get(id).map_or("a mood of its own", |preset| &preset.name),
        _ => "a mood of its own",
    };
    let block = match output.block_frames() {
        // Nothing was asked for yet.
        0 => String::new(),
        frames => format!(", {:.1} ms a block", 1000.0 * frames_to_seconds(u64::from(frames))),
    };
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!("Melos {version} plays {name} on {}{block}", output.name());
    tracing::info!("try `melos set emotion sad`, `melos preset storm`, `melos status`; Ctrl-C fades out");
}

/// The state folder, for this daemon alone. That it cannot be locked is no reason not to play; that another has it is.
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

/// What to start with: the preset asked for, else the saved state, else the configured preset; and that preset.
fn start_values(
    presets: &Library<Preset>,
    saved: &Saved,
    preset: Option<&str>,
    config: &Config,
) -> Result<(Settings, Option<Preset>), ConfigError> {
    let name = match preset {
        None if !saved.values.is_empty() => return Ok((saved.values.clone(), None)),
        None => &config.preset,
        Some(name) => name,
    };
    begin_with(presets, name).map(|(values, preset)| (values, Some(preset)))
}

/// Lets others find what is open to them; that they cannot is no reason not to play.
fn announce(oscquery: SocketAddr, osc: SocketAddr) -> Option<Discovery> {
    let open = |address: SocketAddr| (!address.ip().is_loopback()).then_some(address);
    let (oscquery, osc) = (open(oscquery), open(osc));
    if oscquery.is_none() && osc.is_none() {
        tracing::warn!("nothing is announced: http.announce is set, but neither OSC nor HTTP is open to the network");
        return None;
    }
    Discovery::announce(oscquery, osc)
        .inspect_err(|error| tracing::warn!(%error, "others must be told the address"))
        .ok()
}

/// MIDI through the system asked for; none is no reason not to play.
fn open_midi(
    host: MidiHost,
    output: &str,
    losses: Arc<Losses>,
) -> anyhow::Result<Option<(MidiIn, Receiver<MidiEvent>)>> {
    let system = match host {
        MidiHost::Off => return Ok(None),
        MidiHost::Alsa => MidiSystem::Alsa,
        MidiHost::Jack => MidiSystem::Jack,
        MidiHost::Auto => MidiSystem::beside(output),
    };
    let (sender, events) = sync_channel(MIDI_EVENTS);
    Ok(Some((MidiIn::start(system, sender, losses)?, events)))
}

/// Who may lead the tempo besides MIDI clocks: the JACK transport, and Ableton Link if it is to be followed.
fn outside(link: bool) -> anyhow::Result<Vec<Outside>> {
    let jack = Arc::new(AtomicBool::new(false));
    let (sender, events) = sync_channel(MIDI_EVENTS);
    follow_transport(Arc::clone(&jack), sender)?;
    let transport = Outside { source: TempoSource::Jack, wanted: jack, events, _peer: None };
    Ok([transport].into_iter().chain(join_link(link)?).collect())
}

#[cfg(feature = "link")]
fn join_link(wanted: bool) -> anyhow::Result<Option<Outside>> {
    if !wanted {
        return Ok(None);
    }
    let (sender, events) = sync_channel(MIDI_EVENTS);
    let chosen = Arc::new(AtomicBool::new(false));
    let peer = crate::remote::link::Link::start(Arc::clone(&chosen), sender)?;
    tracing::info!("in the Ableton Link session; `melos set tempo/source link` lets it lead the tempo");
    Ok(Some(Outside { source: TempoSource::Link, wanted: chosen, events, _peer: Some(Box::new(peer)) }))
}

#[cfg(not(feature = "link"))]
fn join_link(wanted: bool) -> anyhow::Result<Option<Outside>> {
    if wanted {
        bail!(
            "this melos was built without Ableton Link: build it with `cargo build --release --features link`, or leave `link` out"
        );
    }
    Ok(None)
}

/// What tells `melos render` to use the same files.
fn render_with(places: &Places, config: &Config) -> Vec<String> {
    let data = places.shipped().display().to_string();
    vec!["--data".to_owned(), data, "--model".to_owned(), config.model.clone()]
}

/// Where recordings go.
fn place(state: &Path, config: &RecordingsConfig) -> Place {
    Place { folder: state.join(&config.folder), budget: Budget::of(config) }
}

fn wait_until_primed(worker: &Worker) -> anyhow::Result<()> {
    let begun = Instant::now();
    while worker.status().covered() < PRIMED {
        if begun.elapsed() > PATIENCE {
            bail!("the networks gave no sound within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Feeds systemd's watchdog as long as the play head moves.
fn watchdog() -> impl FnMut(u64) + Send {
    let interval = sd_notify::watchdog_enabled().map(|limit| limit / 3);
    let (mut fed, mut last) = (Instant::now(), 0);
    move |head| {
        if interval.is_some_and(|interval| fed.elapsed() >= interval) && head != last {
            (fed, last) = (Instant::now(), head);
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }
}

/// What the system says to a daemon. Caught from the start: before that, each of them ends the process at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Within a runtime.
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns at SIGTERM or SIGINT; SIGHUP asks for a reload.
    async fn until_told_to_stop(mut self, reload: &[SyncSender<Changed>]) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                // One that waits already is as good.
                _ = self.hangup.recv() => reload.iter().for_each(|reload| drop(reload.try_send(Changed(Vec::new())))),
            }
        }
    }
}
