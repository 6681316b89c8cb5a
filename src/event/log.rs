//! The control log: everything a performance depends on, as text, one line per event.
//!
//! ```text
//! melos-control-log 1
//! version "0.2.0"
//! model "melos-piano 3f2a…"
//! seed 7
//! take 0 96000
//! start /melos/temperature 0.9
//! 4800 /melos/emotion "sad"
//! 9600 lead 57 60 64
//! 9600 note 60 90
//! 9600 morph 4
//! 9600 next-bar /melos/level/pad -9
//! 9600 modulate tone sine 0.3 bars 8 0.25
//! 9700 modulate tone off
//! 9700 rename-scene "verse" "intro"
//! 9700 tempo 120.5
//! 9700 beat 4 9512
//! 14400 splice 17920 18432 17920 57344
//! 14400 splice 28160 never
//! 15360 resume 2 13312 18432
//! 20480 reconciled 812 905
//! 20736 executed 905 913 20608 20288
//! 57600 checkpoint
//! 96000 end
//! ```
//! After the header, each line starts with the horizon frame at which the event was applied. Numbers are written so
//! that they round-trip bit for bit. A frame after the first ten years is an error.
//!
//! `splice` records a plan change that was late in the live session: the frame it was planned for, the frame at which
//! it became audible, the frame from which music was generated under the new plan, and, if it matters, the frame up to
//! which music had been generated under the old one. `never` means that a newer change superseded this one. `resume`
//! records that the generator skipped music: the number of splices processed before the gap, the first missing frame,
//! and the first frame after the gap. `reconciled` records a range of commands, counted from the start, that the engine
//! did not accept; at this line's frame, the engine was resynchronized with the conductor. `executed` records a range
//! of commands, the frame they were sent for, and the frame at which the engine executed them instead: earlier for
//! immediate commands, later for late ones. With these entries, a render has the same hops and commands as the live
//! performance. The log does not record when hops reached the engine, so a recording differs from the render during
//! starvation; the daemon counts and logs each starvation.
//!
//! `checkpoint` marks where a checkpoint was taken. A checkpoint taken after a starvation contains the audio that was
//! played, so a render from the checkpoint may differ from a render from the start. A log that becomes too large
//! continues in another file, which starts at a checkpoint. The header of that file gives the checkpoint's frame
//! (`begins`), and the file cannot be rendered without the checkpoint.
//!
//! `end` is the last line: a log without it was cut off, or its performance was interrupted or has not ended. The logs that
//! earlier versions saved beside recordings have none.
//!
//! A log saved beside a recording covers the session up to the recording's end. It starts where the file that
//! contains the recording's start does: at the start of the session or, if the log was continued in that file, at the
//! file's checkpoint. Its header gives the frames of the recording (`take`, a half-open range), and only those are
//! rendered. `gap` gives frames that the recorder lost, where the recording is silent but the render is not.

mod line;

use std::io::{self, BufRead, Read, Write};
use std::ops::{ControlFlow, Range};

use thiserror::Error;

use crate::event::parameter::{Param, Value, quoted, unquoted};
use crate::event::{ControlEvent, SpliceOutcome};

/// Maximum line length in bytes; a parameter's text and address are far shorter.
const MAX_LINE: u64 = 65_536;
const MAGIC: &str = "melos-control-log 1";

/// The initial state of a performance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Header {
    /// Version of Melos that wrote the log.
    pub version: String,
    /// Name and hash of the model.
    pub model: String,
    /// Seed for all random choices.
    pub seed: u64,
    /// Initial parameter values, in the order in which they apply; all others are the defaults.
    pub settings: Vec<(Param, Value)>,
    /// The frame of the checkpoint at which the log starts; `None` for the start of the session.
    pub start_frame: Option<u64>,
    /// Frames of a recording; `None` for the log of a whole session.
    pub take: Option<Range<u64>>,
    /// Frames that the recorder lost, where the recording is silent.
    pub gaps: Vec<Range<u64>>,
}

