//! Formats and parses lines of the control log.

use std::ops::Range;
use std::str::FromStr;

use super::Entry;
use crate::event::parameter::{Param, Value, quoted};
use crate::event::{ControlEvent, SpliceOutcome};
use crate::units::SAMPLE_RATE;

/// Marks a splice that was not carried out.
const NEVER: &str = "never";
/// Marks where a checkpoint was taken.
const CHECKPOINT: &str = "checkpoint";
/// Maximum number of commands in an `executed` line: more than the engine's queues can hold.
const MAX_COMMANDS: u64 = 8192;
/// The last possible frame, after ten years: no performance is longer, so a later frame is an error.
pub(super) const MAX_FRAME: u64 = 10 * 365 * 24 * 3600 * SAMPLE_RATE as u64;
/// Marks the end of a modulation.
const OFF: &str = "off";

pub(super) fn read_number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("expected a number, not {text:?}"))
}

/// Returns the frame with which a line starts; `None` for a line of the header.
pub(super) fn frame_of(line: &[u8]) -> Option<u64> {
    let number = line.split(|byte| *byte == b' ').next()?;
    str::from_utf8(number).ok()?.parse().ok()
}

pub(super) fn read_frame(text: &str) -> Result<u64, String> {
    let frame = text.parse::<u64>().ok().filter(|frame| *frame <= MAX_FRAME);
    frame.ok_or_else(|| format!("expected a frame number from 0 to {MAX_FRAME} (ten years), not {text:?}"))
}

pub(super) fn format_take(frames: &Range<u64>) -> String {
    format!("take {} {}", frames.start, frames.end)
}

pub(super) fn format_gap(frames: &Range<u64>) -> String {
    format!("gap {} {}", frames.start, frames.end)
}

pub(super) fn read_frames(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once(' ').ok_or("expected two frames")?;
    let frames = read_frame(start)?..read_frame(end)?;
    if frames.is_empty() { Err("expected two increasing frames".to_owned()) } else { Ok(frames) }
}

pub(super) fn format_setting(param: Param, value: &Value) -> String {
    format!("/melos/{} {}", param.spec().id, param.to_text(value)).trim_end().to_owned()
}

pub(super) fn read_setting(text: &str) -> Result<(Param, Value), String> {
    let (address, argument) = text.split_once(' ').unwrap_or((text, ""));
    let param = address
        .strip_prefix("/melos/")
        .and_then(Param::from_id)
        .ok_or_else(|| format!("there is no parameter {address}"))?;
    Ok((param, param.read_text(argument)?))
}

pub(super) fn format_entry(entry: &Entry) -> String {
    match entry {
        Entry::Event(ControlEvent::Set(param, value)) => format_setting(*param, value),
        Entry::Event(ControlEvent::NextBar(param, value)) => format!("next-bar {}", format_setting(*param, value)),
        Entry::Event(ControlEvent::Morph(seconds)) => format!("morph {seconds}"),
        Entry::Event(ControlEvent::Modulate(param, modulation)) => {
            let modulation = modulation.map_or_else(|| OFF.to_owned(), |modulation| modulation.to_string());
            format!("modulate {} {modulation}", param.spec().id)
        }
        Entry::Event(ControlEvent::SceneValue { name, param, value }) => {
            format!("scene {} {}", quoted(name), format_setting(*param, value))
        }
        Entry::Event(ControlEvent::RenameScene { from, to }) => format!("rename-scene {} {}", quoted(from), quoted(to)),
        Entry::Event(ControlEvent::LeadNotes(notes)) => {
            let held = (0..128).filter(|note| notes >> note & 1 == 1);
            held.fold("lead".to_owned(), |line, note| format!("{line} {note}"))
        }
        Entry::Event(ControlEvent::PlayNote { note, velocity }) => format!("note {note} {velocity}"),
        Entry::Event(ControlEvent::Tempo(bpm)) => format!("tempo {bpm}"),
        Entry::Event(ControlEvent::Beat { beat, at }) => format!("beat {beat} {at}"),
        Entry::Splice { planned, outcome: Some(SpliceOutcome { audible_from, from, generated_to }) } => {
            let generated_to = generated_to.map_or_else(String::new, |frame| format!(" {frame}"));
            format!("splice {planned} {audible_from} {from}{generated_to}")
        }
        Entry::Splice { planned, outcome: None } => format!("splice {planned} {NEVER}"),
        Entry::Resume { splices, missing, at } => format!("resume {splices} {missing} {at}"),
        Entry::Reconciled { lost } => format!("reconciled {} {}", lost.start, lost.end),
        Entry::Executed { commands, due, at } => format!("executed {} {} {due} {at}", commands.start, commands.end),
        Entry::Checkpoint => CHECKPOINT.to_owned(),
        Entry::End => "end".to_owned(),
    }
}

