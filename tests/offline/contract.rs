//! The training code has a copy of the current output of `melos contract --json`, which `MELOS_BLESS=1 cargo test
//! --test offline contract` regenerates.

use std::process::Command;

const PATH: &str = "models/training/melos_training/contract.json";

fn contract(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_melos")).arg("contract").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_training_code_has_the_current_contract() {
    let fresh = contract(&["--json"]);
    if std::env::var_os("MELOS_BLESS").is_some() {
        std::fs::write(PATH, &fresh).unwrap();
    }
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let stored = std::fs::read_to_string(PATH).unwrap();
    assert!(read(&stored) == read(&fresh), "{PATH} is stale: run MELOS_BLESS=1 cargo test --test offline contract");
}

#[test]
fn the_contract_contains_known_values() {
    let contract: serde_json::Value = serde_json::from_str(&contract(&["--json"])).unwrap();
    assert_eq!(contract["mel"]["floor"].as_f64(), Some(1e-5));
    assert_eq!(contract["emotions"][0], serde_json::json!({ "name": "happy", "valence": 0.7, "arousal": 0.5 }));
    assert_eq!(contract["conditions"]["groups"][9], serde_json::json!({ "name": "register", "first": 41, "end": 42 }));
}

#[test]
fn the_text_output_has_one_number_per_line() {
    let printed = contract(&[]);
    let words: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(words.iter().all(|line| line.len() == 2), "{printed}");
    assert!(
        words.contains(&vec!["mel.hop", "512"]) && words.contains(&vec!["emotions.calm.valence", "0.4"]),
        "{printed}"
    );
}
