//! Shell completions, tested with real shells.

use std::path::Path;
use std::process::Command;

use crate::support::daemon::Daemon;

/// A script that types its argument and a tab into an interactive zsh, and prints what the terminal shows.
const ZSH: &str = "
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'autoload -U compinit && compinit -u -D; source <(melos completions zsh); PS1=prompt-; echo ready-$((1 + 1))'
    # A tab is completed only once the line editor has displayed its prompt.
    zpty -r shell shown '*ready-2*prompt-*'
    zpty -n -w shell \"$1\"$'\\t'
    # Control-U clears the line.
    zpty -n -w shell $'\\x15echo done-$((40 + 2))\\n'
    zpty -r shell shown '*done-42*'
    print -r -- \"$shown\"
";

/// Runs a command with `melos` in its search path, and returns what it prints. `http` is the HTTP port of the daemon
/// that `melos` contacts.
fn output_of(command: &mut Command, http: u16) -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_melos")).parent().unwrap().display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let output = command.env("PATH", path).env("MELOS_HTTP", format!("127.0.0.1:{http}")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the completions that bash offers for the last word.
fn completions(http: u16, words: &[&str]) -> Vec<String> {
    let list = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let script = format!(
        "source <(melos completions bash) || exit 1\n\
         COMP_WORDS=(melos {list}); COMP_CWORD={}; COMP_TYPE=9\n\
         complete=$(complete -p melos); function=${{complete#*-F }}; function=${{function%% *}}\n\
         $function melos '{}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.len(),
        words.last().unwrap(),
    );
    let lines = output_of(Command::new("bash").args(["-c", &script]), http);
    // Leave out the options, which are offered after the values.
    lines.lines().map(|line| line.trim().to_owned()).filter(|line| !line.starts_with('-')).collect()
}

#[test]
fn commands_parameters_and_values_are_completed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null"]);
    daemon.oscsend(&["/melos/scene/store", "s", "verse"]);
    daemon.oscsend(&["/melos/scene/store", "s", "chorus"]);
    let complete = |words: &[&str]| completions(daemon.http, words);
    // Storing the scenes takes a moment.
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
}

#[test]
fn zsh_and_fish_complete_a_typed_line() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &["--audio", "null", "--midi", "off"]);
    let fish = |line: &str| {
        let script = format!("melos completions fish | source; complete -C '{line}'");
        output_of(Command::new("fish").args(["--no-config", "-c", &script]), daemon.http)
    };
    // zsh completes only in a terminal.
    let zsh =
        |line: &str| output_of(Command::new("timeout").args(["20", "zsh", "-f", "-c", ZSH, "zsh", line]), daemon.http);
    for (line, completion) in
        [("melos set tempo/s", "tempo/source"), ("melos set emotion s", "sad"), ("melos preset sto", "storm")]
    {
        assert!(fish(line).starts_with(completion), "{line}: {}", fish(line));
        let words = line.rsplit_once(' ').unwrap().0;
        assert!(zsh(line).contains(&format!("{words} {completion}")), "{line}: {}", zsh(line));
    }
}
