use super::*;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    let problems = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
    Config::parse(Path::new("melos.toml"), text).map_err(problems)
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn every_problem_is_reported() {
    let text = "\
presett = \"storm\"
link = 1
[audio]
host = \"jak\"
block_frames = \"many\"
[osc]
address = \"localhost\"
port = 70000
[midi.out]
channels = [0, 2, 3]
piano_channel = 17
[recordings]
max_gb = -1
when_full = \"delete\"
[control_log]
keep = 1e9
";
    let problems = parse(text).unwrap_err();
    let hints = [
        "melos.toml:1: presett = \"storm\": unknown key; did you mean \"preset\"?",
        "melos.toml:2: link = 1: expected true or false",
        "melos.toml:4: audio.host = \"jak\": expected one of auto, jack, alsa, pipewire, pulse, null; did you mean \"jack\"?",
        "melos.toml:5: audio.block_frames = \"many\": expected an integer from 16 to 8192",
        "melos.toml:7: osc.address = \"localhost\": expected an IP address such as 127.0.0.1 or ::1",
        "melos.toml:8: osc.port = 70000: expected an integer from 0 to 65535",
        "melos.toml:10: midi.out.channels = [0, 2, 3]: expected three MIDI channels from 1 to 16, such as [1, 2, 3]",
        "melos.toml:11: midi.out.piano_channel = 17: expected an integer from 1 to 16",
        "melos.toml:13: recordings.max_gb = -1: expected a number from 0.001 to 1000000",
        "melos.toml:14: recordings.when_full = \"delete\": expected one of stop, delete-oldest",
        "melos.toml:16: control_log.keep = 1e9: expected an integer from 0 to 1000",
    ];
    assert_eq!(problems.len(), hints.len(), "{problems:#?}");
    for (problem, hint) in problems.iter().zip(hints) {
        assert!(problem.starts_with(hint), "{problem} should start with {hint}");
    }
}

#[test]
fn the_command_line_overrides_the_file_and_the_first_file_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let overrides = |config: &mut Config| config.http.port = 1234;
    let source = |required| ConfigSource {
        files: vec![path("own.toml"), path("melos.toml")],
        required,
        overrides: Box::new(overrides),
    };
    assert!(source(true).read().is_err());
    assert_eq!(source(false).read().unwrap().preset, Config::default().preset);
    std::fs::write(path("melos.toml"), "preset = \"storm\"\n[http]\nport = 1\n").unwrap();
    let config = source(false).read().unwrap();
    assert_eq!((config.preset.as_str(), config.http.port), ("storm", 1234));
    std::fs::write(path("own.toml"), "preset = \"calm\"\n").unwrap();
    assert_eq!(source(false).read().unwrap().preset, "calm");
}

#[test]
fn recordings_can_be_just_a_folder() {
    let shorthand = parse("recordings = \"/srv/takes\"").unwrap().recordings;
    assert_eq!(shorthand, RecordingsConfig { folder: "/srv/takes".into(), ..RecordingsConfig::default() });
    let home = std::env::var("HOME").unwrap();
    for text in ["recordings = \"~/takes\"", "[recordings]\nfolder = \"~/takes\""] {
        assert_eq!(parse(text).unwrap().recordings.folder, Path::new(&home).join("takes"), "{text}");
    }
    let table = parse("[recordings]\nfolder = \"x\"\nmax_days = 30\nwhen_full = \"delete-oldest\"").unwrap().recordings;
    assert_eq!((table.max_days, table.when_full), (Some(30.0), WhenFull::DeleteOldest));
}

