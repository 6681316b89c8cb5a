//! The control log: everything a performance depends on, as text, one line per event.
//!
//! ```text
//! melos-control-log 1
//! version "0.1.0"
//! model "melos-piano 3f2a…"
//! seed 7
//! take 0 96000
//! start /melos/temperature 0.9
//! 4800 /melos/emotion "sad"
//! 9600 lead 57 60 64
//! 9600 morph 4
//! 9600 next-bar /melos/level/pad -9
//! 9600 modulate tone sine 0.3 bars 8 0.25
//! 9700 modulate tone off
//! 9600 tempo 120.5
//! 9600 beat 4 9512
//! 14400 splice 17920 18432 17920 57344
//! 14400 splice 28160 never
//! 15360 resume 2 13312 18432
//! 20480 reconciled 812 905
//! 96000 end
//! ```
//! The number in front is the horizon frame at which the event was applied. Numbers are written so that they read back
//! to the same bits.
//!
//! `splice` says that a change of plan came late on stage: planned for a frame, heard from another, decided anew from a
//! third, when the old music was decided up to a fourth. `never` says that a newer change overtook it. `resume` says that
//! the generator left music out. `reconciled` says that the engine did not take commands, from one up to another as counted from
//! the start, and that it was told here in what it differs from the conductor. With these the generator offline makes the hops that it made on stage. What is not in the
//! log is when hops and commands reached the engine: while it starves, and for commands it counts as late, the recording
//! differs from what is rendered; both are counted, and the daemon logs each starvation with its frames.
//!
//! A log kept beside a recording is that of the whole session up to its end; its header says which
//! frames the recording holds (`take`: the first, and the first after the last), and only those are rendered. `gap` says
//! of frames in it that the disk held the recorder up too long, so that the recording has silence where the render has music.

mod line;

use std::io::{self, BufRead, Read, Write};
use std::ops::Range;

use thiserror::Error;

use crate::event::parameter::{Param, Value, quoted, unquoted};
use crate::event::{ControlEvent, Performed};

/// Bytes of the longest line: a text of a parameter and its address are far shorter.
const LONGEST_LINE: u64 = 65_536;
const MAGIC: &str = "melos-control-log 1";

/// What a performance started from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Header {
    /// Version of Melos that played.
    pub version: String,
    /// Model that played: name and hash of its files.
    pub model: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Parameter values at the start that differ from the defaults.
    pub settings: Vec<(Param, Value)>,
    /// Frames that a recording holds; `None` for the log of a whole session.
    pub take: Option<Range<u64>>,
    /// Frames that are missing in the recording: there is silence in their place.
    pub gaps: Vec<Range<u64>>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// An event was applied.
    Event(ControlEvent),
    /// A splice could not be performed at the frame it was planned for.
    Splice {
        /// Frame it was planned for.
        planned: u64,
        /// What was done instead; `None` when a newer plan overtook it.
        performed: Option<Performed>,
    },
    /// The generator had not been in time: frames are missing, its music went on after them.
    Resume {
        /// How many splices it had taken before.
        splices: u64,
        /// First frame of the gap.
        missing: u64,
        /// First frame after the gap.
        at: u64,
    },
    /// The engine had not taken commands; it was brought back to what the conductor holds.
    Reconciled {
        /// The commands it missed, counted from the first of the performance on.
        lost: Range<u64>,
    },
    /// The performance ended.
    End,
}

/// A whole performance, as read back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ControlLog {
    /// What it started from.
    pub header: Header,
    /// What happened, with the horizon frame, in order.
    pub entries: Vec<(u64, Entry)>,
}

/// Why a control log cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {number}: {text:?} is wrong: {hint}")]
    Line {
        /// Line, from 1.
        number: usize,
        /// What stands there.
        text: String,
        /// What would be right.
        hint: String,
    },
}

/// The text of a control log, as it comes while the performance runs.
#[derive(Debug)]
pub struct LogText(String);

