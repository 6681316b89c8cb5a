//! Runs the documentation's commands that need a running daemon, in order, against a real one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::daemon::Daemon;
use crate::support::documents::{Block, blocks};

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

/// Returns whether a command needs only a daemon and exits by itself.
fn can_run(line: &str) -> bool {
    let commands = ["melos ", "oscsend ", "curl "];
    let excluded = ["melos run", "melos learn", "melos render", "/file?download"];
    commands.iter().any(|command| line.starts_with(command)) && !excluded.iter().any(|part| line.contains(part))
}

#[test]
fn commands_in_the_documentation_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let (config, programs) = (folder.path().join(".config/melos"), folder.path().join("bin"));
    write_files(&config);
    fs::create_dir(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_melos"), programs.join("melos")).unwrap();
    let home = [("XDG_CONFIG_HOME", folder.path().join(".config").display().to_string())];
    let daemon = Daemon::start_with(&home, &folder.path().join("state"), &["--audio", "null", "--midi", "off"]);
    let run = |line: &str| -> Output {
        let line = line.replace("9000", &daemon.osc.to_string()).replace("9080", &daemon.http.to_string());
        // /etc/melos does not exist on every test machine, and curl ignores HTTP errors by default.
        let line = line.replace(" /etc/melos", "").replace("curl -s", "curl -sS --fail-with-body");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(folder.path()).env("PATH", path).env("HOME", folder.path());
        shell.env("MELOS_HTTP", daemon.http.to_string()).envs(home.iter().map(|(name, value)| (name, value)));
        shell.output().unwrap()
    };
    let mut count = 0;
    for Block { location, kind, text } in blocks() {
        for line in text.lines().filter(|line| kind == "sh" && can_run(line)) {
            if line.starts_with("melos record start") {
                run("melos record stop");
            }
            let output = run(line);
            // `melos doctor` exits with 2 if there is no audio device, and `melos status` if the generator is late.
            let reports_health = ["melos status", "melos doctor"].iter().any(|command| line.starts_with(command));
            let is_fine = output.status.success() || reports_health && output.status.code() == Some(2);
            assert!(is_fine, "{location}: {line}\n{output:?}");
            count += 1;
        }
    }
    assert!(count > 40, "only {count} commands found");
    let status = daemon.status().unwrap();
    let log = daemon.log();
    assert!(status["losses"]["osc_refused"] == 0 && !log.contains("there is no"), "{log}");
}
