//! Reloads presets, scenes, setlists, mappings and the configuration on a separate thread when their files change, so that the
//! performance never waits for a disk.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{fs, io};

use crate::event::{Part, Troubles};
use crate::files::config::{Config, ConfigSource};
use crate::files::document::{Document, Problem};
use crate::files::library::{Library, is_item};
use crate::files::preset::Preset;
use crate::files::scene::Scene;
use crate::files::setlist::Setlist;
use crate::files::watch::{Changed, watch};
use crate::files::{SearchPath, text};
use crate::generator::model::find_model;
use crate::midi::mapping::Mapping;
use crate::quote::listed;
use crate::threads;

/// Maximum number of problems logged at a time.
const MAX_LOGGED: usize = 16;

/// The current contents of the files.
#[derive(Debug)]
pub(super) struct Reloaded {
    /// All presets, in their last valid state if their files are invalid.
    pub(super) presets: Library<Preset>,
    /// All scene files, in their last valid state if they are invalid.
    pub(super) scenes: Library<Scene>,
    /// All setlists, in their last valid state if their files are invalid.
    pub(super) setlists: Library<Setlist>,
    /// Names of the presets that are new or have changed.
    pub(super) changed: Vec<String>,
    /// Names of the scene files that are new or have changed.
    pub(super) changed_scenes: Vec<String>,
    /// All mappings, if any changed.
    pub(super) mappings: Option<Vec<Mapping>>,
    /// The configuration, if it changed.
    pub(super) config: Option<Config>,
}

/// The files that can change while playing.
pub(super) struct Files {
    pub(super) presets: Library<Preset>,
    pub(super) mappings: Library<Mapping>,
    pub(super) scenes: Library<Scene>,
    pub(super) setlists: Library<Setlist>,
    pub(super) config: Config,
    source: ConfigSource,
    search_path: SearchPath,
    /// The configuration file at the last check, if there was one.
    config_file: Option<PathBuf>,
    /// The last problems found.
    reported: Vec<Problem>,
    troubles: Troubles,
}

