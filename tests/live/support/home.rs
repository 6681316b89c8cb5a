//! A user's home folder, in which documented commands run.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::daemon::Daemon;
use super::documents::{Block, blocks};

/// Stands in for a USB interface under ALSA; unlike one, it takes sound as fast as it comes.
const USB_DEVICE: &str = "pcm.USB { type null hint { show on description \"USB Audio\" } }\n";

/// The home folder, with the documentation's presets and setlists, and a configuration with free ports and without devices.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    osc: u16,
    http: u16,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let osc = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = Self { folder, osc, http };
        let config = home.path().join(".config/melos");
        write_files(&config);
        let text = format!("audio.host = \"null\"\nmidi.host = \"off\"\nosc.port = {osc}\nhttp.port = {http}\n");
        fs::write(config.join("melos.toml"), text).unwrap();
        fs::write(home.path().join(".asoundrc"), USB_DEVICE).unwrap();
        // `melos` is in the search path, and where the README builds it.
        for program in ["bin/melos", "target/release/melos"] {
            let program = home.path().join(program);
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            symlink(env!("CARGO_BIN_EXE_melos"), program).unwrap();
        }
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the OSC port.
    pub(crate) const fn osc(&self) -> u16 {
        self.osc
    }

    /// Returns the HTTP port.
    pub(crate) const fn http(&self) -> u16 {
        self.http
    }

    /// Returns the state folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.path().join(".local/state/melos")
    }

    /// Returns a command that runs a documented line in this folder, with this home's ports in place of the defaults.
    pub(crate) fn command(&self, line: &str) -> Command {
        let line = line.replace("9000", &self.osc.to_string()).replace("9080", &self.http.to_string());
        let path = format!("{}:{}", self.path().join("bin").display(), std::env::var("PATH").unwrap());
        // Bash, because it replaces itself with the last command, which then gets the signals.
        let mut command = Command::new("bash");
        command.args(["-c", &line]).current_dir(self.path()).env("PATH", path).env("HOME", self.path());
        for folder in ["CONFIG", "DATA", "STATE"] {
            command.env_remove(format!("XDG_{folder}_HOME"));
        }
        command.env("MELOS_HTTP", self.http.to_string());
        command
    }

    /// Runs a documented line that exits by itself.
    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a documented line that starts a daemon, and waits until the daemon reports its state.
    pub(crate) fn start(&self, line: &str) -> Daemon {
        Daemon::start_command(&mut self.command(line), (self.osc, self.http))
    }
}

/// Writes the documentation's presets and setlists where a user would put them. Their file names are derived from their
/// names.
fn write_files(config: &Path) {
    for Block { kind, text, .. } in blocks() {
        let folder = match kind.as_str() {
            "toml preset" => "presets",
            "toml setlist" => "setlists",
            _ => continue,
        };
        let Some(name) = text.lines().find_map(|line| line.strip_prefix("name = ")) else { continue };
        let file = name.trim_matches('"').to_lowercase().replace(' ', "-");
        fs::create_dir_all(config.join(folder)).unwrap();
        fs::write(config.join(folder).join(file + ".toml"), text).unwrap();
    }
}