pub(super) fn read_entry(text: &str) -> Result<Entry, String> {
    let (keyword, rest) = text.split_once(' ').unwrap_or((text, ""));
    let event = match keyword {
        "morph" => ControlEvent::Morph(read_number(rest)?),
        "next-bar" => {
            let (param, value) = read_setting(rest)?;
            ControlEvent::NextBar(param, value)
        }
        "scene" => read_scene_value(rest)?,
        "rename-scene" => read_scene_names(rest)?,
        "modulate" => read_modulation(rest)?,
        "lead" => ControlEvent::LeadNotes(read_notes(rest)?),
        "note" => read_note(rest)?,
        "tempo" => ControlEvent::Tempo(read_number(rest)?),
        "beat" => {
            let (beat, at) = rest.split_once(' ').ok_or("expected a beat and a frame")?;
            ControlEvent::Beat { beat: read_number(beat)?, at: read_frame(at)? }
        }
        "splice" => {
            return read_splice(rest);
        }
        "resume" => {
            let [splices, missing, at] = rest.split(' ').collect::<Vec<_>>()[..] else {
                return Err("expected a number of splices and two frames".to_owned());
            };
            return Ok(Entry::Resume {
                splices: read_number(splices)?,
                missing: read_frame(missing)?,
                at: read_frame(at)?,
            });
        }
        "reconciled" => {
            let (first, end) = rest.split_once(' ').ok_or("expected two command numbers")?;
            return Ok(Entry::Reconciled { lost: read_number(first)?..read_number(end)? });
        }
        "executed" => {
            let [first, end, due, at] = rest.split(' ').collect::<Vec<_>>()[..] else {
                return Err("expected two command numbers and two frames".to_owned());
            };
            let commands: Range<u64> = read_number(first)?..read_number(end)?;
            if commands.end.saturating_sub(commands.start) > MAX_COMMANDS {
                return Err(format!("expected at most {MAX_COMMANDS} commands"));
            }
            return Ok(Entry::Executed { commands, due: read_frame(due)?, at: read_frame(at)? });
        }
        CHECKPOINT => return Ok(Entry::Checkpoint),
        "end" => return Ok(Entry::End),
        _ => {
            let (param, value) = read_setting(text)?;
            ControlEvent::Set(param, value)
        }
    };
    Ok(Entry::Event(event))
}

fn read_note(text: &str) -> Result<ControlEvent, String> {
    let (note, velocity) = text.split_once(' ').ok_or("expected a MIDI note number and a velocity")?;
    let (note, velocity) = (read_number(note)?, read_number(velocity)?);
    if note > 127 || velocity > 127 {
        return Err(format!("expected a MIDI note number and a velocity up to 127, not {text:?}"));
    }
    Ok(ControlEvent::PlayNote { note, velocity })
}

fn read_splice(text: &str) -> Result<Entry, String> {
    let words: Vec<_> = text.split(' ').collect();
    let outcome = match words[..] {
        [_, NEVER] => None,
        [planned, audible_from] => Some(SpliceOutcome {
            audible_from: read_frame(audible_from)?,
            from: read_frame(planned)?,
            generated_to: None,
        }),
        [_, audible_from, from] => {
            Some(SpliceOutcome { audible_from: read_frame(audible_from)?, from: read_frame(from)?, generated_to: None })
        }
        [_, audible_from, from, generated_to] => Some(SpliceOutcome {
            audible_from: read_frame(audible_from)?,
            from: read_frame(from)?,
            generated_to: Some(read_frame(generated_to)?),
        }),
        _ => return Err(format!("expected two to four frames, or a frame and {NEVER}")),
    };
    Ok(Entry::Splice { planned: read_frame(words[0])?, outcome })
}

fn read_modulation(text: &str) -> Result<ControlEvent, String> {
    let (id, modulation) = text.split_once(' ').ok_or("expected a parameter and a modulation")?;
    let param = Param::from_id(id).filter(|param| param.can_be_modulated());
    let param = param.ok_or_else(|| format!("parameter {id} does not exist or cannot be modulated"))?;
    let modulation = if modulation == OFF { None } else { Some(modulation.parse()?) };
    Ok(ControlEvent::Modulate(param, modulation))
}

fn read_scene_value(text: &str) -> Result<ControlEvent, String> {
    let mut names = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let Some(Ok(name)) = names.next() else { return Err("expected the scene's name in double quotes".to_owned()) };
    let (param, value) = read_setting(text[names.byte_offset()..].trim_start())?;
    Ok(ControlEvent::SceneValue { name, param, value })
}

fn read_scene_names(text: &str) -> Result<ControlEvent, String> {
    let names: Result<Vec<String>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let names = names.ok().and_then(|names| <[String; 2]>::try_from(names).ok());
    let [from, to] = names.ok_or("expected two scene names in double quotes")?;
    Ok(ControlEvent::RenameScene { from, to })
}

fn read_notes(text: &str) -> Result<u128, String> {
    text.split_whitespace().try_fold(0, |notes, word| match read_number::<u32>(word)? {
        note @ 0..128 => Ok(notes | 1u128 << note),
        note => Err(format!("expected a MIDI note from 0 to 127, not {note}")),
    })
}