impl Files {
    /// Reads all files. Invalid presets, mappings, scenes and setlists are logged and ignored.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub(super) fn read(
        source: ConfigSource,
        search_path: &SearchPath,
        troubles: Troubles,
    ) -> Result<Self, Vec<Problem>> {
        let config = source.read()?;
        let (presets, preset_problems) = Library::open(search_path.candidates("presets"), Preset::read);
        let (mappings, mapping_problems) = Library::open(search_path.candidates("mappings"), Mapping::read);
        let (scenes, scene_problems) = Library::open_optional(search_path.candidates("scenes"), Scene::read);
        let (setlists, setlist_problems) = Library::open_optional(search_path.candidates("setlists"), Setlist::read);
        let reported = [preset_problems, mapping_problems, scene_problems, setlist_problems].concat();
        reported.iter().take(MAX_LOGGED).for_each(|problem| tracing::warn!("{problem}; ignored"));
        log_more(reported.len().saturating_sub(MAX_LOGGED));
        let config_file = existing_file(&source);
        let search_path = search_path.clone();
        let files =
            Self { presets, mappings, scenes, setlists, config, source, search_path, config_file, reported, troubles };
        files.report_problems();
        Ok(files)
    }

    /// Watches the files. Returns a sender that requests a check, and a receiver for changes, which are delivered one
    /// at a time.
    ///
    /// # Errors
    /// When no thread can be created.
    pub(super) fn watch(mut self, search_path: &SearchPath) -> io::Result<(SyncSender<Changed>, Receiver<Reloaded>)> {
        let (requests, changed) = sync_channel(1);
        let (sender, reloads) = sync_channel(1);
        let mut files = ["presets", "mappings", "scenes", "setlists"].map(|kind| search_path.candidates(kind)).concat();
        files.extend(self.source.files.iter().cloned());
        watch(files, is_item, requests.clone(), self.troubles.clone())?;
        threads::spawn_restarting("melos-reload", move || self.run(&changed, &sender))?;
        Ok((requests, reloads))
    }

    /// Reads the files after every save and request until the receiver is dropped. Also reads them once at the start,
    /// since a file may have been saved before watching began.
    fn run(&mut self, changed: &Receiver<Changed>, sender: &SyncSender<Reloaded>) {
        let mut reloaded = self.scan();
        while sender.send(reloaded).is_ok()
            && let Ok(Changed(paths)) = changed.recv()
        {
            let is_request = paths.is_empty();
            // A problem is logged again whenever its file is saved and on every request.
            let saved = |problem: &Problem| paths.iter().any(|path| path.file_name() == problem.file.file_name());
            self.reported.retain(|problem| !is_request && !saved(problem));
            reloaded = self.scan();
            let has_changes = !(reloaded.changed.is_empty() && reloaded.changed_scenes.is_empty())
                || reloaded.mappings.is_some()
                || reloaded.config.is_some();
            if is_request && !has_changes && self.reported.is_empty() {
                tracing::info!("files read again; no changes");
            }
        }
    }

    /// Reads all files again and logs new problems.
    fn scan(&mut self) -> Reloaded {
        let (presets, mappings) = (self.presets.reload(), self.mappings.reload());
        let (scenes, setlists) = (self.scenes.reload(), self.setlists.reload());
        let new_mappings = mappings.has_changes().then(|| self.mappings.values().cloned().collect());
        let (config, config_problems) = match self.changed_config() {
            Ok(config) => (config, Vec::new()),
            Err(problems) => (None, problems),
        };
        let file = self.source.file().to_owned();
        let problems: Vec<Problem> =
            [presets.problems, mappings.problems, scenes.problems, setlists.problems, config_problems].concat();
        let mut new = problems.iter().filter(|problem| !self.reported.contains(problem));
        for problem in new.by_ref().take(MAX_LOGGED) {
            tracing::warn!("{problem}; {}", self.consequence(problem));
        }
        log_more(new.count());
        self.reported = problems;
        self.report_problems();
        let mut changed = [presets.changed.as_slice(), &mappings.changed, &scenes.changed, &setlists.changed].concat();
        let mut removed = [presets.removed.as_slice(), &mappings.removed, &scenes.removed, &setlists.removed].concat();
        let restored = [presets.restored, mappings.restored, scenes.restored, setlists.restored].concat();
        changed.extend(config.is_some().then(|| file.display().to_string()));
        removed.extend(self.removed_config().map(|file| file.display().to_string()));
        for (files, message) in [
            (changed, "reloaded"),
            (removed, "files removed; the settings they applied stay in effect"),
            (restored, "files restored unchanged"),
        ] {
            if !files.is_empty() {
                tracing::info!(files = listed(files.iter().map(String::as_str)), "{message}");
            }
        }
        Reloaded {
            presets: self.presets.clone(),
            scenes: self.scenes.clone(),
            setlists: self.setlists.clone(),
            changed: presets.changed,
            changed_scenes: scenes.changed,
            mappings: new_mappings,
            config,
        }
    }

    /// Says what a problem means for what is playing.
    fn consequence(&self, problem: &Problem) -> &'static str {
        let name = problem.file.file_stem().unwrap_or_default().to_string_lossy();
        let has_good_state = self.presets.get(&name).is_some()
            || self.mappings.get(&name).is_some()
            || self.scenes.get(&name).is_some()
            || self.setlists.get(&name).is_some()
            || problem.file == self.source.file()
            // The contents of a folder are kept when it cannot be read or is gone.
            || !is_item(&problem.file);
        if has_good_state { "keeping the last good state" } else { "ignored" }
    }

    /// Shows the problems in the status without logging them again, or clears them there if there are none.
    fn report_problems(&self) {
        match self.reported.as_slice() {
            [] => self.troubles.clear(Part::Files),
            [problem, more @ ..] => {
                let others = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
                self.troubles.set_unlogged(Part::Files, &format!("{problem}{others}"));
            }
        }
    }

    /// Returns the configuration file that was in use at the last call, if it has been removed since.
    fn removed_config(&mut self) -> Option<PathBuf> {
        let previous = std::mem::replace(&mut self.config_file, existing_file(&self.source));
        previous.filter(|file| !file.exists())
    }

    /// Reads the configuration and returns it if it has changed; removing the file changes nothing.
    fn changed_config(&mut self) -> Result<Option<Config>, Vec<Problem>> {
        let file = self.source.file();
        if !file.exists() {
            return Ok(None);
        }
        let config = self.source.read()?;
        let changed = config != self.config;
        if changed && fs::metadata(file).is_ok_and(|metadata| metadata.len() == 0) {
            let hint =
                "the file is empty, as after a save that failed; to return to the defaults, write a comment into it";
            return Err(vec![Problem::of_file(file, hint)]);
        }
        if let Some(problem) = self.model_problem(&config) {
            return Err(vec![problem]);
        }
        self.config.clone_from(&config);
        Ok(changed.then_some(config))
    }

    /// Returns why the next start would fail to find the model of a new configuration. The model in use may go away; that
    /// is noticed elsewhere.
    fn model_problem(&self, config: &Config) -> Option<Problem> {
        let error = find_model(&self.search_path, &config.model).err().filter(|_| config.model != self.config.model)?;
        let file = self.source.file();
        let text = text(file).ok()?;
        let (document, mut root) = Document::parse(file, &text);
        let field = root.take("model")?;
        Some(document.problem(field.span, &field.key, error.to_string()))
    }
}

