//! The state that survives a restart: parameter values and the preset, in `state.toml`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::parameter::{Input, Kind, Param, Value};

/// Changes are written at most this often, so that a fader does not wear a memory card out.
const INTERVAL: Duration = Duration::from_secs(2);

/// Keeps `state.toml` up to date.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    written: String,
    last: Option<Instant>,
}

impl StateFile {
    /// The state in a folder, which is made if missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { path: folder.join("state.toml"), written: String::new(), last: None })
    }

    /// The saved values; empty when there are none. A damaged file is said and ignored: an installation must start.
    pub(crate) fn load(&self) -> Vec<(Param, Value)> {
        let Ok(text) = fs::read_to_string(&self.path) else { return Vec::new() };
        match parse(&text) {
            Ok(values) => values,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the saved state is damaged; starting without it");
                Vec::new()
            }
        }
    }

    /// Writes the values if they changed and the last writing is long enough ago; `now` forces it.
    pub(crate) fn save(&mut self, values: &[(Param, Value)], now: bool) {
        if !now && self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        let text = format(values);
        if text == self.written {
            return;
        }
        self.last = Some(Instant::now());
        // Written beside and renamed, so that a power cut leaves the old file or the new one.
        let beside = self.path.with_extension("new");
        match fs::write(&beside, &text).and_then(|()| fs::rename(&beside, &self.path)) {
            Ok(()) => self.written = text,
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "the state could not be saved"),
        }
    }
}

fn format(values: &[(Param, Value)]) -> String {
    let mut text = String::new();
    for (param, value) in values {
        let id = param.spec().id;
        let written = match (value, param.spec().kind) {
            (Value::Number(number), _) => writeln!(text, "{id:?} = {number:?}"),
            (Value::Toggle(on), _) => writeln!(text, "{id:?} = {on}"),
            (Value::Choice(position), Kind::Choice { names, .. }) => {
                writeln!(text, "{id:?} = {:?}", names[usize::from(*position)])
            }
            (Value::Text(words), _) => writeln!(text, "{id:?} = {}", toml::Value::from(words.as_str())),
            _ => Ok(()),
        };
        written.expect("writing into a string cannot fail");
    }
    text
}

fn parse(text: &str) -> Result<Vec<(Param, Value)>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut values = Vec::new();
    for (id, value) in &table {
        // A parameter of another version of Melos: no reason to lose the rest.
        let Some(param) = Param::from_id(id) else { continue };
        let input = match value {
            toml::Value::Float(number) => Input::Number(*number),
            toml::Value::Integer(number) => Input::Number(*number as f64),
            toml::Value::Boolean(on) => Input::Bool(*on),
            toml::Value::String(words) => Input::Text(words),
            other => return Err(format!("{id}: {other} is neither number, truth value nor text")),
        };
        if let Some(value) = param.fit(input).map_err(|error| error.to_string())? {
            values.push((param, value));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive() {
        let folder = tempfile::tempdir().unwrap();
        let values = vec![
            (Param::Valence, Value::Number(0.1)),
            (Param::Hold, Value::Toggle(true)),
            (Param::Key, Value::Choice(9)),
            (Param::Chord, Value::Text("A\"m\n7".to_owned())),
        ];
        let mut file = StateFile::open(folder.path()).unwrap();
        assert_eq!(file.load(), []);
        file.save(&values, true);
        assert_eq!(StateFile::open(folder.path()).unwrap().load(), values);
    }

    #[test]
    fn damage_does_not_stop_the_show() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("state.toml"), "valence = [1").unwrap();
        assert_eq!(StateFile::open(folder.path()).unwrap().load(), []);
        fs::write(folder.path().join("state.toml"), "gone = 1\nvalence = 0.5\n").unwrap();
        assert_eq!(StateFile::open(folder.path()).unwrap().load(), [(Param::Valence, Value::Number(0.5))]);
    }
}
