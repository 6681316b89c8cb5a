//! Runs the examples whose programs are available to the tests against the daemon, checks the files of the others, and
//! checks the OSC addresses in all of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::ZlibDecoder;
use melos::event::parameter::{Kind, Param};
use serde_json::Value;

use crate::support::addresses::{addresses, exists};
use crate::support::client;
use crate::support::client::{Client, python, wait_until_bound};
use crate::support::daemon::Daemon;

fn quiet_daemon(folder: &Path) -> Daemon {
    Daemon::start(folder, &quiet("D"))
}

/// Returns options for a daemon without devices, whose musical key identifies it in replies.
const fn quiet(key: &str) -> [&str; 8] {
    ["--audio", "null", "--midi", "off", "--preset", "calm", "--key", key]
}

/// Copies an example, with the test daemon's OSC port and a shorter subscription interval.
fn example(name: &str, daemon: &Daemon, folder: &Path) -> PathBuf {
    let text = fs::read_to_string(format!("examples/{name}")).unwrap();
    assert!(text.contains("9000"), "{name} does not contain the default port");
    let path = folder.join(name.replace('/', "-"));
    let text = text
        .replace("9000", &daemon.osc.to_string())
        .replace("metro 10000", "metro 500")
        .replace("10.wait", "0.5.wait");
    fs::write(&path, text).unwrap();
    path
}

fn near(value: &Value, expected: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - expected).abs() < 1e-3)
}

#[test]
fn the_pure_data_patch_steers_and_shows_replies() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let patch = example("pure-data.pd", &daemon, folder.path());
    let probe = folder.path().join("probe.pd");
    fs::write(&probe, "#N canvas;\n#X obj 0 0 r melos-key;\n#X obj 0 0 print key;\n#X connect 0 0 1 0;\n").unwrap();
    let pd = Client::spawn(
        Command::new("pd")
            .args(["-nogui", "-noaudio", "-nomidi", "-open"])
            .arg(probe)
            .arg("-open")
            .arg(patch)
            .args(["-send", "valence 0.25; temperature 1.5; hold 1"]),
    );
    daemon.wait_until("Pd has set three parameters", |status| {
        let values = &status["parameters"];
        near(&values["valence"], 0.25) && near(&values["temperature"], 1.5) && values["hold"] == true
    });
    pd.expect("key: symbol D");
    let _restarted = daemon.restart_after_kill(folder.path(), &quiet("E"));
    pd.expect("key: symbol E");
}

#[test]
fn the_supercollider_script_steers_and_receives_beats() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let script = example("supercollider.scd", &daemon, folder.path());
    let sclang = Client::spawn(&mut client::sclang(&script, folder.path()));
    daemon.wait_until("sclang has sent its mood and its bundle", |status| {
        let values = &status["parameters"];
        values["emotion"] == "mysterious" && near(&values["glide"], 4.0) && near(&values["temperature"], 1.25)
    });
    sclang.expect("beat 1 of bar");
    sclang.expect("chord ");
    let _restarted = daemon.restart_after_kill(folder.path(), &quiet("E"));
    sclang.expect(" in E");
}

#[test]
fn the_node_red_flow_steers_and_receives_replies() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let flow = example("node-red/flow.json", &daemon, folder.path());
    let (osc_port, http_port) = (client::free_port(), client::free_port());
    let flow_text = fs::read_to_string(&flow).unwrap().replace("9001", &osc_port);
    // Send debug output to the console too, and press every button automatically.
    let flow_text =
        flow_text.replace("\"console\": false", "\"console\": true").replace("\"once\": false", "\"once\": true");
    fs::write(&flow, flow_text).unwrap();
    let node_red = Client::spawn(
        Command::new("tests/clients/node/node_modules/.bin/node-red")
            .args(["--port", &http_port, "--userDir"])
            .arg(folder.path())
            .arg(&flow),
    );
    node_red.expect_all(&["[debug:chord]", "[debug:beat]", "[debug:health]"]);
    daemon.wait_until("Node-RED has sent a mood", |status| status["parameters"]["emotion"] == "angry");
}

