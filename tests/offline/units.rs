//! The systemd units are hardened, by systemd's own measure, and have limits.

use std::fs;
use std::process::Command;

/// Limits that a unit must set, whatever their values.
const LIMITS: [&str; 7] = [
    "MemoryMax",
    "OOMPolicy",
    "TasksMax",
    "LimitNOFILE",
    "LogRateLimitIntervalSec",
    "LogRateLimitBurst",
    "WatchdogSec",
];

/// Checks that systemd rates a unit's exposure at no more than `threshold` tenths.
fn assert_exposure_at_most(unit: &str, threshold: u32) {
    let analysis = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", &format!("--threshold={threshold}"), unit])
        .output()
        .expect("systemd-analyze is needed: apt-get install systemd");
    let printed = String::from_utf8_lossy(&analysis.stdout);
    assert!(printed.contains("Overall exposure level"), "{printed}{}", String::from_utf8_lossy(&analysis.stderr));
    assert!(analysis.status.success(), "the exposure exceeds {threshold} tenths: {printed}");
}

#[test]
fn the_units_are_hardened() {
    assert_exposure_at_most("systemd/melos.service", 15);
    // Most of the remaining exposure is rated as if root ran the unit; a user's service manager cannot reduce it.
    assert_exposure_at_most("systemd/melos.user.service", 65);
}

#[test]
fn the_units_have_limits() {
    for unit in ["systemd/melos.service", "systemd/melos.user.service"] {
        let text = fs::read_to_string(unit).unwrap();
        for limit in LIMITS {
            assert!(text.lines().any(|line| line.starts_with(&format!("{limit}="))), "{unit} sets no {limit}");
        }
        // By default, a refused system call kills the process.
        assert!(
            !text.contains("SystemCallFilter=") || text.contains("SystemCallErrorNumber="),
            "{unit} sets no SystemCallErrorNumber"
        );
    }
}