impl LogText {
    /// Begins a log.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        let mut lines = vec![
            MAGIC.to_owned(),
            format!("version {}", quoted(&header.version)),
            format!("model {}", quoted(&header.model)),
            format!("seed {}", header.seed),
        ];
        lines.extend(header.take.as_ref().map(line::take));
        lines.extend(header.gaps.iter().map(line::gap));
        lines.extend(header.settings.iter().map(|(param, value)| format!("start {}", line::setting(*param, value))));
        Self(lines.join("\n") + "\n")
    }

    /// Adds a line.
    pub fn add(&mut self, frame: u64, entry: &Entry) {
        use std::fmt::Write;
        // Text takes whatever is written to it.
        let _ = writeln!(self.0, "{frame} {}", line::entry(entry));
    }

    /// The lines since the last time.
    #[must_use]
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// Copies the log of a session, and says in the copy's header which frames a recording holds, and which of them are
/// missing.
///
/// # Errors
/// When `from` cannot be read or `to` not written.
pub fn copy_for_take(
    mut from: impl BufRead,
    mut to: impl Write,
    frames: &Range<u64>,
    gaps: &[Range<u64>],
) -> io::Result<()> {
    let mut magic = String::new();
    from.read_line(&mut magic)?;
    writeln!(to, "{}\n{}", magic.trim_end(), line::take(frames))?;
    for gap in gaps {
        writeln!(to, "{}", line::gap(gap))?;
    }
    io::copy(&mut from, &mut to)?;
    to.flush()
}

impl ControlLog {
    /// The frames to be rendered: those of the take, else everything up to the last entry.
    #[must_use]
    pub fn frames(&self) -> Range<u64> {
        self.header.take.clone().unwrap_or(0..self.entries.last().map_or(0, |(frame, _)| *frame))
    }

    /// Reads a whole log. A log that breaks off (a crash, a full disk) is complete up to its last whole line.
    ///
    /// # Errors
    /// When it cannot be read or a line is wrong; the error names the line.
    pub fn read(mut from: impl BufRead) -> Result<Self, LogError> {
        let mut log = Self::default();
        let mut last_frame = 0;
        let mut text = String::new();
        for index in 0.. {
            text.clear();
            from.by_ref().take(LONGEST_LINE).read_line(&mut text)?;
            if text.len() as u64 == LONGEST_LINE && !text.ends_with('\n') {
                let hint = format!("a line is shorter than {LONGEST_LINE} bytes");
                return Err(LogError::Line { number: index + 1, text: text.chars().take(60).collect(), hint });
            }
            // Half a line may read as a whole one with another number, so it does not count.
            let Some(whole) = text.strip_suffix('\n') else { break };
            log.read_line(index, whole, &mut last_frame).map_err(|hint| LogError::Line {
                number: index + 1,
                text: whole.to_owned(),
                hint,
            })?;
        }
        if log.header.version.is_empty() {
            return Err(LogError::Line { number: 1, text: String::new(), hint: format!("expected {MAGIC:?}") });
        }
        Ok(log)
    }

    fn read_line(&mut self, index: usize, text: &str, last_frame: &mut u64) -> Result<(), String> {
        if index == 0 {
            return if text == MAGIC { Ok(()) } else { Err(format!("expected {MAGIC:?}")) };
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "version" => self.header.version = unquoted(rest)?,
            "model" => self.header.model = unquoted(rest)?,
            "seed" => self.header.seed = line::number(rest)?,
            "take" => self.header.take = Some(line::read_frames(rest)?),
            "gap" => self.header.gaps.push(line::read_frames(rest)?),
            "start" => self.header.settings.push(line::read_setting(rest)?),
            _ => {
                let frame = line::number(word).map_err(|_| "expected a frame number in front".to_owned())?;
                if frame < *last_frame {
                    return Err(format!("frames must not go back; the line before has {last_frame}"));
                }
                *last_frame = frame;
                self.entries.push((frame, line::read_entry(rest)?));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
