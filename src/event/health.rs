//! Counters of everything that can be lost or late, in one table that `melos status`, `/melos/health` and the log
//! report in full.
//!
//! Every counter is a row of this table, so none can go unreported. Counting is one atomic addition, allowed on any
//! thread, including the audio thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

macro_rules! losses {
    ($($loss:ident $id:literal, $unit:literal $happened:literal, $help:literal;)*) => {
        /// Something that can be lost or late.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Loss {
            $(#[doc = $help] $loss,)*
        }

        impl Loss {
            /// All losses, in the order of the table.
            pub const ALL: [Self; [$($id),*].len()] = [$(Self::$loss),*];
            /// Description of the arguments of `/melos/health`.
            pub(crate) const ARGUMENTS: &'static str =
                concat!("Health of the daemon: state, generator load", $(", ", $id),*);

            /// Returns the name used in the status.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$loss => $id,)* }
            }

            /// Returns the unit counted, in the singular.
            #[must_use]
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$loss => $unit,)* }
            }

            /// Returns what happened to the units; completes a phrase that starts with their number.
            #[must_use]
            pub const fn happened(self) -> &'static str {
                match self { $(Self::$loss => $happened,)* }
            }

            /// Returns what the loss means, for performers.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$loss => $help,)* }
            }
        }
    };
}

// Add new rows at the end: they are the arguments of `/melos/health`, in this order.
losses! {
    Xruns "xruns", "xrun" "in the audio system", "A block did not reach the audio system in time, which is heard as a click";
    Starvations "starvations", "time" "the generator was late", "The generator was late; its last sound was sustained under the harmony";
    Splices "late_splices", "change" "of mood or harmony applied late", "A change of mood or harmony took effect later than planned";
    Commands "late_commands", "note or level change" "applied late", "A note or a level change reached the engine after its frame and took effect at once";
    CommandsLost "lost_commands", "note or level change" "lost", "The engine's queue was full; a note or a level change is missing";
    Devices "device_losses", "time" "the audio device was lost", "The audio device disappeared; the music continued silently until it returned";
    Latents "generator_failures", "gap" "in the piano", "The networks produced no audio for one latent (about 85 ms)";
    Hops "dropped_hops", "snippet" "of the piano's sound not used", "A hop (about 11 ms) of the network's audio arrived too late to be played, or after a newer future had replaced it";
    NotFinite "not_finite", "sample" "replaced with silence", "A NaN or infinite sample was replaced with silence";
    Tap "unrecorded_frames", "frame" "not recorded", "The recorder did not keep up; takes and listeners are missing these frames";
    Takes "failed_takes", "recording" "failed", "A recording could not be started or continued; what was written is kept";
    Listeners "cut_listeners", "listener" "cut off", "A listener on the page did not keep up";
    EngineEvents "engine_events", "engine report" "lost", "The engine's report queue was full; a line is missing from the log or the control log";
    GeneratorEvents "generator_events", "generator report" "lost", "The generator's report queue was full; a line is missing from the log or the control log";
    Events "refused_events", "event" "refused", "The control event queue was full";
    Scheduled "lost_scheduled", "scheduled event" "lost", "The queue of scheduled events was full";
    OscRefused "osc_refused", "OSC message" "refused", "An OSC message was malformed, or its address or value was invalid";
    OscLate "osc_late", "OSC bundle" "received late", "An OSC bundle arrived after its time tag and was applied at once";
    OscUnsent "osc_unsent", "OSC message" "not sent", "A message could not be sent to a client";
    MidiIn "midi_in_lost", "MIDI message" "not read", "The MIDI input queue was full";
    MidiOut "midi_out_lost", "MIDI message" "not sent", "The MIDI output did not accept a message";
    MidiFeedback "midi_feedback_lost", "MIDI message" "not sent to a controller", "A controller did not accept a message for its motors or lights";
    Panics "panics", "internal error" "in the daemon", "An optional part crashed because of a bug; the log says whether it was restarted or disabled";
    LogLines "unsaved_log_lines", "log line" "not saved", "The disk did not keep up with the log; lines are missing from the saved log";
    NoteFiles "unwritten_note_files", "MIDI file" "not written beside a take", "The notes of a take could not be saved beside it; the log says why, and the take itself is complete";
    Passwords "refused_passwords", "password" "refused over HTTP", "A password was wrong, or came too soon after several wrong ones; someone may be guessing it, and the log says from where";
    TakeLogs "unwritten_take_logs", "control log" "not written beside a take", "The control log of a take could not be saved beside it, so the take cannot be rendered again; the log says why, and the take itself is complete";
}

