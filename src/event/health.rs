//! Everything that can be lost or late, counted: one table, which `melos status`, `/melos/health` and the log read whole.
//!
//! A counter is a row of the table, and there is no other way to count, so none is without a reader. Counting is one
//! atomic addition: it may be done anywhere, the audio callback included.

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
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$($id),*].len()] = [$(Self::$loss),*];
            /// The arguments of `/melos/health`, for its description.
            pub(crate) const ARGUMENTS: &'static str =
                concat!("How the instrument is: state, load of the generator", $(", ", $id),*);

            /// Name in the status.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$loss => $id,)* }
            }

            /// What is counted, in the singular.
            #[must_use]
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$loss => $unit,)* }
            }

            /// What happened to it, to go on a sentence that begins with so many units.
            #[must_use]
            pub const fn happened(self) -> &'static str {
                match self { $(Self::$loss => $happened,)* }
            }

            /// What it means, for performers.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$loss => $help,)* }
            }
        }
    };
}

// New rows go to the end: `/melos/health` has its arguments in this order.
losses! {
    Xruns "xruns", "xrun" "in the sound system", "The sound system asked for a block and did not get it in time: a click";
    Starvations "starvations", "time" "the generator was late", "The generator was late; its last texture was sustained under the harmony";
    Splices "late_splices", "change" "of mood or harmony came late", "A change of mood or harmony was heard later than planned";
    Commands "late_commands", "engine command" "came late", "A command reached the engine after its moment and took effect at once";
    CommandsLost "lost_commands", "engine command" "lost", "A command found the engine's queue full: a note or a level is missing";
    Devices "device_losses", "time" "the sound device was lost", "The sound device went away; the music went on unheard until it was back";
    Latents "generator_failures", "latent" "failed", "The networks gave no sound for a twelfth of a second of music";
    Hops "dropped_hops", "hop" "of the network's sound not used", "A piece of the network's sound came too late to be played, or twice";
    NotFinite "not_finite", "sample" "not a number", "A sample was not a finite number and became silence";
    Tap "unrecorded_frames", "frame" "not recorded", "The recorder did not keep up: takes and listeners miss these frames";
    Takes "failed_takes", "recording" "ended early", "A recording could not be begun or written on; what was written stays";
    Listeners "cut_listeners", "listener" "cut off", "Somebody who listened on the page did not keep up";
    EngineEvents "engine_events", "report" "of the engine lost", "The engine reported more than was read: the log misses a line";
    GeneratorEvents "generator_events", "report" "of the generator lost", "The generator reported more than was read: the log misses a line";
    Events "refused_events", "event" "refused", "More control events were waiting than fit";
    Scheduled "lost_scheduled", "scheduled event" "lost", "More control events were scheduled for later than fit";
    OscRefused "osc_refused", "OSC message" "refused", "An OSC message could not be read, or asked for something that is not there";
    OscLate "osc_late", "OSC bundle" "came late", "An OSC bundle came after its time and was taken at once";
    OscUnsent "osc_unsent", "OSC message" "not sent", "A listener could not be told something";
    MidiIn "midi_in_lost", "MIDI message" "not read", "More came from MIDI devices than was read";
    MidiOut "midi_out_lost", "MIDI message" "not sent", "MIDI out did not take what instruments should play";
    MidiFeedback "midi_feedback_lost", "MIDI message" "not sent to a controller", "A controller did not take what its motors and lights should show";
    Panics "panics", "part" "of the daemon panicked", "A part that the music can do without met an error in the program, began anew or was given up; the log says which";
}

/// A count for each [`Loss`], in the order of the table.
pub type Counts = [u64; Loss::ALL.len()];

/// The counters, shared by everything that can lose something. They only grow.
#[derive(Debug)]
pub struct Losses([AtomicU64; Loss::ALL.len()]);

impl Default for Losses {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Loss::ALL.len()])
    }
}

impl Losses {
    /// Counts so many more. Neither waits nor allocates; for any thread.
    pub fn add(&self, loss: Loss, more: u64) {
        if more > 0 {
            self.0[loss as usize].fetch_add(more, Relaxed);
        }
    }

    /// How many so far.
    #[must_use]
    pub fn count(&self, loss: Loss) -> u64 {
        self.0[loss as usize].load(Relaxed)
    }

    /// How many of each so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Loss::ALL.map(|loss| self.count(loss))
    }
}

/// Least time between two lines about losses.
const QUIET: Duration = Duration::from_secs(60);

/// Says in the log what was lost: at once after a quiet minute, otherwise once a minute.
#[derive(Debug, Default)]
pub(crate) struct LossReport {
    told: Counts,
    last: Option<Instant>,
}

impl LossReport {
    /// The line to say now, if there is one.
    pub(crate) fn line(&mut self, counts: &Counts, now: Instant) -> Option<String> {
        if *counts == self.told || self.last.is_some_and(|last| now.duration_since(last) < QUIET) {
            return None;
        }
        let lately = self.last.is_some_and(|last| now.duration_since(last) < 2 * QUIET);
        let when = if lately { " in the last minute" } else { "" };
        let grown = Loss::ALL.into_iter().zip(counts.iter().zip(self.told));
        let grown: Vec<_> = grown
            .filter(|(_, (count, told))| *count > told)
            .map(|(loss, (count, told))| sentence(loss, *count - told))
            .collect();
        (self.told, self.last) = (*counts, Some(now));
        Some(format!("{}{when}", grown.join(", ")))
    }
}

/// `3 frames not recorded`.
#[must_use]
pub fn sentence(loss: Loss, count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {}{plural} {}", loss.unit(), loss.happened())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut ids = Loss::ALL.map(Loss::id);
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn what_grew_is_said_at_once_and_then_once_a_minute() {
        let (losses, mut report, start) = (Losses::default(), LossReport::default(), Instant::now());
        let mut at = |seconds| report.line(&losses.counts(), start + Duration::from_secs(seconds));
        assert_eq!(at(0), None);
        losses.add(Loss::Tap, 3);
        assert_eq!(at(1).as_deref(), Some("3 frames not recorded"));
        losses.add(Loss::Tap, 1);
        losses.add(Loss::Xruns, 2);
        assert_eq!(at(30), None, "once a minute");
        assert_eq!(at(62).as_deref(), Some("2 xruns in the sound system, 1 frame not recorded in the last minute"));
        assert_eq!(at(500), None);
        losses.add(Loss::Xruns, 1);
        assert_eq!(at(1000).as_deref(), Some("1 xrun in the sound system"));
    }
}