#[test]
fn open_services_are_reported_and_http_needs_a_password() {
    let exposure_warnings = |text: &str| parse(text).unwrap().exposure_warnings();
    assert!(exposure_warnings("").unwrap().is_empty());
    assert!(exposure_warnings("[osc]\naddress = \"::1\"\n").unwrap().is_empty());
    let osc = exposure_warnings("[osc]\naddress = \"0.0.0.0\"\n").unwrap();
    assert!(osc.len() == 1 && osc[0].contains("OSC is open to the network on 0.0.0.0:9000"), "{osc:?}");
    let file = |password: &str| format!("[http]\naddress = \"0.0.0.0\"\n{password}\n");
    assert_eq!(
        parse(&file("")).unwrap_err(),
        [
            "melos.toml:2: http.address = \"0.0.0.0\": this address is reachable from the network, so http.password must be set"
        ]
    );
    for password in ["password = \"\"", "password = \"1234567\""] {
        let expected = ["melos.toml:3: http.password = …: expected a password of at least 8 characters"];
        assert_eq!(parse(&file(password)).unwrap_err(), expected, "{password}");
    }
    // The command line may open HTTP although the file does not.
    let http = HttpConfig { address: IpAddr::from([0, 0, 0, 0]), ..HttpConfig::default() };
    let error = Config { http, ..Config::default() }.exposure_warnings().unwrap_err().to_string();
    assert!(error.contains("http.password") && error.contains("0.0.0.0:9080"), "{error}");
    let http = exposure_warnings("[http]\naddress = \"192.0.2.1\"\npassword = \"12345678\"\n").unwrap();
    assert!(http.len() == 1 && http[0].contains("192.0.2.1:9080"), "{http:?}");
}

#[test]
fn midi_channels_are_counted_from_one() {
    let config = parse("[midi.out]\nclock = false\nchannels = [1, 16, 10]\n").unwrap();
    assert_eq!(config.midi.out.channels.map(MidiChannel::index), [0, 15, 9]);
    assert_eq!(config.midi.out.piano_channel.index(), 3);
    assert_eq!(parse("[midi.out]\npiano_channel = 16\n").unwrap().midi.out.piano_channel.index(), 15);
    for invalid in ["[0, 2, 3]", "[1, 2]", "[1, 2, 17]", "[1.5, 2, 3]", "7", "[1, 2, 3, 4]"] {
        let problems = parse(&format!("[midi.out]\nchannels = {invalid}\n")).unwrap_err();
        assert!(problems[0].contains("from 1 to 16"), "{problems:?}");
    }
}

#[test]
fn a_password_is_never_quoted() {
    let secret = "correct horse";
    for text in [
        "[http]\npasword = \"correct horse\"",
        "[http]\nPasswort = \"correct horse\"",
        "[http]\npassword = [\"correct horse\"]",
        "password = \"correct horse\"",
        "[osc]\npassword = \"correct horse\"",
        "http = [{ password = \"correct horse\" }]",
        "[http]\npwd = \"correct horse\"",
        "[[http]]\npassword = \"correct horse\"",
        "[http]\npassword = \"correct horse",
    ] {
        let problems = parse(text).unwrap_err();
        assert!(!problems.is_empty() && !problems.iter().any(|problem| problem.contains(secret)), "{problems:?}");
    }
}

#[cfg(not(feature = "link"))]
#[test]
fn link_needs_a_build_with_link() {
    assert!(!parse("link = false").unwrap().link);
    let problems = parse("link = true").unwrap_err();
    assert!(problems[0].starts_with("melos.toml:1: link = true: this build of Melos does not support"), "{problems:?}");
}

#[test]
fn the_password_can_be_required_on_this_machine_too() {
    let config = parse("[http]\nlocal_password = true\npassword = \"correct horse\"").unwrap();
    assert!(config.http.local_password);
    let problems = parse("[http]\nlocal_password = true").unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("http.local_password"), "{problems:?}");
    assert!(problems[0].ends_with("needs http.password"), "{problems:?}");
}

#[test]
fn hosts_are_names_and_addresses_without_scheme_and_port() {
    let hosts = |text: &str| parse(&format!("[http]\nhosts = [{text}]"));
    let valid = r#""Stage.example", "stage_2", "xn--bhne-5qa.example.", "192.168.1.5", "2001:db8::1", "[2001:db8::1]""#;
    assert_eq!(hosts(valid).unwrap().http.hosts.len(), 6);
    for invalid in
        ["https://stage.example", "stage2.example:9080", "192.168.1.5:80", "*.example", "bühne.example", "a b", ""]
    {
        let problems = hosts(&format!("\"stage.example\", {invalid:?}")).unwrap_err();
        assert!(
            problems[0].contains("expected a list of host names and addresses, without scheme and port"),
            "{problems:?}"
        );
    }
}