#[test]
fn web_pages_set_parameters_receive_streams_and_reconnect() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let script = folder.path().join("page.js");
    let library = fs::canonicalize("examples/p5js/melos.js").unwrap();
    let text = format!(
        "const {{ Melos }} = require({library:?});\n\
         const melos = new Melos('ws://127.0.0.1:{}');\n\
         melos.listen('/melos/beat', ([beat, bar]) => console.log(`beat ${{beat}} of bar ${{bar}}.`));\n\
         melos.listen('/melos/chord', ([chord]) => console.log(`chord ${{chord}}`));\n\
         melos.listen('/melos/key', ([key]) => console.log(`key ${{key}}`));\n\
         setInterval(() => {{ melos.send('/melos/valence', 0.25); melos.send('/melos/emotion', 'angry', 0.5); }}, 200);\n",
        daemon.http
    );
    fs::write(&script, text).unwrap();
    let node = Client::spawn(Command::new("node").arg("--experimental-websocket").arg(script));
    node.expect_all(&["beat 1 of bar 2.", "chord ", "key D"]);
    daemon.wait_until("the page has set an emotion", |status| near(&status["parameters"]["emotion/angry"], 0.5));
    let _restarted = daemon.restart_after_kill(folder.path(), &quiet("E"));
    node.expect("key E");
}

#[test]
fn the_p5_sketch_draws_follows_and_steers_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let (http, osc) = (daemon.http.to_string(), daemon.osc.to_string());
    let status = python("tests/browser/sketch.py", &[&http, &osc]).status().unwrap();
    assert!(status.success(), "the sketch failed a test in the browser; see the output above");
}

#[test]
fn the_touchdesigner_component_steers_and_follows_without_echoing() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let script = example("touchdesigner.py", &daemon, folder.path());
    let mut text = fs::read_to_string(&script).unwrap();
    for (name, port) in [("STREAMS", "9001"), ("VALUES", "9002")] {
        let default = format!("{name} = {port}");
        assert!(text.contains(&default), "the script does not contain {default}");
        text = text.replace(&default, &format!("{name} = {}", client::free_port()));
    }
    fs::write(&script, text).unwrap();
    let component = Client::spawn(&mut python("tests/clients/touchdesigner.py", &[script.to_str().unwrap()]));
    component.expect("received Emotion calm");
    daemon.oscsend(&["/melos/valence", "f", "0.25"]);
    component.expect("received Valence 0.25");
    daemon.oscsend(&["/melos/hold", "i", "1"]);
    component.expect("received Hold 1");
    daemon.wait_until("the component has sent a change", |status| near(&status["parameters"]["arousal"], 0.5));
    component.expect("sent ['/melos/arousal 0.5']");
    let _restarted =
        daemon.restart_after_kill(folder.path(), &["--audio", "null", "--midi", "off", "--preset", "angry"]);
    component.expect("received Emotion angry");
}

#[test]
fn the_arduino_sketch_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let core = "/usr/share/arduino/hardware/arduino/avr";
    let status = Command::new("avr-g++")
        .args([
            "-mmcu=atmega328p",
            "-DF_CPU=16000000L",
            "-DARDUINO=10819",
            "-DARDUINO_ARCH_AVR",
            "-Wall",
            "-Werror",
            "-Os",
        ])
        .args(["-I", &format!("{core}/cores/arduino"), "-I", &format!("{core}/variants/standard")])
        .args(["-x", "c++", "-include", "Arduino.h", "-c", "examples/arduino/arduino.ino", "-o"])
        .arg(folder.path().join("sketch.o"))
        .status();
    assert!(status.expect("avr-g++ is needed: apt-get install arduino-core-avr").success());
}

#[test]
fn the_chataigne_module_matches_its_script() {
    let module: Value = serde_json::from_str(&fs::read_to_string("examples/chataigne/module.json").unwrap()).unwrap();
    let script = fs::read_to_string("examples/chataigne/melos.js").unwrap();
    for (name, command) in module["commands"].as_object().unwrap() {
        let callback = command["callback"].as_str().unwrap();
        let parameters = command["parameters"].as_object().unwrap().len();
        let start = format!("function {callback}(");
        let at = script.find(&start).unwrap_or_else(|| panic!("{name} calls {callback}, which does not exist"));
        let accepted = script[at + start.len()..].split(')').next().unwrap().split(',').count();
        assert_eq!(accepted, parameters, "{name}");
    }
    for value in module["values"].as_object().unwrap().keys() {
        assert!(script.contains(&format!("values.{}.set(", value.to_lowercase())), "nothing sets {value}");
    }
    let emotions = &module["commands"]["Emotion"]["parameters"]["Emotion"]["options"];
    let Kind::Choice { names, .. } = Param::Emotion.spec().kind else { panic!("emotions are a choice") };
    assert!(names.iter().all(|name| emotions[*name] == *name) && emotions.as_object().unwrap().len() == names.len());
    let checked = Command::new("node").args(["--check", "examples/chataigne/melos.js"]).status();
    assert!(checked.expect("node is needed").success());
}