/// A line of the log after the header.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// An event was applied.
    Event(ControlEvent),
    /// A splice was not carried out at the frame it was planned for.
    Splice {
        /// The frame it was planned for.
        planned: u64,
        /// How it was carried out instead; `None` if a newer plan superseded it.
        outcome: Option<SpliceOutcome>,
    },
    /// The generator was late: frames are missing, and its music resumed after them.
    Resume {
        /// Number of splices that the generator had processed before the gap.
        splices: u64,
        /// First frame of the gap.
        missing: u64,
        /// First frame after the gap.
        at: u64,
    },
    /// The engine had rejected commands and was resynchronized with the conductor.
    Reconciled {
        /// The commands that the engine missed, counted from the start of the performance.
        lost: Range<u64>,
    },
    /// The engine executed commands at a frame other than the one they were sent for.
    Executed {
        /// The commands, counted from the start of the performance.
        commands: Range<u64>,
        /// The frame they were sent for.
        due: u64,
        /// The frame at which they took effect.
        at: u64,
    },
    /// A checkpoint was taken. It contains the effects of all lines before this one.
    Checkpoint,
    /// The performance ended.
    End,
}

/// A complete performance, as read from a log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ControlLog {
    /// The initial state.
    pub header: Header,
    /// The events with their horizon frames, in order.
    pub entries: Vec<(u64, Entry)>,
}

/// Why a control log cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// A line is invalid.
    #[error("line {number}: cannot parse {text:?}: {hint}")]
    Line {
        /// Number of the line, from 1.
        number: usize,
        /// The text.
        text: String,
        /// What was expected.
        hint: String,
    },
}

/// The text of a control log, collected during the performance.
#[derive(Debug)]
pub struct LogText(String);

impl LogText {
    /// Starts a log.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        let mut lines = vec![
            MAGIC.to_owned(),
            format!("version {}", quoted(&header.version)),
            format!("model {}", quoted(&header.model)),
            format!("seed {}", header.seed),
        ];
        lines.extend(header.start_frame.map(|frame| format!("begins {frame}")));
        lines.extend(header.take.as_ref().map(line::format_take));
        lines.extend(header.gaps.iter().map(line::format_gap));
        lines.extend(
            header.settings.iter().map(|(param, value)| format!("start {}", line::format_setting(*param, value))),
        );
        Self(lines.join("\n") + "\n")
    }

    /// Adds a line.
    pub fn add(&mut self, frame: u64, entry: &Entry) {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{frame} {}", line::format_entry(entry));
    }

    /// Returns the number of bytes added since the last call to [`LogText::take`].
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    /// Removes and returns the text added since the last call.
    #[must_use]
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// Returns whether a file may be a control log, according to its beginning: it starts like one, or is empty or zeroed, as a
/// power cut may leave it.
///
/// # Errors
/// When it cannot be read.
pub fn may_be_log(from: impl Read) -> io::Result<bool> {
    let mut start = Vec::new();
    from.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(MAGIC.as_bytes().starts_with(&start) || start.iter().all(|byte| *byte == 0))
}

/// Returns the line that ends a log whose last lines are `lines`, at `frame` or, if it is later, at the frame of the last
/// line.
#[must_use]
pub fn end_line(lines: &[u8], frame: u64) -> String {
    let last = lines.rsplit(|byte| *byte == b'\n').find_map(line::frame_of);
    format!("{} {}\n", last.map_or(frame, |last| frame.max(last)), line::format_entry(&Entry::End))
}

/// Copies the log of a session, adding the frames of a recording and its gaps to the header, and an end unless the log was
/// cut off within a line.
///
/// # Errors
/// When `from` cannot be read or is not a log, or `to` cannot be written.
pub fn copy_for_take(
    mut from: impl BufRead,
    mut to: impl Write,
    frames: &Range<u64>,
    gaps: &[Range<u64>],
) -> io::Result<()> {
    let mut magic = String::new();
    from.by_ref().take(MAX_LINE).read_line(&mut magic)?;
    if magic.trim_end() != MAGIC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a control log"));
    }
    writeln!(to, "{MAGIC}\n{}", line::format_take(frames))?;
    for gap in gaps {
        writeln!(to, "{}", line::format_gap(gap))?;
    }
    let (mut line, mut last) = (Vec::new(), Vec::new());
    while from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        if !line.ends_with(b"\n") {
            // The last line was cut off, or a line is too long to be valid, so the copy has no end either.
            io::copy(&mut from, &mut to)?;
            return to.flush();
        }
        std::mem::swap(&mut line, &mut last);
        line.clear();
    }
    to.write_all(end_line(&last, frames.end).as_bytes())?;
    to.flush()
}

impl ControlLog {
    /// Returns the frames to render: those of the take, otherwise everything up to the last entry.
    #[must_use]
    pub fn frames(&self) -> Range<u64> {
        let start = self.header.start_frame.unwrap_or(0);
        let session = start..self.entries.last().map_or(start, |(frame, _)| start.max(*frame));
        self.header.take.clone().unwrap_or(session)
    }