/// A count for each [`Loss`], in the order of the table.
pub type Counts = [u64; Loss::ALL.len()];

/// The counters, shared by everything that can lose something. They only increase.
#[derive(Debug)]
pub struct Losses([AtomicU64; Loss::ALL.len()]);

impl Default for Losses {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Loss::ALL.len()])
    }
}

impl Losses {
    /// Adds to a counter. Wait-free and allocation-free, so any thread may call it.
    pub fn add(&self, loss: Loss, count: u64) {
        if count > 0 {
            self.0[loss as usize].fetch_add(count, Relaxed);
        }
    }

    /// Returns the current count of a loss.
    #[must_use]
    pub fn count(&self, loss: Loss) -> u64 {
        self.0[loss as usize].load(Relaxed)
    }

    /// Returns all counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Loss::ALL.map(|loss| self.count(loss))
    }
}

/// Minimum interval between two log lines about losses.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Reports losses in the log: at once after a quiet minute, otherwise once a minute.
#[derive(Debug, Default)]
pub(crate) struct LossReport {
    reported: Counts,
    last: Option<Instant>,
}

impl LossReport {
    /// Returns the line to log now, if any, and marks its counts as reported.
    pub(crate) fn line(&mut self, counts: &Counts, now: Instant) -> Option<String> {
        if *counts == self.reported || self.last.is_some_and(|last| now.duration_since(last) < REPORT_INTERVAL) {
            return None;
        }
        let recently = self.last.is_some_and(|last| now.duration_since(last) < 2 * REPORT_INTERVAL);
        let when = if recently { " in the last minute" } else { "" };
        let all = Loss::ALL.into_iter().zip(counts.iter().zip(self.reported));
        let increased: Vec<_> = all
            .filter(|(_, (count, reported))| *count > reported)
            .map(|(loss, (count, reported))| describe_count(loss, *count - reported))
            .collect();
        (self.reported, self.last) = (*counts, Some(now));
        Some(format!("{}{when}", increased.join(", ")))
    }
}

/// Describes what a counter counts, such as `frames not recorded`.
#[must_use]
pub fn counted(loss: Loss) -> String {
    format!("{}s {}", loss.unit(), loss.happened())
}

/// Formats a count, such as `3 frames not recorded`.
#[must_use]
pub fn describe_count(loss: Loss, count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {}{plural} {}", loss.unit(), loss.happened())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids = Loss::ALL.map(Loss::id);
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn losses_are_reported_at_once_and_then_once_a_minute() {
        let (losses, mut report, start) = (Losses::default(), LossReport::default(), Instant::now());
        let mut at = |seconds| report.line(&losses.counts(), start + Duration::from_secs(seconds));
        assert_eq!(at(0), None);
        losses.add(Loss::Tap, 3);
        assert_eq!(at(1).as_deref(), Some("3 frames not recorded"));
        losses.add(Loss::Tap, 1);
        losses.add(Loss::Xruns, 2);
        assert_eq!(at(30), None, "less than a minute later");
        assert_eq!(at(62).as_deref(), Some("2 xruns in the audio system, 1 frame not recorded in the last minute"));
        assert_eq!(at(500), None);
        losses.add(Loss::Xruns, 1);
        assert_eq!(at(1000).as_deref(), Some("1 xrun in the audio system"));
    }
}
