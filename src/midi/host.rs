//! The thread that searches for devices on the selected MIDI system.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::backend::{Backend, Sender};
use super::device::{MidiError, MidiEvent};
use super::{MidiFeedback, MidiOut, alsa, jack};
use crate::event::Wake;
use crate::event::health::Losses;
use crate::threads;

/// Interval between device searches.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// Interval between checks for a change of the system or the end.
const NOTICE_INTERVAL: Duration = Duration::from_millis(50);

/// Time limit for the search to end, so that a hung server cannot keep the process alive.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A MIDI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MidiSystem {
    /// The ALSA sequencer: connects every device in both directions, and has the ports `melos:midi_in` and
    /// `melos:midi_out` for other programs.
    Alsa,
    /// A JACK server: one port `melos:midi_out`, and for each of four devices an input and a feedback port:
    /// `melos:midi_in` and `melos:feedback`, `melos:midi_in_2` and `melos:feedback_2`, and so on. Hardware is connected
    /// automatically; other programs connect themselves.
    Jack,
}

impl MidiSystem {
    /// The system that suits an audio output, given by its [`crate::output::device::OutputStatus::name`]: JACK for
    /// JACK, otherwise ALSA.
    #[must_use]
    pub fn for_output(output: &str) -> Self {
        if output.starts_with("JACK") { Self::Jack } else { Self::Alsa }
    }
}

/// The names of all MIDI sources.
///
/// # Errors
/// When the system cannot be queried.
pub fn sources(system: MidiSystem) -> Result<Vec<String>, MidiError> {
    match system {
        MidiSystem::Alsa => alsa::sources(),
        MidiSystem::Jack => jack::sources(),
    }
}

/// The MIDI connection, both ways; closed when dropped.
pub struct MidiIn {
    stop: Arc<AtomicBool>,
    /// Whether to use JACK instead of ALSA.
    on_jack: Arc<AtomicBool>,
    sender: Sender,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for MidiIn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MidiIn").field("system", &self.system()).finish_non_exhaustive()
    }
}

impl MidiIn {
    /// Starts searching for devices; their events go to `events`, whose reader is woken. If the system is unavailable,
    /// keeps trying.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        system: MidiSystem,
        events: SyncSender<MidiEvent>,
        wake: Wake,
        losses: Arc<Losses>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let on_jack = Arc::new(AtomicBool::new(system == MidiSystem::Jack));
        let sender = Sender::new(events, wake, losses);
        let (stopped, wanted, mut own) = (Arc::clone(&stop), Arc::clone(&on_jack), sender.clone());
        let thread = threads::spawn_restarting("melos-midi", move || {
            let wants = |jack| !stopped.load(Ordering::Relaxed) && wanted.load(Ordering::Relaxed) == jack;
            while !stopped.load(Ordering::Relaxed) {
                search::<alsa::Alsa>(|| wants(false), &mut own);
                search::<jack::Jack>(|| wants(true), &mut own);
            }
        })?;
        Ok(Self { stop, on_jack, sender, thread: Some(thread) })
    }

    /// Switches to another system, whose devices replace the current ones. Does not block.
    pub fn switch(&self, system: MidiSystem) {
        self.on_jack.store(system == MidiSystem::Jack, Ordering::Relaxed);
    }

    /// The current system, or the one being switched to.
    #[must_use]
    pub fn system(&self) -> MidiSystem {
        if self.on_jack.load(Ordering::Relaxed) { MidiSystem::Jack } else { MidiSystem::Alsa }
    }

    /// Forwards messages received by callbacks. Call it right before reading the events, so that messages need not wait
    /// for the search thread, which also calls it twenty times a second.
    pub fn gather(&self) {
        self.sender.gather();
    }

    /// The output on the same system.
    #[must_use]
    pub const fn out(&self) -> &MidiOut {
        &self.sender.out
    }

    /// Feedback to devices.
    #[must_use]
    pub const fn feedback(&self) -> &MidiFeedback {
        &self.sender.feedback
    }
}

impl Drop for MidiIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let started = Instant::now();
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && started.elapsed() < STOP_TIMEOUT {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn search<S: Backend>(keep_running: impl Fn() -> bool, sender: &mut Sender) {
    let mut system = S::default();
    let mut logged = None;
    let mut next = Instant::now();
    while keep_running() {
        sender.gather();
        if Instant::now() >= next || system.has_changed() {
            next = Instant::now() + SEARCH_INTERVAL;
            let error = system.search(sender).err();
            if error != logged {
                match &error {
                    Some(error) => tracing::warn!(%error, "MIDI is unavailable; retrying"),
                    None => tracing::info!("MIDI is available again"),
                }
                logged = error;
            }
        }
        thread::sleep(NOTICE_INTERVAL);
    }
    system.disconnect(sender);
}
