//! Shell completions, tested with a real shell.

use std::process::Command;

use crate::support::daemon::Daemon;

/// Returns bash's completions for the last word.
fn completions(http: u16, words: &[&str]) -> Vec<String> {
    let melos = env!("CARGO_BIN_EXE_melos");
    let folder = std::path::Path::new(melos).parent().unwrap().display().to_string();
    let list = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let script = format!(
        "source <(melos completions bash) || exit 1\n\
         COMP_WORDS=(melos {list}); COMP_CWORD={}; COMP_TYPE=9\n\
         complete=$(complete -p melos); function=${{complete#*-F }}; function=${{function%% *}}\n\
         $function melos '{}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.len(),
        words.last().unwrap(),
    );
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", path)
        .env("MELOS_HTTP", format!("127.0.0.1:{http}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    // Options are offered after the values.
    lines.lines().map(|line| line.trim().to_owned()).filter(|line| !line.starts_with('-')).collect()
}

#[test]
fn commands_parameters_and_values_are_completed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null"]);
    daemon.oscsend(&["/melos/scene/store", "s", "verse"]);
    daemon.oscsend(&["/melos/scene/store", "s", "chorus"]);
    let complete = |words: &[&str]| completions(daemon.http, words);
    let mut scenes = Vec::new();
    for _ in 0..100 {
        scenes = complete(&["set", "scene", ""]);
        if scenes.len() == 2 {
            break;
        }
    }
    assert_eq!(scenes, ["chorus", "verse"]);
    assert!(complete(&["sta"]).contains(&"status".to_owned()));
    assert_eq!(complete(&["set", "tempo/s"]), ["tempo/source"]);
    assert_eq!(complete(&["set", "tempo/source", ""]), ["mood", "pinned", "clock", "link", "jack"]);
    assert_eq!(complete(&["set", "emotion", "s"]), ["sad"]);
    let presets = complete(&["preset", ""]);
    for preset in ["slow-dawn", "storm", "next", "previous"] {
        assert!(presets.contains(&preset.to_owned()), "{presets:?}");
    }
    assert_eq!(complete(&["setlist", "e"]), ["evening"]);
    assert_eq!(complete(&["run", "--preset", "sto"]), ["storm"]);
    assert_eq!(complete(&["run", "--emotion", "no"]), ["nostalgic"]);
    assert_eq!(complete(&["run", "--set", "tempo/so"]), ["tempo/source="]);
    assert_eq!(complete(&["render", "--model", "melos-p"]), ["melos-piano"]);
    assert_eq!(complete(&["learn", "tempo/s"]), ["tempo/source"]);
    // Without a daemon, the presets on disk are offered.
    assert!(completions(1, &["preset", "sto"]).contains(&"storm".to_owned()));
    // Other shells get a script that works the same way.
    for shell in ["zsh", "fish"] {
        let script = Command::new(env!("CARGO_BIN_EXE_melos")).args(["completions", shell]).output().unwrap();
        assert!(script.status.success() && String::from_utf8(script.stdout).unwrap().contains("COMPLETE"), "{shell}");
    }
}
