//! Lists that the performance thread writes and HTTP requests read; both hold the lock only while they compare or copy
//! a list.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::event::notice::Revisions;
use crate::event::parameter::{Param, Value};
use crate::files::library::Library;
use crate::files::preset::Preset;
use crate::files::setlist::{Entry, Setlist};
use crate::midi::mapping::{LearnedControl, LiveMappings};
use crate::music::emotion::{Affect, Emotion, Mood};
use crate::output::record::{Destination, RecorderStatus};

/// Minimum weight at which an emotion is named in the description of a mood.
const MIN_WEIGHT: f32 = 0.2;

/// A preset as listed by the API.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PresetInfo {
    /// The value for `/melos/preset`.
    id: String,
    name: String,
    description: String,
    /// The steps of its journey.
    journey: Vec<StepInfo>,
    repeats: bool,
}

impl PresetInfo {
    pub(super) fn id_and_name(&self) -> (&str, &str) {
        (&self.id, &self.name)
    }
}

/// A step of a journey.
#[derive(Debug, Clone, Serialize)]
struct StepInfo {
    /// The mood in words, such as `calm and sad`.
    mood: String,
    seconds: f64,
}

/// The current position in the preset's journey.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct JourneyProgress {
    /// The step, counted from 1.
    pub(crate) step: usize,
    pub(crate) steps: usize,
    /// Seconds until the next step; `None` in the last step of a journey that does not repeat.
    pub(crate) seconds_left: Option<f64>,
}

/// The state of the recorder.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Recording {
    pub(crate) on: bool,
    /// Length of the current or last take in seconds.
    pub(crate) seconds: f64,
    /// Name of the file being written, or of the last one written.
    pub(crate) name: Option<String>,
    /// Why the last take failed.
    pub(crate) trouble: Option<String>,
}

/// MIDI devices and learned controls.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Midi {
    devices: Vec<DeviceInfo>,
    learned: Vec<LearnedInfo>,
    /// The parameter being learned.
    learning: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct DeviceInfo {
    name: String,
    /// Names of the mappings written for this device.
    mappings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct LearnedInfo {
    device: String,
    parameters: Vec<&'static str>,
    /// The `[[bind]]` block of the learned control.
    block: String,
}

/// A setlist as listed by the API.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SetlistInfo {
    /// The value for `/melos/setlist`.
    id: String,
    name: String,
    entries: Vec<EntryInfo>,
}

#[derive(Debug, Clone, Serialize)]
struct EntryInfo {
    /// `preset` or `scene`.
    kind: &'static str,
    name: String,
    note: String,
}

#[derive(Debug, Default)]
struct Lists {
    presets: Arc<[PresetInfo]>,
    setlists: Arc<[SetlistInfo]>,
    journey: Option<JourneyProgress>,
    scenes: Arc<[String]>,
    midi: Midi,
    recording: Recording,
    /// Where takes are stored; `None` while the daemon is starting.
    destination: Option<Destination>,
    /// Which takes are in use; `None` while the daemon is starting.
    recorder: Option<Arc<RecorderStatus>>,
}

/// The shared lists, and how often each has changed.
#[derive(Debug, Default)]
pub(crate) struct ApiState {
    lists: Mutex<Lists>,
    presets: AtomicU32,
    scenes: AtomicU32,
    midi: AtomicU32,
    takes: AtomicU32,
    pieces: AtomicU32,
}

/// The methods for the performance thread, which writes the lists.
impl ApiState {
    pub(crate) fn set_presets(&self, presets: &Library<Preset>, setlists: &Library<Setlist>) {
        let presets = presets.names().filter_map(|id| presets.get(id).map(|preset| preset_info(id, preset))).collect();
        let setlists =
            setlists.names().filter_map(|id| setlists.get(id).map(|setlist| setlist_info(id, setlist))).collect();
        let mut lists = self.lists();
        (lists.presets, lists.setlists) = (presets, setlists);
        drop(lists);
        self.presets.fetch_add(1, Relaxed);
    }

    pub(crate) fn set_journey(&self, progress: Option<JourneyProgress>) {
        let step = |progress: &Option<JourneyProgress>| progress.map(|progress| progress.step);
        let mut lists = self.lists();
        if step(&lists.journey) != step(&progress) {
            self.presets.fetch_add(1, Relaxed);
        }
        lists.journey = progress;
    }

