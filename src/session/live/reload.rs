//! Presets, mappings and the configuration, read again when their files change, on a thread of its own: the performance
//! never waits for a disk.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::event::{Part, Troubles};
use crate::files::Places;
use crate::files::config::{Config, ConfigSource};
use crate::files::preset::Preset;
use crate::files::watch::{Changed, watch};
use crate::files::{document::Problem, library::Library};
use crate::midi::mapping::Mapping;
use crate::threads;

/// What is on disk now.
#[derive(Debug)]
pub(super) struct Reloaded {
    /// All presets; bad files keep their last good state.
    pub(super) presets: Library<Preset>,
    /// Names of the presets that came or hold something else.
    pub(super) changed: Vec<String>,
    /// All mappings, if any of them changed.
    pub(super) mappings: Option<Vec<Mapping>>,
    /// The configuration, if it changed.
    pub(super) config: Option<Config>,
}

/// The files that may change while playing.
pub(super) struct Files {
    pub(super) presets: Library<Preset>,
    pub(super) mappings: Library<Mapping>,
    pub(super) config: Config,
    source: ConfigSource,
    /// Whether the configuration's file was there.
    configured: bool,
    /// What was found wrong last.
    said: Vec<Problem>,
    troubles: Troubles,
}

impl Files {
    /// Reads the configuration, and the presets and mappings of some places; problems in those are said, good files count.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn read(source: ConfigSource, places: &Places, troubles: Troubles) -> Result<Self, Vec<Problem>> {
        let config = source.read()?;
        let (presets, bad_presets) = Library::open(places.all("presets"), Preset::read);
        let (mappings, bad_mappings) = Library::open(places.all("mappings"), Mapping::read);
        let said = [bad_presets, bad_mappings].concat();
        said.iter().for_each(|problem| tracing::warn!("{problem}; left out"));
        let configured = source.file().is_file();
        let files = Self { presets, mappings, config, source, configured, said, troubles };
        files.sum_up();
        Ok(files)
    }

    /// Watches the files. Gives a sender that asks for a look at once, and where news arrives; news wait for their reader
    /// one at a time.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn watch(mut self, places: &Places) -> io::Result<(SyncSender<Changed>, Receiver<Reloaded>)> {
        let (asking, changed) = sync_channel(1);
        let (sender, news) = sync_channel(1);
        let files = [places.all("presets"), places.all("mappings"), self.source.files.clone()].concat();
        watch(files, asking.clone(), self.troubles.clone())?;
        threads::spawn_steady("melos-reload", move || self.serve(&changed, &sender))?;
        Ok((asking, news))
    }

    /// Looks whenever something was saved or somebody asks, until nobody listens; and once before, since a file may have
    /// been saved between reading and watching.
    fn serve(&mut self, changed: &Receiver<Changed>, sender: &SyncSender<Reloaded>) {
        let mut reloaded = self.look();
        while sender.send(reloaded).is_ok()
            && let Ok(Changed(paths)) = changed.recv()
        {
            let asked = paths.is_empty();
            // What is wrong with a file is said at every save of it, and to whoever asks.
            let saved = |problem: &Problem| paths.iter().any(|path| path.file_name() == problem.file.file_name());
            self.said.retain(|problem| !asked && !saved(problem));
            reloaded = self.look();
            let news = !reloaded.changed.is_empty() || reloaded.mappings.is_some() || reloaded.config.is_some();
            if asked && !news && self.said.is_empty() {
                tracing::info!("read again; nothing has changed");
            }
        }
    }

    /// Reads everything again; says what is wrong and was not before.
    fn look(&mut self) -> Reloaded {
        let (presets, mappings) = (self.presets.reload(), self.mappings.reload());
        let new_mappings = mappings.is_news().then(|| self.mappings.values().cloned().collect());
        let (config, wrong) = match self.configuration() {
            Ok(config) => (config, Vec::new()),
            Err(problems) => (None, problems),
        };
        let file = self.source.file().to_owned();
        let problems: Vec<Problem> = presets.problems.into_iter().chain(mappings.problems).chain(wrong).collect();
        for problem in problems.iter().filter(|problem| !self.said.contains(problem)) {
            let name = problem.file.file_stem().unwrap_or_default().to_string_lossy();
            let known = self.presets.get(&name).is_some() || self.mappings.get(&name).is_some();
            // What a folder held stays, too.
            let known = known || problem.file == file || problem.file.is_dir();
            tracing::warn!("{problem}; {}", if known { "the last good state stays" } else { "left out" });
        }
        self.said = problems;
        self.sum_up();
        let mut changed = [presets.changed.as_slice(), &mappings.changed].concat();
        let mut gone = [presets.gone.as_slice(), &mappings.gone].concat();
        let back = [presets.back, mappings.back].concat();
        changed.extend(config.is_some().then(|| file.display().to_string()));
        let there = file.is_file();
        gone.extend((self.configured && !there).then(|| file.display().to_string()));
        self.configured = there;
        for (files, what) in
            [(changed, "reloaded"), (gone, "gone; what they began goes on"), (back, "back as they were")]
        {
            if !files.is_empty() {
                tracing::info!(files = files.join(", "), "{what}");
            }
        }
        Reloaded { presets: self.presets.clone(), changed: presets.changed, mappings: new_mappings, config }
    }

    /// Shows in the status whether anything is wrong with the files.
    fn sum_up(&self) {
        match self.said.as_slice() {
            [] => self.troubles.clear(Part::Files),
            [problem] => self.troubles.set(Part::Files, problem),
            [problem, more @ ..] => {
                self.troubles.set(Part::Files, format!("{problem}; and {} more problems", more.len()));
            }
        }
    }

    /// The configuration, if it changed; a file that is gone changes nothing.
    fn configuration(&mut self) -> Result<Option<Config>, Vec<Problem>> {
        if !self.source.file().exists() {
            return Ok(None);
        }
        let config = self.source.read()?;
        let changed = config != self.config;
        self.config.clone_from(&config);
        Ok(changed.then_some(config))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// Far longer than it takes; only a failing test waits for it.
    const LONG: Duration = Duration::from_secs(20);

    fn read(folder: &Path) -> Files {
        for inside in ["presets", "mappings"] {
            let _ = fs::create_dir(folder.join(inside));
        }
        let source = ConfigSource { files: vec![folder.join("melos.toml")], required: false, over: Box::new(|_| {}) };
        Files::read(source, &Places::only(folder), Troubles::default()).unwrap()
    }

    #[test]
    fn a_preset_that_goes_and_comes_back_is_not_loaded_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = read(dir.path());
        let (here, away) = (dir.path().join("presets/one.toml"), dir.path().join("one.away"));
        fs::write(&here, "schema = 1\nname = \"One\"\nemotion = \"sad\"\n").unwrap();
        assert_eq!(files.look().changed, ["one"]);
        fs::rename(&here, &away).unwrap();
        assert!(files.look().presets.get("one").is_none());
        fs::rename(&away, &here).unwrap();
        let back = files.look();
        assert!(back.presets.get("one").is_some() && back.changed.is_empty());
    }

    #[test]
    fn a_pipe_among_the_presets_hangs_nothing_and_is_a_trouble() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = read(dir.path());
        for place in ["presets/x.toml", "melos.toml"] {
            assert!(std::process::Command::new("mkfifo").arg(dir.path().join(place)).status().unwrap().success());
            files.look();
            assert!(files.troubles.now().0[&Part::Files].contains("regular file"), "{place}");
            fs::remove_file(dir.path().join(place)).unwrap();
            files.look();
            assert!(files.troubles.now().0.is_empty(), "{place}");
        }
    }

    #[test]
    fn a_save_arrives_and_a_bad_one_keeps_the_old_state() {
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
        let (ask, news) = files.watch(&Places::only(dir.path())).unwrap();
        assert!(news.recv_timeout(LONG).unwrap().changed.is_empty());

        fs::write(&preset, "schema = 1\nname = \"One\"\nemotion = \"sat\"\n").unwrap();
        let reloaded = news.recv_timeout(LONG).unwrap();
        assert_eq!((reloaded.presets.get("one"), reloaded.changed.len()), (Some(&first), 0));

        fs::write(&preset, "schema = 1\nname = \"One\"\nemotion = \"calm\"\n").unwrap();
        let reloaded = news.recv_timeout(LONG).unwrap();
        assert_eq!(reloaded.changed, ["one"]);
        assert!(reloaded.presets.get("one") != Some(&first) && reloaded.mappings.is_none());

        fs::write(&mapping, "schema = 1\nname = \"Box\"\n").unwrap();
        assert_eq!(news.recv_timeout(LONG).unwrap().mappings.unwrap().len(), 1);

        fs::write(&config, "[audio]\nblock_frames = \"big\"\n").unwrap();
        assert_eq!(news.recv_timeout(LONG).unwrap().config, None);
        fs::write(&config, "[audio]\nblock_frames = 512\n").unwrap();
        assert_eq!(news.recv_timeout(LONG).unwrap().config.unwrap().audio.block_frames, Some(512));

        fs::remove_file(&preset).unwrap();
        let reloaded = news.recv_timeout(LONG).unwrap();
        assert_eq!((reloaded.presets.get("one"), reloaded.changed.len()), (None, 0));

        ask.send(Changed(Vec::new())).unwrap();
        assert!(news.recv_timeout(LONG).unwrap().changed.is_empty());
    }
}