#[test]
fn the_sensor_script_steers_melos() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let readings = folder.path().join("readings");
    // A partial line, as at the start of a serial connection, then a nearby hand and bright light.
    fs::write(&readings, format!("12 4.5.6\n7\n{}", "1023 1023\n".repeat(60))).unwrap();
    let port = daemon.osc.to_string();
    let status =
        python("examples/sensor.py", &["--port", &port]).stdin(fs::File::open(readings).unwrap()).status().unwrap();
    assert!(status.success());
    daemon.wait_until("the sensor readings have arrived", |status| {
        near(&status["parameters"]["arousal"], 1.0) && near(&status["parameters"]["valence"], 1.0)
    });
}

#[test]
fn the_mqtt_bridge_sets_and_publishes_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let port = client::free_port();
    let settings = folder.path().join("mosquitto.conf");
    fs::write(&settings, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
    let _broker = Client::spawn(Command::new("mosquitto").arg("-c").arg(settings));
    let bridge = bridge("mqtt.py", folder.path());
    let ports = ["--port", &daemon.osc.to_string(), "--broker-port", &port];
    let bridge = Client::spawn(&mut python(bridge.to_str().unwrap(), &ports));
    bridge.expect("broker: Success");
    let listen = || Client::spawn(Command::new("mosquitto_sub").args(["-p", &port, "-v", "-t", "melos/#"]));
    let display = listen();
    display.expect_all(&["melos/online 1", "melos/key D", "melos/beat 1 "]);
    let publish = |arguments: &[&str]| {
        assert!(Command::new("mosquitto_pub").args(["-p", &port]).args(arguments).status().unwrap().success());
    };
    publish(&["-t", "melos/set/emotion", "-m", "angry"]);
    daemon.wait_until("a mood is set", |status| status["parameters"]["emotion"] == "angry");
    publish(&["-t", "melos/set/preset/next", "-n"]);
    daemon.wait_until("a trigger has fired", |status| status["parameters"]["preset"] == "cathedral");
    publish(&["-t", "melos/set/level/pad", "-m", "-9.5"]);
    display.expect("melos/level/pad -9.5");
    let _restarted = daemon.restart_after_kill(folder.path(), &quiet("E"));
    display.expect("melos/key E");
    // The broker retains the values for displays that connect later.
    listen().expect("melos/key E");
}

#[test]
fn the_art_net_bridge_drives_lights_and_follows_a_desk() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = quiet_daemon(folder.path());
    let (osc, lights, desk) = (daemon.osc.to_string(), client::free_port(), client::free_port());
    let lamp = Client::spawn(&mut python("tests/clients/artnet.py", &["lamp", &lights]));
    wait_until_bound(&lights);
    let bridge = bridge("artnet.py", folder.path());
    let arguments = ["--port", &osc, "--lights", "127.0.0.1", "--lights-port", &lights];
    let arguments = [&arguments[..], &["--desk-universe", "0", "--desk-port", &desk]].concat();
    let _bridge = Client::spawn(&mut python(bridge.to_str().unwrap(), &arguments));
    // Calm is the fourth emotion; the tenth channel flashes on each beat.
    lamp.expect("frame [0, 0, 0, 255, 0, 0, 0, 0, ");
    lamp.expect_line("a beat", |line| line.split(", ").nth(9) == Some("255"));
    let _desk = Client::spawn(&mut python("tests/clients/artnet.py", &["desk", &desk]));
    daemon.wait_until("the desk has moved valence", |status| near(&status["parameters"]["valence"], -0.6));
    let restarted =
        daemon.restart_after_kill(folder.path(), &["--audio", "null", "--midi", "off", "--preset", "angry"]);
    lamp.expect_line("the mood of the restarted Melos", |line| {
        line.split(", ").nth(5).and_then(|weight| weight.parse::<u8>().ok()).is_some_and(|weight| weight > 100)
    });
    drop(restarted);
}

/// Copies a bridge, with a shorter subscription interval.
fn bridge(name: &str, folder: &Path) -> PathBuf {
    let text = fs::read_to_string(format!("examples/{name}")).unwrap();
    assert!(text.contains("RENEW = 10 "), "{name} does not contain the default interval");
    let path = folder.join(name);
    fs::write(&path, text.replace("RENEW = 10 ", "RENEW = 0.5 ")).unwrap();
    path
}

#[test]
fn python_examples_have_valid_syntax() {
    for script in ["sensor.py", "touchdesigner.py", "mqtt.py", "artnet.py"] {
        let check = "import ast, sys; ast.parse(open(sys.argv[1]).read())";
        assert!(python("-c", &[check, &format!("examples/{script}")]).status().unwrap().success(), "{script}");
    }
}

