use std::fs;

use super::*;

fn load(folder: &Path) -> Saved {
    Saved::load(folder, &Troubles::default()).0
}

fn load_text(bytes: &[u8]) -> Saved {
    text::parse(bytes).0
}

fn open(folder: &Path) -> io::Result<StateFile> {
    open_with(folder, &Troubles::default())
}

/// Opens a file of which nothing is known.
fn open_with(folder: &Path, troubles: &Troubles) -> io::Result<StateFile> {
    StateFile::open(folder, None, None, troubles.clone())
}

/// Returns the files in a folder whose names start with `prefix`, in order.
fn files_in(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix)).collect();
    paths.sort();
    paths
}

fn sample_state() -> Saved {
    let values = vec![
        (Param::Valence, Value::Number(0.1)),
        (Param::Hold, Value::Toggle(true)),
        (Param::Key, Value::Choice(9)),
        (Param::Chord, Value::Text("Am7".to_owned())),
        (Param::SceneA, Value::Text("A\"m\n7".to_owned())),
    ];
    let dawn = vec![(Param::Reverb, Value::Number(0.25)), (Param::Tempo, Value::Number(66.0))];
    let learned = vec![LearnedControl::new("My \"box\"", "[[bind]]\ncc = 7\nto = \"reverb\"\n").unwrap()];
    Saved {
        learned,
        values,
        journey: Some(2),
        timer: Some(SavedTimer {
            ends: "2026-11-29T22:30:00.25Z".parse().unwrap(),
            seconds: 600,
            stopped: true,
            boot: Some(0x1f),
        }),
        paused: true,
        scenes: [("dawn \"x\".1".to_owned(), dawn), ("empty".to_owned(), Vec::new())].into(),
    }
}

#[test]
fn state_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(load(folder.path()), Saved::default());
    open(folder.path()).unwrap().close(sample_state());
    assert_eq!(load(folder.path()), sample_state());
}

#[test]
fn saved_timers_are_resumed() {
    let time = |text: &str| format!("2026-11-29T{text}:00Z").parse::<Timestamp>().unwrap();
    let (saved_in, next) = (Some(7), Some(8));
    let at = |id, text: &str| Boot { id, time: Some(time(text)) };
    let resumed = |stopped, now, boot| {
        SavedTimer { ends: time("22:30"), seconds: 1800, stopped, boot: saved_in }.resume(time(now), boot)
    };
    assert_eq!(resumed(false, "20:00", at(saved_in, "09:00")), ResumedTimer::Running(1800.0), "the clock was set back");
    let ended = SavedTimer { ends: time("22:30"), seconds: 0, stopped: false, boot: saved_in };
    for (now, boot_time, change) in [("22:10", "09:00", "back"), ("23:50", "22:40", "forward")] {
        assert_eq!(ended.resume(time(now), at(saved_in, boot_time)), ResumedTimer::Ended, "the clock was set {change}");
    }
    for stopped in [false, true] {
        assert_eq!(resumed(stopped, "22:10", at(saved_in, "09:00")), ResumedTimer::Running(1200.0));
        assert_eq!(
            resumed(stopped, "22:10", at(next, "22:09")),
            ResumedTimer::Running(1200.0),
            "after a power failure"
        );
    }
    assert_eq!(resumed(false, "22:30", at(saved_in, "09:00")), ResumedTimer::Ended);
    assert_eq!(resumed(false, "23:59", at(saved_in, "09:00")), ResumedTimer::Ended);
    assert_eq!(resumed(false, "22:31", at(next, "22:29")), ResumedTimer::Ended, "after a power failure");
    assert_eq!(resumed(false, "23:59", at(None, "09:00")), ResumedTimer::Ended, "only the time of the boot is known");
    assert_eq!(resumed(true, "23:59", at(saved_in, "09:00")), ResumedTimer::Obsolete, "stopped and started by hand");
    assert_eq!(resumed(false, "23:59", at(next, "23:00")), ResumedTimer::Obsolete, "the machine was off");
    assert_eq!(resumed(false, "23:59", Boot::default()), ResumedTimer::Obsolete);
    let boot = Boot::current();
    assert!(boot.id.is_some() && boot.id == Boot::current().id);
    assert!(boot.time.is_some_and(|time| time < Timestamp::now()));
}

