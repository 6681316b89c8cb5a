//! Presets, mappings and the configuration, read again when their files change, on a thread of its own: the performance
//! never waits for a disk.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::check::{Library, Problem};
use crate::config::{Config, ConfigError, ConfigSource};
use crate::control::watch::{Changed, watch};
use crate::mapping::Mapping;
use crate::preset::Preset;

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
    /// What the first reading found wrong: not said again by the look that follows it.
    said: Vec<Problem>,
}

impl Files {
    /// Reads the configuration, and `presets/` and `mappings/` of a folder; problems in those are said, good files count.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn read(source: ConfigSource, data: &Path) -> Result<Self, ConfigError> {
        let config = source.read()?;
        let (presets, bad_presets) = Library::open(&data.join("presets"), Preset::read);
        let (mappings, bad_mappings) = Library::open(&data.join("mappings"), Mapping::read);
        let said = [bad_presets, bad_mappings].concat();
        say(said.iter(), "left out");
        Ok(Self { presets, mappings, config, source, said })
    }

    /// Watches the files. Gives a sender that asks for a look at once, and where news arrives; news wait for their reader
    /// one at a time.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn watch(mut self, data: &Path) -> io::Result<(SyncSender<Changed>, Receiver<Reloaded>)> {
        let (asking, changed) = sync_channel(1);
        let (sender, news) = sync_channel(1);
        watch(vec![data.join("presets"), data.join("mappings"), self.source.file.clone()], asking.clone())?;
        thread::Builder::new().name("melos-reload".to_owned()).spawn(move || {
            // Once before the first news: a file may have been saved between reading and watching.
            let mut asked = false;
            while sender.send(self.reload(asked)).is_ok()
                && let Ok(Changed(paths)) = changed.recv()
            {
                asked = paths.is_empty();
            }
        })?;
        Ok((asking, news))
    }

    /// Reads everything again; whoever `asked` for it is told when nothing has changed.
    fn reload(&mut self, asked: bool) -> Reloaded {
        let (presets, mappings) = (self.presets.reload(), self.mappings.reload());
        let mut good = presets.problems.is_empty() && mappings.problems.is_empty();
        let said = std::mem::take(&mut self.said);
        say(presets.problems.iter().chain(&mappings.problems).filter(|problem| !said.contains(problem)), KEPT);
        let config = self.source.read().unwrap_or_else(|error| {
            tracing::warn!("{error}; {KEPT}");
            good = false;
            self.config.clone()
        });
        let config = (config != self.config).then_some(config);
        let mut changed = [presets.changed.as_slice(), &mappings.changed].concat();
        if let Some(config) = &config {
            changed.push(self.source.file.display().to_string());
            self.config.clone_from(config);
        }
        let gone = [presets.gone.as_slice(), &mappings.gone].concat();
        if !changed.is_empty() {
            tracing::info!(files = changed.join(", "), "reloaded");
        }
        if !gone.is_empty() {
            tracing::info!(files = gone.join(", "), "gone; what they began goes on");
        }
        if asked && good && changed.is_empty() && gone.is_empty() {
            tracing::info!("read again; nothing has changed");
        }
        let mappings = !(mappings.changed.is_empty() && mappings.gone.is_empty());
        let mappings = mappings.then(|| self.mappings.values().cloned().collect());
        Reloaded { presets: self.presets.clone(), changed: presets.changed, mappings, config }
    }
}

/// What becomes of a file that went bad.
const KEPT: &str = "the last good state stays";

fn say<'a>(problems: impl Iterator<Item = &'a Problem>, consequence: &str) {
    for problem in problems {
        tracing::warn!("{problem}; {consequence}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// Far longer than it takes; only a failing test waits for it.
    const LONG: Duration = Duration::from_secs(20);

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
        let source = ConfigSource { file: config.clone(), required: false, over: Box::new(|_| {}) };
        let files = Files::read(source, dir.path()).unwrap();
        let first = files.presets.get("one").unwrap().clone();
        let (ask, news) = files.watch(dir.path()).unwrap();
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