    /// Reads a whole log. A truncated log (after a crash or a full disk) is read up to its last complete line, with a
    /// warning, as is one without an end.
    ///
    /// # Errors
    /// When it cannot be read or a line is invalid; the error names the line.
    pub fn read(from: impl BufRead) -> Result<Self, LogError> {
        let mut log = Self::default();
        let missing = |number, hint| LogError::Line { number, text: String::new(), hint };
        let truncated = read_lines(from, |keyword, rest| log.read_line(keyword, rest).map(ControlFlow::Continue))?;
        match truncated {
            Some(1) => return Err(missing(1, format!("expected {MAGIC:?}"))),
            _ if log.header.version.is_empty() => return Err(missing(2, "expected the version".to_owned())),
            Some(number) => tracing::warn!("line {number} of the control log is incomplete; what followed is missing"),
            None if !log.has_end() => tracing::warn!(
                "the control log has no end: its performance was interrupted or is still in progress, or its last lines are \
                 missing"
            ),
            None => {}
        }
        Ok(log)
    }

    fn has_end(&self) -> bool {
        matches!(self.entries.last(), Some((_, Entry::End)))
    }

    fn read_line(&mut self, keyword: &str, rest: &str) -> Result<(), String> {
        if self.header.read_line(keyword, rest)? {
            return Ok(());
        }
        let frame = line::read_frame(keyword).map_err(|hint| format!("at the start: {hint}"))?;
        let start = self.header.start_frame.unwrap_or(0);
        let previous = self.entries.last().map_or(start, |(frame, _)| start.max(*frame));
        if frame < previous {
            return Err(format!("frames must not decrease; the previous line has {previous}"));
        }
        self.entries.push((frame, line::read_entry(rest)?));
        Ok(())
    }
}

impl Header {
    /// Reads the header of a log and nothing after it. A truncated header is read up to its last complete line.
    ///
    /// # Errors
    /// When it cannot be read or a line is invalid; the error names the line.
    pub fn read(from: impl BufRead) -> Result<Self, LogError> {
        let mut header = Self::default();
        read_lines(from, |keyword, rest| {
            let is_header = header.read_line(keyword, rest)?;
            Ok(if is_header { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(header)
    }

    /// Reads a line if it belongs to the header, and returns whether it does.
    fn read_line(&mut self, keyword: &str, rest: &str) -> Result<bool, String> {
        match keyword {
            "version" => {
                self.version = unquoted(rest)?;
                // Version 0.1 did not recall phrases, so its logs are rendered without recall.
                if self.version.starts_with("0.1.") {
                    self.settings.push((Param::Recall, Value::Number(0.0)));
                }
            }
            "model" => self.model = unquoted(rest)?,
            "seed" => self.seed = line::read_number(rest)?,
            "begins" => self.start_frame = Some(line::read_frame(rest)?),
            "take" => self.take = Some(line::read_frames(rest)?),
            "gap" => self.gaps.push(line::read_frames(rest)?),
            "start" => self.settings.push(line::read_setting(rest)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Passes the lines of a log, each as its first word and the rest, to a function until it breaks off or refuses a line,
/// giving the reason. Returns the number of the last line if it is incomplete; an empty log has an incomplete first line.
fn read_lines(
    mut from: impl BufRead,
    mut read: impl FnMut(&str, &str) -> Result<ControlFlow<()>, String>,
) -> Result<Option<usize>, LogError> {
    let mut text = String::new();
    for number in 1.. {
        text.clear();
        from.by_ref().take(MAX_LINE).read_line(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                LogError::Line { number, text: String::new(), hint: "the line is not UTF-8 text".to_owned() }
            }
            _ => error.into(),
        })?;
        if text.len() as u64 == MAX_LINE && !text.ends_with('\n') {
            let hint = format!("a line must be shorter than {MAX_LINE} bytes");
            return Err(LogError::Line { number, text: text.chars().take(60).collect(), hint });
        }
        // A truncated line may parse as a valid line with a different number, so it is ignored.
        let Some(line) = text.strip_suffix('\n') else {
            return Ok(Some(number).filter(|_| number == 1 || !text.is_empty()));
        };
        // Editors on other systems may have changed the encoding.
        let line = line.strip_suffix('\r').unwrap_or(line);
        let error = |hint| LogError::Line { number, text: line.to_owned(), hint };
        if number == 1 {
            if line.trim_start_matches('\u{feff}') != MAGIC {
                return Err(error(format!("expected {MAGIC:?}")));
            }
        } else if !line.trim().is_empty() {
            let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
            if read(keyword, rest).map_err(error)?.is_break() {
                break;
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