/// Returns the configuration file in use, if there is one.
fn existing_file(source: &ConfigSource) -> Option<PathBuf> {
    Some(source.file().to_owned()).filter(|file| file.exists())
}

/// Logs how many more problems there are.
fn log_more(count: usize) {
    if count > 0 {
        tracing::warn!(
            "further problems in presets, scenes, setlists, mappings and the configuration: {count}; `melos check` lists them"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// Far longer than needed, so that only a failing test waits this long.
    const TIMEOUT: Duration = Duration::from_secs(20);

    fn read(folder: &Path) -> Files {
        for name in ["presets", "mappings"] {
            let _ = fs::create_dir(folder.join(name));
        }
        let source =
            ConfigSource { files: vec![folder.join("melos.toml")], required: false, overrides: Box::new(|_| {}) };
        Files::read(source, &SearchPath::only(folder), Troubles::default()).unwrap()
    }

    #[test]
    fn a_preset_that_is_moved_away_and_back_is_not_reloaded() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = read(dir.path());
        let (path, moved) = (dir.path().join("presets/one.toml"), dir.path().join("one.away"));
        fs::write(&path, "schema = 1\nname = \"One\"\nemotion = \"sad\"\n").unwrap();
        assert_eq!(files.scan().changed, ["one"]);
        fs::rename(&path, &moved).unwrap();
        assert!(files.scan().presets.get("one").is_none());
        fs::rename(&moved, &path).unwrap();
        let restored = files.scan();
        assert!(restored.presets.get("one").is_some() && restored.changed.is_empty());
    }

    #[test]
    fn a_folder_that_goes_away_keeps_its_last_good_files() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = read(dir.path());
        let folder = dir.path().join("presets");
        fs::write(folder.join("one.toml"), "schema = 1\nname = \"One\"\nemotion = \"sad\"\n").unwrap();
        fs::write(folder.join("two.toml"), "").unwrap();
        files.scan();
        let consequence = |files: &Files, file: &Path| {
            let problem = files.reported.iter().find(|problem| problem.file == file).expect("it should be reported");
            files.consequence(problem)
        };
        assert_eq!(consequence(&files, &folder.join("two.toml")), "ignored");
        fs::remove_dir_all(&folder).unwrap();
        assert!(files.scan().presets.get("one").is_some());
        assert_eq!(consequence(&files, &folder), "keeping the last good state");
    }

    #[test]
    fn a_removed_configuration_is_named_by_its_own_path() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own.toml");
        fs::write(&own, "").unwrap();
        let files = vec![own.clone(), dir.path().join("melos.toml")];
        let source = ConfigSource { files, required: false, overrides: Box::new(|_| {}) };
        let mut files = Files::read(source, &SearchPath::only(dir.path()), Troubles::default()).unwrap();
        assert_eq!(files.removed_config(), None);
        fs::remove_file(&own).unwrap();
        assert_eq!(files.removed_config(), Some(own.clone()));
        assert_eq!(files.removed_config(), None);
        // A folder in its place is a problem, but removes nothing.
        fs::write(&own, "").unwrap();
        files.removed_config();
        fs::remove_file(&own).unwrap();
        fs::create_dir(&own).unwrap();
        assert_eq!(files.removed_config(), None);
    }

    #[test]
    fn pipes_are_reported_without_blocking() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = read(dir.path());
        for name in ["presets/x.toml", "melos.toml"] {
            assert!(std::process::Command::new("mkfifo").arg(dir.path().join(name)).status().unwrap().success());
            files.scan();
            assert!(files.troubles.now().0[&Part::Files].contains("regular file"), "{name}");
            fs::remove_file(dir.path().join(name)).unwrap();
            files.scan();
            assert!(files.troubles.now().0.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_model_that_does_not_exist_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = read(dir.path());
        let (config, model) = (dir.path().join("melos.toml"), dir.path().join("models/harp"));
        fs::write(&config, "# The model\nmodel = \"harp\"\n").unwrap();
        assert!(files.scan().config.is_none());
        let trouble = files.troubles.now().0[&Part::Files].clone();
        assert!(trouble.contains("melos.toml:2: model = \"harp\": ") && trouble.contains("models/harp"), "{trouble}");
        fs::create_dir_all(&model).unwrap();
        fs::write(model.join("model.toml"), "").unwrap();
        assert_eq!(files.scan().config.map(|config| config.model), Some("harp".to_owned()));
        assert!(files.troubles.now().0.is_empty());
    }

    #[test]
    fn an_emptied_configuration_is_not_taken_for_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("melos.toml");
        fs::write(&config, "[audio]\nblock_frames = 512\n").unwrap();
        let mut files = read(dir.path());
        fs::write(&config, "").unwrap();
        assert_eq!(files.scan().config, None);
        assert!(files.troubles.now().0[&Part::Files].contains("the file is empty"), "{:?}", files.troubles);
        fs::write(&config, "# The defaults.\n").unwrap();
        assert_eq!(files.scan().config.unwrap().audio.block_frames, None);
        assert!(!files.troubles.now().0.contains_key(&Part::Files));
    }

    #[test]
    fn saved_files_are_reloaded_and_invalid_ones_keep_the_old_state() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["presets", "mappings"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let preset = dir.path().join("presets/one.toml");
        let mapping = dir.path().join("mappings/box.toml");
        fs::write(&preset, "schema = 1\nname = \"One\"\nemotion = \"sad\"\n").unwrap();
        let config = dir.path().join("melos.toml");
        let files = read(dir.path());
        let first = files.presets.get("one").unwrap().clone();
        let (requests, reloads) = files.watch(&SearchPath::only(dir.path())).unwrap();
        assert!(reloads.recv_timeout(TIMEOUT).unwrap().changed.is_empty());

        fs::write(&preset, "schema = 1\nname = \"One\"\nemotion = \"sat\"\n").unwrap();
        let reloaded = reloads.recv_timeout(TIMEOUT).unwrap();
        assert_eq!((reloaded.presets.get("one"), reloaded.changed.len()), (Some(&first), 0));

        fs::write(&preset, "schema = 1\nname = \"One\"\nemotion = \"calm\"\n").unwrap();
        let reloaded = reloads.recv_timeout(TIMEOUT).unwrap();
        assert_eq!(reloaded.changed, ["one"]);
        assert!(reloaded.presets.get("one") != Some(&first) && reloaded.mappings.is_none());

        fs::write(&mapping, "schema = 1\nname = \"Box\"\n").unwrap();
        assert_eq!(reloads.recv_timeout(TIMEOUT).unwrap().mappings.unwrap().len(), 1);

        fs::write(&config, "[audio]\nblock_frames = \"big\"\n").unwrap();
        assert_eq!(reloads.recv_timeout(TIMEOUT).unwrap().config, None);
        fs::write(&config, "[audio]\nblock_frames = 512\n").unwrap();
        assert_eq!(reloads.recv_timeout(TIMEOUT).unwrap().config.unwrap().audio.block_frames, Some(512));

        fs::remove_file(&preset).unwrap();
        let reloaded = reloads.recv_timeout(TIMEOUT).unwrap();
        assert_eq!((reloaded.presets.get("one"), reloaded.changed.len()), (None, 0));

        requests.send(Changed(Vec::new())).unwrap();
        assert!(reloads.recv_timeout(TIMEOUT).unwrap().changed.is_empty());
    }
}