#[test]
fn the_max_patch_is_wired_correctly() {
    let patch: Value = serde_json::from_str(&fs::read_to_string("examples/max.maxpat").unwrap()).unwrap();
    let mut ports = BTreeMap::new();
    for item in patch["patcher"]["boxes"].as_array().unwrap() {
        let item = &item["box"];
        let id = item["id"].as_str().unwrap();
        let count = |key: &str| item[key].as_u64().unwrap();
        assert!(item["maxclass"].is_string() && item["patching_rect"].as_array().unwrap().len() == 4, "{id}");
        assert!(ports.insert(id, (count("numinlets"), count("numoutlets"))).is_none(), "{id} appears twice");
    }
    let lines = patch["patcher"]["lines"].as_array().unwrap();
    assert!(!lines.is_empty());
    for line in lines.iter().map(|line| &line["patchline"]) {
        let end = |key: &str| (ports[line[key][0].as_str().unwrap()], line[key][1].as_u64().unwrap());
        let (((_, outlets), outlet), ((inlets, _), inlet)) = (end("source"), end("destination"));
        assert!(outlet < outlets && inlet < inlets, "{line}");
    }
}

#[test]
fn the_open_stage_control_layout_matches_the_parameters() {
    let session: Value =
        serde_json::from_str(&fs::read_to_string("examples/open-stage-control.json").unwrap()).unwrap();
    assert_eq!((session["type"].as_str(), session["content"]["type"].as_str()), (Some("session"), Some("root")));
    let mut compared = 0;
    // Display-only widgets have no range.
    let is_control = |widget: &&Value| widget["type"] != "variable";
    for widget in session["content"]["widgets"].as_array().unwrap().iter().filter(is_control) {
        let id = widget["address"].as_str().unwrap().strip_prefix("/melos/").and_then(Param::from_id);
        match id.map(|param| param.spec().kind) {
            Some(Kind::Number { min, max, .. }) => {
                assert!(near(&widget["range"]["min"], min.into()), "{widget}");
                assert!(near(&widget["range"]["max"], max.into()), "{widget}");
                compared += 1;
            }
            Some(Kind::Choice { names, .. }) => {
                assert_eq!(widget["values"], serde_json::json!(names));
                compared += 1;
            }
            _ => {}
        }
    }
    assert!(compared > 5, "only {compared} widgets compared");
}

#[test]
fn the_touchosc_layout_matches_the_parameters() {
    let output = python("tests/clients/touchosc.py", &["examples/touchosc.tosc"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (scripts, messages): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line["script"].is_string());
    let in_script = addresses(scripts[0]["script"].as_str().unwrap());
    assert_eq!(in_script, ["/melos/subscribe", "/melos/confirm", "/melos/confirm"]);
    assert!(in_script.iter().all(|address| exists(address)));
    let mut faders = 0;
    for message in &messages {
        let address = message["address"].as_str().unwrap();
        let param = Param::from_id(address.strip_prefix("/melos/").unwrap()).unwrap_or_else(|| panic!("{address}"));
        match (message["control"].as_str().unwrap(), param.spec().kind) {
            ("FADER", Kind::Number { min, max, .. }) => {
                let range: [f32; 2] = serde_json::from_value(message["range"].clone()).unwrap();
                assert_eq!(range, [min, max], "{address}");
                faders += 1;
            }
            ("BUTTON", Kind::Choice { names, .. }) => assert!(names.contains(&message["value"].as_str().unwrap())),
            ("BUTTON", Kind::Toggle { .. }) => assert_eq!(message["value"], "x", "{address}"),
            ("BUTTON", Kind::Trigger) => assert_eq!(message["value"], "1", "{address}"),
            ("LABEL", Kind::Text { .. } | Kind::Chord) => assert_eq!(message["sends"], false, "{address}"),
            (control, kind) => panic!("a {control} cannot control {address}, {kind:?}"),
        }
    }
    assert!(faders > 10 && messages.len() > 30, "{faders} faders in {} messages", messages.len());
}

#[test]
fn the_touchosc_layout_is_what_its_generator_writes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("touchosc.tosc");
    assert!(python("examples/touchosc.py", &[file.to_str().unwrap()]).status().unwrap().success());
    let layout = |path: &Path| {
        let mut text = String::new();
        ZlibDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(layout(&file), layout(Path::new("examples/touchosc.tosc")));
}

#[test]
fn addresses_in_the_examples_exist() {
    let mut files = files_in(Path::new("examples"));
    // The TouchOSC layout is compressed, and Python may have cached modules.
    files.retain(|file| file.extension().is_none_or(|extension| extension != "tosc" && extension != "pyc"));
    files.push("README.md".into());
    let mut found = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for address in addresses(&text) {
            found += 1;
            assert!(exists(&address), "{}: there is no {address}", file.display());
        }
    }
    assert!(found > 100, "only {found} addresses found");
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}