#[test]
fn recording_settings_are_saved() {
    let mut conductor = Conductor::new(1, &[]);
    let set = [(Param::RecordFormat, Value::Choice(1)), (Param::RecordPreRoll, Value::Number(5.0))];
    for (param, value) in set.clone() {
        conductor.apply(&ControlEvent::Set(param, value)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap().close(Saved::of(&conductor, BTreeMap::new(), [].iter(), None, None, false));
    let saved = load(folder.path());
    assert!(set.iter().all(|setting| saved.values.contains(setting)), "{:?}", saved.values);
}

#[test]
fn scenes_are_restored_into_the_conductor() {
    let mut first = Conductor::new(1, &[]);
    for (param, value) in [(Param::Reverb, Value::Number(0.75)), (Param::SceneStore, Value::Text("hall".into()))] {
        first.apply(&ControlEvent::Set(param, value)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let stored = first.scenes().map(|(name, values)| (name.to_owned(), values)).collect();
    open(folder.path()).unwrap().close(Saved::of(&first, stored, [].iter(), None, None, false));

    let saved = load(folder.path());
    let mut second = Conductor::new(1, &[]);
    for event in saved.scene_events() {
        second.apply(&event).unwrap();
    }
    assert!(first.scenes().eq(second.scenes()));
    second.apply(&ControlEvent::Set(Param::Scene, Value::Text("hall".into()))).unwrap();
    assert_eq!(second.value(Param::Reverb), Value::Number(0.75));
}

#[test]
fn a_stored_scene_survives_as_a_file() {
    let moods = [
        vec![(Param::Emotion, Value::Choice(3))],
        vec![(Param::Sad, Value::Number(0.25)), (Param::Calm, Value::Number(0.5))],
        vec![(Param::Valence, Value::Number(-0.4)), (Param::Arousal, Value::Number(0.3))],
    ];
    for mut values in moods {
        values.extend([
            (Param::Tempo, Value::Number(90.0)),
            (Param::Reverb, Value::Number(0.75)),
            (Param::Seed, Value::Number(7.0)),
        ]);
        let mut conductor = Conductor::new(1, &values);
        conductor.apply(&ControlEvent::Set(Param::SceneStore, Value::Text("verse".into()))).unwrap();
        let stored = conductor.scenes().next().unwrap().1;
        let text = Scene::format(&stored);
        let scene =
            Scene::parse(Path::new("verse.toml"), &text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        for (param, value) in scene.values {
            conductor.apply(&ControlEvent::SceneValue { name: "file".into(), param, value }).unwrap();
        }
        let scenes: Vec<_> = conductor.scenes().collect();
        let recalled = |values: &[(Param, Value)]| -> Vec<_> {
            values.iter().filter(|(param, _)| param.policy().scene).cloned().collect()
        };
        assert_eq!(recalled(&scenes[0].1), recalled(&scenes[1].1), "{text}");
    }
}

#[test]
fn state_on_a_disk_mounted_later_is_kept_and_its_scenes_are_taken_over() {
    let (folder, troubles) = (tempfile::tempdir().unwrap(), Troubles::default());
    let state = open_with(folder.path(), &troubles).unwrap();
    // Nothing was found at startup; now a file with scenes has appeared.
    fs::write(state_path(folder.path()), sample_text()).unwrap();
    let dawn = vec![(Param::Reverb, Value::Number(1.0))];
    let mut own = Saved { scenes: [("dawn \"x\".1".to_owned(), dawn.clone())].into(), ..sample_state() };
    let other_learned = std::mem::take(&mut own.learned).remove(0);
    state.save_now(own.clone());
    wait_until("the state", || state_text(folder.path()).contains("reverb = 1.0"));
    let (hall, empty) = (load_text(sample_text().as_bytes()).scenes["hall"].clone(), Vec::new());
    let found = ["empty", "hall"].map(str::to_owned).into_iter().zip([empty.clone(), hall.clone()]);
    let mut found: Vec<_> = found.map(|(name, values)| Found::Scene(name, values)).collect();
    found.push(Found::Learned(other_learned.clone()));
    let taken: Vec<_> = std::iter::from_fn(|| state.next_found()).collect();
    assert_eq!(taken, found);
    let merged: BTreeMap<_, _> =
        [("dawn \"x\".1".to_owned(), dawn), ("empty".to_owned(), empty), ("hall".to_owned(), hall)].into();
    let saved = load(folder.path());
    assert_eq!((&saved.scenes, &saved.learned), (&merged, &vec![other_learned]));
    assert_eq!(saved.values, sample_state().values, "the values are this daemon's");

    let trouble = troubles.now().0[&Part::SavedState].clone();
    let kept = files_in(folder.path(), "state.toml.replaced-");
    assert!(kept.len() == 1 && trouble.contains(kept[0].to_str().unwrap()), "{trouble} {kept:?}");
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), sample_text());
    // Nothing else is found in a file that this daemon has written, and nothing is set aside.
    state.close(own);
    assert_eq!(files_in(folder.path(), "state.toml.").len(), 1);
}

#[test]
fn only_different_contents_are_set_aside() {
    let (folder, troubles) = (tempfile::tempdir().unwrap(), Troubles::default());
    let path = state_path(folder.path());
    fs::write(&path, sample_text()).unwrap();
    let (saved, known) = Saved::load(folder.path(), &troubles);
    let state = StateFile::open(folder.path(), None, known, troubles.clone()).unwrap();
    for step in 0..4_u8 {
        // Another file with another time, but the same contents.
        let contents = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, &contents).unwrap();
        state.save_now(Saved { journey: Some(10 + usize::from(step)), ..saved.clone() });
        wait_until("the state", || state_text(folder.path()).contains(&format!("journey = {}", 10 + step)));
    }
    assert_eq!((files_in(folder.path(), "state.toml.").len(), troubles.now().0), (0, BTreeMap::new()));
    // The daemon's own state in a file that another program has emptied.
    fs::write(&path, "").unwrap();
    state.close(saved.clone());
    assert_eq!((files_in(folder.path(), "state.toml.replaced-").len(), load(folder.path())), (1, saved));
}

#[test]
fn a_lost_lock_is_renewed_while_nothing_changes() {
    let (folder, troubles) = (tempfile::tempdir().unwrap(), Troubles::default());
    let state = open_with(folder.path(), &troubles).unwrap();
    state.save_now(sample_state());
    wait_until("the state", || state_path(folder.path()).exists());
    let lock = folder.path().join("lock");
    fs::remove_file(&lock).unwrap();
    // The file is described once it is locked.
    wait_until("the lock", || fs::read_to_string(&lock).is_ok_and(|text| !text.is_empty()));
    assert!(matches!(FolderLock::take(folder.path()), Err(crate::files::LockError::Held { .. })));
    state.close(sample_state());
}

#[test]
fn the_file_of_another_daemon_is_left_alone() {
    let (folder, troubles) = (tempfile::tempdir().unwrap(), Troubles::default());
    let lock = FolderLock::take(folder.path()).unwrap();
    let state = StateFile::open(folder.path(), Some(lock), None, troubles.clone()).unwrap();
    // In one step, because the lock is renewed as soon as its file is missing.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = FolderLock::take(elsewhere.path()).unwrap();
    fs::rename(elsewhere.path().join("lock"), folder.path().join("lock")).unwrap();
    fs::write(state_path(folder.path()), "the other daemon's").unwrap();
    state.save_now(sample_state());
    wait_until("the trouble", || troubles.now().0.contains_key(&Part::Lock));
    assert!(troubles.now().0[&Part::Lock].contains("does not save its state"), "{troubles:?}");
    state.close(sample_state());
    assert_eq!(state_text(folder.path()), "the other daemon's");
    let unsaved = files_in(folder.path(), "state.toml.unsaved-");
    assert_eq!(load_text(&fs::read(&unsaved[0]).unwrap()), sample_state());
    drop(other);
}

#[test]
fn locking_is_retried_until_it_succeeds() {
    let (folder, troubles) = (tempfile::tempdir().unwrap(), Troubles::default());
    troubles.set(Part::Lock, "it could not be locked");
    let mut state = open_with(folder.path(), &troubles).unwrap();
    state.save(sample_state);
    wait_until("the lock", || !troubles.now().0.contains_key(&Part::Lock));
    assert!(matches!(FolderLock::take(folder.path()), Err(crate::files::LockError::Held { .. })));
    state.close(sample_state());
}

fn state_text(folder: &Path) -> String {
    fs::read_to_string(state_path(folder)).unwrap_or_default()
}

impl StateFile {
    /// Saves a state without regard to the interval, once the thread has taken the one before.
    fn save_now(&self, state: Saved) {
        self.states.send(state).unwrap();
    }
}

/// Returns the text of a state file with three scenes and a learned control.
fn sample_text() -> String {
    let mut state = sample_state();
    let hall = vec![(Param::Reverb, Value::Number(0.75)), (Param::Width, Value::Number(0.5))];
    state.scenes.insert("hall".to_owned(), hall);
    text::format(&state)
}

#[test]
fn only_damaged_entries_are_lost_and_the_file_is_kept() {
    let intact = sample_text();
    let (all, problems) = text::parse(intact.as_bytes());
    assert_eq!(problems, [""; 0]);
    // The original text, its replacement, and the numbers of values, scenes and learned controls that are lost.
    for (from, to, lost) in [
        ("reverb = 0.75", "reverb = 0,75", (1, 0, 0)),
        ("reverb = 0.75", "reverb = \"much\"", (1, 0, 0)),
        ("reverb = 0.75", "reverb = 1979-05-27", (1, 0, 0)),
        ("reverb = 0.75", "reverb = nan", (1, 0, 0)),
        ("reverb = 0.75", "revreb = 0.75", (1, 0, 0)),
        ("reverb = 0.75", "reverb = 0.75\nreverb = 0.5", (0, 0, 0)),
        ("reverb = 0.75", "reverb = 0.75\n<<<<<<< HEAD", (0, 0, 0)),
        ("reverb = 0.75", "\0\0\0\0", (1, 0, 0)),
        ("hold = true", "hold = [", (1, 0, 0)),
        ("hold = true", "hold = \"\"\"", (1, 0, 0)),
        ("hold = true", "hold = True", (1, 0, 0)),
        ("journey = 2", "journey = 0", (0, 0, 0)),
        ("journey = 2", "journey = \"two\"", (0, 0, 0)),
        ("[scenes.hall]", "[scenes.hall", (0, 1, 0)),
        ("[scenes.hall]", "[scenes hall]", (0, 1, 0)),
        ("[[learned]]", "[[learned]", (0, 0, 0)),
        ("[[learned]]", "[learned]]", (0, 0, 0)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        assert!(intact.contains(from), "{from} in {intact}");
        let damaged = intact.replacen(from, to, 1);
        fs::write(state_path(folder.path()), &damaged).unwrap();
        let troubles = Troubles::default();
        let (saved, _) = Saved::load(folder.path(), &troubles);
        let values = |state: &Saved| state.values.len() + state.scenes.values().map(Vec::len).sum::<usize>();
        let scenes = all.scenes.keys().filter(|name| !saved.scenes.contains_key(*name)).count();
        let counts = (values(&all) - values(&saved), scenes, all.learned.len() - saved.learned.len());
        assert_eq!(counts, lost, "{to}: {saved:?}");
        let trouble = troubles.now().0[&Part::SavedState].clone();
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let kept = files.iter().find(|path| path.to_string_lossy().contains("state.toml.damaged-20")).expect(&trouble);
        assert!(trouble.contains(&kept.display().to_string()), "{trouble}");
        assert_eq!(fs::read_to_string(kept).unwrap(), damaged);
        open(folder.path()).unwrap().close(saved.clone());
        assert_eq!(load(folder.path()), saved, "what was rescued should be saved");
    }
}

#[test]
fn a_truncated_file_is_read_up_to_its_end() {
    let intact = sample_text();
    let all = load_text(intact.as_bytes());
    let count = |state: &Saved| state.values.len() + state.scenes.len() + state.learned.len();
    let mut max_recovered = 0;
    for length in 0..=intact.len() {
        let recovered = count(&load_text(&intact.as_bytes()[..length]));
        assert!(recovered + 1 >= max_recovered, "{length}: a longer part should lose at most one entry");
        max_recovered = max_recovered.max(recovered);
    }
    assert_eq!(max_recovered, count(&all));
}

#[test]
fn every_truncation_is_noticed() {
    let intact = sample_text();
    let end = intact.trim_end().len();
    for length in 0..intact.len() {
        let (_, problems) = text::parse(&intact.as_bytes()[..length]);
        assert_eq!(problems.is_empty(), length >= end, "{length}: {problems:?}");
    }
    for (cut, reason) in [("", "it is empty"), (intact.split("[scenes.hall]").next().unwrap(), "its end is missing")] {
        let (folder, troubles) = (tempfile::tempdir().unwrap(), Troubles::default());
        fs::write(state_path(folder.path()), cut).unwrap();
        let (saved, known) = Saved::load(folder.path(), &troubles);
        let trouble = troubles.now().0[&Part::SavedState].clone();
        assert!(trouble.contains(&format!("is damaged ({reason}); using whatever is readable")), "{trouble}");
        assert_eq!((known.as_deref(), saved), (Some(cut.as_bytes()), load_text(cut.as_bytes())));
        let kept = files_in(folder.path(), "state.toml.damaged-");
        assert!(kept.len() == 1 && fs::read_to_string(&kept[0]).unwrap() == cut, "{kept:?}");
    }
}

#[test]
fn files_of_earlier_versions_and_edited_ones_are_complete() {
    let intact = sample_text();
    let without_marks: String =
        intact.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert!(without_marks.starts_with("\n") && without_marks.contains("[scenes.hall]"), "{without_marks}");
    for text in [without_marks, intact.replace('\n', "\r\n"), format!("{intact}\n[scenes.noon]\nreverb = 0.5\n")] {
        let (saved, problems) = text::parse(text.as_bytes());
        assert_eq!((problems, saved.scenes.contains_key("hall")), (Vec::new(), true), "{text}");
    }
}

#[test]
fn only_lines_that_are_not_utf8_are_lost() {
    let mut bytes = sample_text().into_bytes();
    bytes.extend(b"\n[scenes.\"M\xe4rz\"]\nreverb = 0.5\n");
    let saved = load_text(&bytes);
    assert!(saved.scenes.len() == 4 && saved.scenes.contains_key("hall"), "{:?}", saved.scenes.keys());
}

#[test]
fn only_misplaced_tables_and_values_are_lost() {
    for (damaged, values) in [
        ("scenes = 3\nvalence = 0.5", 1),
        ("learned = 1\nvalence = 0.5", 1),
        ("valence = 0.5\n[scenes]\ndawn = 1", 1),
        ("valence = [1", 0),
    ] {
        let saved = load_text(damaged.as_bytes());
        let counts = (saved.values.len(), saved.scenes.len(), saved.learned.len());
        assert_eq!(counts, (values, 0, 0), "{damaged}");
    }
    let bad = "valence = 0.5\n[[learned]]\ndevice = \"box\"\nblock = \"[[bind]]\"\n[[learned]]\n";
    let rest = Saved { values: vec![(Param::Valence, Value::Number(0.5))], ..Saved::default() };
    assert_eq!(load_text(bad.as_bytes()), rest, "controls that cannot be read should be left out");
}

#[test]
fn garbage_is_read_in_linear_time() {
    let time = |count: usize| {
        let garbage = "x = [ {\n".repeat(count);
        let started = Instant::now();
        assert_eq!(text::parse(garbage.as_bytes()).1.len(), count);
        started.elapsed()
    };
    time(200);
    let (short, long) = (time(500), time(2_500));
    assert!(long < 25 * short, "{short:?} and {long:?}");
}

#[test]
fn special_files_are_set_aside_without_blocking() {
    for (make, arguments) in [("mkfifo", vec![]), ("mkdir", vec![]), ("ln", vec!["-s", "unmounted/state.toml"])] {
        let folder = tempfile::tempdir().unwrap();
        let path = state_path(folder.path());
        assert!(std::process::Command::new(make).args(arguments).arg(&path).status().unwrap().success());
        let kind = path.symlink_metadata().unwrap().file_type();
        let troubles = Troubles::default();
        assert_eq!(Saved::load(folder.path(), &troubles), (Saved::default(), None));
        let trouble = troubles.now().0[&Part::SavedState].clone();
        assert!(trouble.contains("cannot be read (") && !trouble.contains("damaged"), "{trouble}");
        open_with(folder.path(), &troubles).unwrap().close(sample_state());
        assert_eq!(load(folder.path()), sample_state(), "{make}");
        let kept = files_in(folder.path(), "state.toml.unreadable-");
        assert_eq!(kept[0].symlink_metadata().unwrap().file_type(), kind, "{make}");
        let trouble = troubles.now().0[&Part::SavedState].clone();
        assert!(trouble.contains(&format!("it was kept as {}", kept[0].display())), "{trouble}");
    }
}

#[test]
fn what_is_in_the_way_of_the_folder_is_reported() {
    let (folder, troubles) = (tempfile::tempdir().unwrap(), Troubles::default());
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    open_with(&link, &troubles).unwrap().close(sample_state());
    let state = open_with(&link, &troubles).unwrap();
    state.save_now(sample_state());
    wait_until("the trouble", || troubles.now().0.contains_key(&Part::State));
    let expected = format!("{} is a link that leads to no folder", link.display());
    let now = troubles.now().0;
    assert!([Part::State, Part::Lock].iter().all(|part| now[part].contains(&expected)), "{now:?}");
    state.close(sample_state());
    assert!(link.is_symlink());
}

#[test]
fn a_damaged_file_and_the_symlink_to_it_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (elsewhere, link) = (folder.path().join("elsewhere.toml"), state_path(folder.path()));
    fs::write(&elsewhere, "valence = = 1").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    let troubles = Troubles::default();
    let (_, known) = Saved::load(folder.path(), &troubles);
    StateFile::open(folder.path(), None, known, troubles).unwrap().close(sample_state());
    assert!(link.is_symlink() && fs::read_to_string(&elsewhere).unwrap().contains("dawn"));
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = files.filter(|path| path.to_string_lossy().contains("damaged")).collect();
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "valence = = 1");
}

#[test]
fn an_unreadable_file_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::File::create(state_path(folder.path())).unwrap().set_len(MAX_BYTES + 1).unwrap();
    let troubles = Troubles::default();
    assert_eq!(Saved::load(folder.path(), &troubles), (Saved::default(), None));
    open(folder.path()).unwrap().close(sample_state());
    let files = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("state.toml"));
    let sizes: Vec<_> = files.map(|entry| entry.metadata().unwrap().len()).collect();
    assert!(sizes.len() == 2 && sizes.contains(&(MAX_BYTES + 1)), "{sizes:?}");
    assert!(troubles.now().0[&Part::SavedState].contains("larger than"));
}

