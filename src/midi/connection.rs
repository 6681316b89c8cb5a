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
/// Interval between checks for received messages, a system switch and shutdown.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Time limit for the thread to end: a hung server must not keep the process alive.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A MIDI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MidiSystem {
    /// The ALSA sequencer: connects every device, sends feedback to those for which it is requested, and has the ports
    /// `melos:midi_in` and `melos:midi_out` for other programs.
    Alsa,
    /// A JACK server: a port `melos:midi_out`, and an input port and a feedback port for each of four devices:
    /// `melos:midi_in` and `melos:feedback`, `melos:midi_in_2` and `melos:feedback_2`, and so on. Hardware is connected
    /// automatically; other programs connect themselves.
    Jack,
}

impl MidiSystem {
    /// Returns the system that suits an audio output, given by its [`crate::output::device::OutputStatus::name`]: JACK
    /// for a JACK output, otherwise ALSA.
    #[must_use]
    pub fn for_output(output: &str) -> Self {
        if output.starts_with("JACK") { Self::Jack } else { Self::Alsa }
    }
}

/// Returns the names of all MIDI sources.
///
/// # Errors
/// If the system cannot be queried.
pub fn sources(system: MidiSystem) -> Result<Vec<String>, MidiError> {
    match system {
        MidiSystem::Alsa => alsa::sources(),
        MidiSystem::Jack => jack::sources(),
    }
}

/// The MIDI connection for input and output; closed when dropped.
pub struct MidiConnection {
    stop: Arc<AtomicBool>,
    /// Whether to use JACK instead of ALSA.
    on_jack: Arc<AtomicBool>,
    sender: Sender,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for MidiConnection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MidiConnection").field("system", &self.system()).finish_non_exhaustive()
    }
}

impl MidiConnection {
    /// Starts searching for devices. Sends their events to `events` and wakes its reader with `wake`. If the system is
    /// unavailable, keeps trying.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        system: MidiSystem,
        events: SyncSender<MidiEvent>,
        wake: Wake,
        losses: Arc<Losses>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let on_jack = Arc::new(AtomicBool::new(system == MidiSystem::Jack));
        let sender = Sender::new(events, wake, losses);
        let (stop_flag, jack_selected, mut thread_sender) = (Arc::clone(&stop), Arc::clone(&on_jack), sender.clone());
        let thread = threads::spawn_restarting("melos-midi", move || {
            let is_selected =
                |jack| !stop_flag.load(Ordering::Relaxed) && jack_selected.load(Ordering::Relaxed) == jack;
            while !stop_flag.load(Ordering::Relaxed) {
                search::<alsa::Alsa>(|| is_selected(false), &mut thread_sender);
                search::<jack::Jack>(|| is_selected(true), &mut thread_sender);
            }
        })?;
        Ok(Self { stop, on_jack, sender, thread: Some(thread) })
    }

    /// Switches to another system, whose devices replace the current ones. Does not block.
    pub fn switch(&self, system: MidiSystem) {
        self.on_jack.store(system == MidiSystem::Jack, Ordering::Relaxed);
    }

    /// Returns the selected system, even if the switch to it is still in progress.
    #[must_use]
    pub fn system(&self) -> MidiSystem {
        if self.on_jack.load(Ordering::Relaxed) { MidiSystem::Jack } else { MidiSystem::Alsa }
    }

    /// Forwards messages received in JACK's callback. The search thread does so twenty times a second; calling this
    /// right before reading the events avoids that delay.
    pub fn forward_received(&self) {
        self.sender.forward_received();
    }

    /// Returns the output to instruments.
    #[must_use]
    pub const fn out(&self) -> &MidiOut {
        &self.sender.out
    }

    /// Returns the feedback to devices.
    #[must_use]
    pub const fn feedback(&self) -> &MidiFeedback {
        &self.sender.feedback
    }
}

impl Drop for MidiConnection {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let started = Instant::now();
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && started.elapsed() < STOP_TIMEOUT {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Searches one system for devices at intervals while it is selected, then disconnects from it.
fn search<S: Backend>(is_selected: impl Fn() -> bool, sender: &mut Sender) {
    let mut system = S::default();
    let mut logged_error = None;
    let mut next_search = Instant::now();
    while is_selected() {
        sender.forward_received();
        if Instant::now() >= next_search || system.has_changed() {
            next_search = Instant::now() + SEARCH_INTERVAL;
            let error = system.search(sender).err();
            if error != logged_error {
                match &error {
                    Some(error) => tracing::warn!(%error, "MIDI is unavailable; retrying"),
                    None => tracing::info!("MIDI is available again"),
                }
                logged_error = error;
            }
        }
        thread::sleep(CHECK_INTERVAL);
    }
    system.disconnect(sender);
}