    /// Updates the scene names; returns whether they have changed.
    pub(crate) fn set_scenes<'a, I: Iterator<Item = &'a str>>(&self, names: impl Fn() -> I) -> bool {
        let mut lists = self.lists();
        let changed = !lists.scenes.iter().map(String::as_str).eq(names());
        if changed {
            lists.scenes = names().map(str::to_owned).collect();
            self.scenes.fetch_add(1, Relaxed);
        }
        changed
    }

    pub(crate) fn set_midi(&self, mappings: &LiveMappings, learning: Option<Param>) {
        let devices = mappings.devices().map(|(name, mappings)| DeviceInfo { name: name.to_owned(), mappings });
        let learned = mappings.learned().map(learned_info);
        let learning = learning.map(|param| param.spec().id);
        let midi = Midi { devices: devices.collect(), learned: learned.collect(), learning };
        let mut lists = self.lists();
        if lists.midi != midi {
            lists.midi = midi;
            self.midi.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn set_recording(&self, recording: Recording) {
        let mut lists = self.lists();
        if (lists.recording.on, &lists.recording.trouble) != (recording.on, &recording.trouble) {
            self.takes.fetch_add(1, Relaxed);
        }
        lists.recording = recording;
    }

    pub(crate) fn set_destination(&self, destination: Destination) {
        self.lists().destination = Some(destination);
    }

    pub(crate) fn set_recorder(&self, recorder: Arc<RecorderStatus>) {
        self.lists().recorder = Some(recorder);
    }

    pub(crate) fn revisions(&self) -> Revisions {
        Revisions {
            presets: self.presets.load(Relaxed),
            scenes: self.scenes.load(Relaxed),
            midi: self.midi.load(Relaxed),
            takes: self.takes.load(Relaxed),
            pieces: self.pieces.load(Relaxed),
        }
    }
}

/// The methods for HTTP requests, which read the lists and change takes and pieces.
impl ApiState {
    pub(super) fn presets(&self) -> (Arc<[PresetInfo]>, Option<JourneyProgress>) {
        let lists = self.lists();
        (Arc::clone(&lists.presets), lists.journey)
    }

    pub(super) fn setlists(&self) -> Arc<[SetlistInfo]> {
        Arc::clone(&self.lists().setlists)
    }

    pub(super) fn scenes(&self) -> Arc<[String]> {
        Arc::clone(&self.lists().scenes)
    }

    pub(super) fn midi(&self) -> Midi {
        self.lists().midi.clone()
    }

    pub(super) fn recording(&self) -> Recording {
        self.lists().recording.clone()
    }

    /// Returns where takes are stored; `None` while the daemon is starting.
    pub(super) fn destination(&self) -> Option<Destination> {
        self.lists().destination.clone()
    }

    /// Returns the recorder's status; `None` while the daemon is starting.
    pub(super) fn recorder(&self) -> Option<Arc<RecorderStatus>> {
        self.lists().recorder.clone()
    }

    /// Reports that the takes on disk have changed.
    pub(crate) fn takes_changed(&self) {
        self.takes.fetch_add(1, Relaxed);
    }

    /// Reports that a piece has changed.
    pub(super) fn pieces_changed(&self) {
        self.pieces.fetch_add(1, Relaxed);
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        // Every list is replaced as a whole, so a panic elsewhere leaves the lists readable.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Midi {
    /// Returns a mapping file with all learned controls of a device; `None` if there are none.
    pub(super) fn mapping_file(&self, device: &str) -> Option<String> {
        let blocks: Vec<_> = self
            .learned
            .iter()
            .filter(|learned| learned.device == device)
            .map(|learned| learned.block.trim())
            .collect();
        let name = toml::Value::from(device);
        let head = format!("schema = 1\nname = {name}\n\n[device]\nport_contains = {name}\n");
        (!blocks.is_empty()).then(|| format!("{head}\n{}\n", blocks.join("\n\n")))
    }
}

fn learned_info(learned: &LearnedControl) -> LearnedInfo {
    let parameters = learned.parameters().map(|param| param.spec().id).collect();
    LearnedInfo { device: learned.device.clone(), parameters, block: learned.block.clone() }
}

fn preset_info(id: &str, preset: &Preset) -> PresetInfo {
    let step =
        |step: &crate::files::preset::Step| StepInfo { mood: describe_mood(&step.settings), seconds: step.seconds };
    PresetInfo {
        id: id.to_owned(),
        name: preset.name.clone(),
        description: preset.description.clone(),
        journey: preset.journey.iter().map(step).collect(),
        repeats: preset.repeats,
    }
}

fn setlist_info(id: &str, setlist: &Setlist) -> SetlistInfo {
    let entry = |entry: &Entry| {
        let (kind, name) = entry.cue.kind_and_name();
        EntryInfo { kind, name: name.to_owned(), note: entry.note.clone() }
    };
    SetlistInfo { id: id.to_owned(), name: setlist.name.clone(), entries: setlist.entries.iter().map(entry).collect() }
}

/// Returns the strongest emotions of the mood that a step sets, strongest first, such as `calm and sad`.
fn describe_mood(settings: &[(Param, Value)]) -> String {
    let (mut weights, mut affect) = ([0.0; Emotion::COUNT], None);
    for (param, value) in settings {
        match (param, value) {
            (Param::Emotion, Value::Choice(position)) => {
                weights.fill(0.0);
                weights.iter_mut().skip(usize::from(*position)).take(1).for_each(|weight| *weight = 1.0);
            }
            (Param::Valence, Value::Number(valence)) => affect.get_or_insert(Affect::default()).valence = *valence,
            (Param::Arousal, Value::Number(arousal)) => affect.get_or_insert(Affect::default()).arousal = *arousal,
            (param, Value::Number(weight)) => {
                param.weighted_emotion().into_iter().for_each(|emotion| weights[emotion as usize] = *weight);
            }
            _ => {}
        }
    }
    let mood = affect.map_or_else(|| Mood::blend(weights), Mood::at);
    let mut named: Vec<_> =
        Emotion::ALL.into_iter().zip(mood.weights()).filter(|(_, weight)| **weight >= MIN_WEIGHT).collect();
    named.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    named.iter().map(|(emotion, _)| emotion.name()).collect::<Vec<_>>().join(" and ")
}

/// Returns whether a name is acceptable for a file: it contains no folder and no control character, is not hidden, and
/// is short enough for any file system.
pub(super) fn is_file_name(name: &str) -> bool {
    let parts = Path::new(name).components();
    let is_plain =
        parts.clone().count() == 1 && parts.clone().all(|part| matches!(part, std::path::Component::Normal(_)));
    is_plain
        && !name.starts_with('.')
        && name.len() <= 120
        && !name.chars().any(|c| c.is_control() || c == '/' || c == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::midi::mapping::Mapping;

    #[test]
    fn a_file_name_cannot_leave_its_folder() {
        for (name, expected) in [
            ("take-1.wav", true),
            ("Évening 3.flac", true),
            ("../x.wav", false),
            ("a/b.wav", false),
            (".hidden.wav", false),
            ("", false),
            ("..", false),
            ("a\\b.wav", false),
            ("a\nb.wav", false),
        ] {
            assert_eq!(is_file_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn saved_mappings_can_be_loaded() {
        let device = "Box \"1\":out";
        let block = "[[bind]]\ncc = 7\nto = \"reverb\"\n";
        let learned = LearnedInfo { device: device.to_owned(), parameters: Vec::new(), block: block.to_owned() };
        let midi = Midi { learned: vec![learned], ..Midi::default() };
        let mapping = Mapping::parse(Path::new("box.toml"), &midi.mapping_file(device).unwrap()).unwrap();
        assert_eq!(mapping.name, device);
        assert!(midi.mapping_file("another").is_none());
    }

    #[test]
    fn moods_are_described_by_their_strongest_emotions() {
        let blend =
            [(Param::Sad, Value::Number(0.3)), (Param::Happy, Value::Number(0.0)), (Param::Calm, Value::Number(0.7))];
        assert_eq!(describe_mood(&blend), "calm and sad");
        let point = [(Param::Valence, Value::Number(0.4)), (Param::Arousal, Value::Number(0.9))];
        assert_eq!(describe_mood(&point), "energetic");
        assert_eq!(describe_mood(&[(Param::Emotion, Value::Choice(Emotion::Angry as u8))]), "angry");
    }

    #[test]
    fn only_a_new_step_counts_as_a_change() {
        let api = ApiState::default();
        let progress = |step, left| Some(JourneyProgress { step, steps: 3, seconds_left: Some(left) });
        api.set_journey(progress(1, 9.0));
        let first = api.revisions();
        api.set_journey(progress(1, 8.0));
        assert_eq!(api.revisions(), first);
        api.set_journey(progress(2, 20.0));
        assert_ne!(api.revisions(), first);
    }
}