fn wait_until(what: &str, reached: impl Fn() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < Duration::from_secs(30), "timed out waiting for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_deleted_folder_is_recreated() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut state_file = open(&state).unwrap();
    state_file.save(sample_state);
    wait_until("the first state", || state_path(&state).exists());
    // A concurrent write can make the removal fail.
    while state.exists() {
        let _ = fs::remove_dir_all(&state);
    }
    state_file.close(sample_state());
    assert_eq!(load(&state), sample_state());
}

#[test]
fn a_failing_disk_is_reported_and_retried_without_blocking() {
    let folder = tempfile::tempdir().unwrap();
    // With a file in place of the folder, not even root can write there.
    let state = folder.path().join("state");
    fs::write(&state, "").unwrap();
    let troubles = Troubles::default();
    let mut state_file = open_with(&state, &troubles).unwrap();
    state_file.save(sample_state);
    state_file.save(|| panic!("the last save is too recent"));
    wait_until("the trouble", || troubles.now().0.contains_key(&Part::State));
    fs::remove_file(&state).unwrap();
    wait_until("the end of the trouble", || troubles.now().0.is_empty());
    assert_eq!(
        load(&state),
        sample_state(),
        "the state should be written as soon as possible, even without a new request"
    );
    state_file.close(sample_state());
}
