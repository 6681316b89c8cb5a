use std::os::unix::fs::symlink;

use super::*;

/// Far longer than needed; only a failing test waits this long.
const TIMEOUT: Duration = Duration::from_secs(20);

fn watch_path(path: &Path) -> Receiver<Changed> {
    let (sender, receiver) = sync_channel(4);
    watch(vec![path.to_owned()], |_| true, sender, Troubles::default()).unwrap();
    receiver
}

fn next_change(changed: &Receiver<Changed>) -> Vec<PathBuf> {
    changed.recv_timeout(TIMEOUT).expect("a change should be reported").0
}

#[test]
fn each_save_is_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("calm.toml");
    let changed = watch_path(dir.path());
    fs::write(dir.path().join(".calm.toml.swp"), "x").unwrap();
    fs::write(dir.path().join("4913"), "x").unwrap();
    fs::write(&file, "a = 1").unwrap();
    fs::write(&file, "a = 2").unwrap();
    assert_eq!(next_change(&changed), std::slice::from_ref(&file));

    let temporary = dir.path().join("calm.toml~");
    fs::write(&temporary, "a = 3").unwrap();
    fs::rename(&temporary, &file).unwrap();
    assert_eq!(next_change(&changed), std::slice::from_ref(&file));

    fs::remove_file(&file).unwrap();
    assert_eq!(next_change(&changed), [file]);
}

#[test]
fn only_the_watched_file_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("melos.toml");
    fs::write(&file, "").unwrap();
    let changed = watch_path(&file);
    fs::write(dir.path().join("other.toml"), "x").unwrap();
    fs::write(&file, "x").unwrap();
    assert_eq!(next_change(&changed), [file]);
}

#[test]
fn a_folder_may_appear_later() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("not/yet/presets");
    let changed = watch_path(&folder);
    fs::create_dir_all(&folder).unwrap();
    assert!(next_change(&changed).iter().all(|path| path.starts_with(&folder)));
    fs::write(folder.join("a.toml"), "x").unwrap();
    assert_eq!(next_change(&changed), [folder.join("a.toml")]);
}

/// Two versions, `one` and `two`, of a folder `presets` that contains `a.toml`.
struct Versions {
    dir: tempfile::TempDir,
}

impl Versions {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for version in ["one", "two"] {
            fs::create_dir_all(dir.path().join(version).join("presets")).unwrap();
            fs::write(dir.path().join(version).join("presets/a.toml"), version).unwrap();
        }
        Self { dir }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[test]
fn changes_behind_links_at_any_level_are_reported() {
    // The target of a link is edited in place.
    let versions = Versions::new();
    fs::create_dir(versions.at("mine")).unwrap();
    symlink(versions.at("one/presets/a.toml"), versions.at("mine/a.toml")).unwrap();
    let changed = watch_path(&versions.at("mine"));
    fs::write(versions.at("one/presets/a.toml"), "edited").unwrap();
    assert_eq!(next_change(&changed), [versions.at("mine/a.toml")]);
    // The link is retargeted.
    fs::remove_file(versions.at("mine/a.toml")).unwrap();
    symlink(versions.at("two/presets/a.toml"), versions.at("mine/a.toml")).unwrap();
    assert_eq!(next_change(&changed), [versions.at("mine/a.toml")]);

    // A link above the folder, as used for deployments, is retargeted.
    let versions = Versions::new();
    symlink("one", versions.at("current")).unwrap();
    let presets = versions.at("current/presets");
    let changed = watch_path(&presets);
    symlink("two", versions.at("next")).unwrap();
    fs::rename(versions.at("next"), versions.at("current")).unwrap();
    assert!(next_change(&changed).contains(&presets.join("a.toml")));
    fs::write(versions.at("two/presets/a.toml"), "edited").unwrap();
    assert_eq!(next_change(&changed), [presets.join("a.toml")]);
}

#[test]
fn replaced_parent_folders_are_detected() {
    let versions = Versions::new();
    let presets = versions.at("one/presets");
    let changed = watch_path(&presets);
    fs::rename(versions.at("one"), versions.at("old")).unwrap();
    fs::rename(versions.at("two"), versions.at("one")).unwrap();
    assert!(next_change(&changed).contains(&presets.join("a.toml")));
    fs::write(presets.join("b.toml"), "new").unwrap();
    let mut all = next_change(&changed);
    // Removal and creation may be reported separately.
    while !all.contains(&presets.join("b.toml")) {
        all = next_change(&changed);
    }
}

#[test]
fn files_are_polled_without_system_watches() {
    let dir = tempfile::tempdir().unwrap();
    let troubles = Troubles::default();
    let mut watch = Watch::new(vec![dir.path().to_owned()], |_| true, troubles.clone());
    watch.give_up("none are left");
    let (sender, changed) = sync_channel(4);
    thread::spawn(move || watch.run(&sender));
    fs::write(dir.path().join("a.toml"), "x").unwrap();
    assert_eq!(next_change(&changed), [dir.path().join("a.toml")]);
    let trouble = &troubles.now().0[&Part::Watch];
    assert!(trouble.contains("none are left") && trouble.contains("every 2 s"), "{trouble}");
}

#[test]
fn a_folder_that_cannot_be_watched_is_reported_in_a_sentence() {
    let troubles = Troubles::default();
    let mut watch = Watch::new(Vec::new(), |_| true, troubles.clone());
    for (kind, reason) in [
        (ErrorKind::MaxFilesWatch, "the system's limit on watches (fs.inotify.max_user_watches) is reached"),
        (ErrorKind::Io(std::io::ErrorKind::PermissionDenied.into()), "permission denied"),
        (ErrorKind::WatchNotFound, "the system refuses it"),
    ] {
        let error = notify::Error::new(kind).add_path("/music/presets".into());
        watch.give_up(unwatchable(Path::new("/music/presets"), &error));
        assert_eq!(
            troubles.now().0[&Part::Watch],
            format!(
                "the folder /music/presets cannot be watched: {reason}; Melos looks for changes every 2 s instead, the last \
                 good state of every file stays in use, and watching is tried again every 30 s"
            )
        );
    }
}

#[test]
fn a_folder_that_goes_away_is_watched_again_once_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("presets"), dir.path().join("presets/a.toml"));
    fs::create_dir(&folder).unwrap();
    let (sender, changed) = sync_channel(4);
    let troubles = Troubles::default();
    watch(vec![folder.clone()], |_| true, sender, troubles.clone()).unwrap();
    fs::remove_dir(&folder).unwrap();
    assert_eq!(next_change(&changed), std::slice::from_ref(&folder));
    fs::create_dir(&folder).unwrap();
    assert_eq!(next_change(&changed), std::slice::from_ref(&folder));
    fs::write(&file, "x").unwrap();
    assert_eq!(next_change(&changed), [file]);
    assert!(troubles.now().0.is_empty(), "{troubles:?}");
}

#[test]
fn reads_and_editors_temporary_files_are_not_reported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    fs::write(&file, "x").unwrap();
    let before = Scan::run(&[dir.path().to_owned()], |_| true, &Scan::default());
    fs::read(&file).unwrap();
    fs::write(dir.path().join(".b.swp"), "x").unwrap();
    assert_eq!(
        Scan::run(&[dir.path().to_owned()], |_| true, &Scan::default()).differences(&before),
        [""; 0].map(PathBuf::from)
    );
}

#[test]
fn irrelevant_events_do_not_postpone_the_poll() {
    let (sender, events) = sync_channel(1);
    let opened = Event::new(EventKind::Access(AccessKind::Open(AccessMode::Read))).add_path("calm.toml".into());
    let opening = thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && sender.send(opened.clone()).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(wait_for_burst(&events, Duration::from_millis(100)), Ok(()));
    drop(events);
    opening.join().unwrap();
}

#[test]
fn a_folder_that_cannot_be_listed_counts_as_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), "x").unwrap();
    let before = Scan::run(&[dir.path().to_owned()], |_| true, &Scan::default());
    let mut scan = Scan::default();
    // As if no file descriptor were left to list it.
    scan.add_unchanged(dir.path(), &before);
    assert!(scan.versions.keys().eq([&dir.path().join("a.toml")]), "{scan:?}");
    assert!(scan.folders.keys().eq([dir.path()]), "{scan:?}");
}

#[test]
fn scanning_ends_despite_link_loops_and_opens_no_pipes() {
    let dir = tempfile::tempdir().unwrap();
    symlink(".", dir.path().join("again")).unwrap();
    symlink("again/again", dir.path().join("more")).unwrap();
    symlink("itself", dir.path().join("itself")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(dir.path().join("pipe.toml")).status().unwrap().success());
    let scan = Scan::run(&[dir.path().to_owned()], |_| true, &Scan::default());
    let names = ["again", "more", "pipe.toml"].map(|name| dir.path().join(name));
    let found = scan.versions.keys().filter(|path| *path != dir.path());
    assert!(found.eq(&names), "{scan:?}");
}

#[test]
fn files_that_are_not_selected_take_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let takes = dir.path().join("takes");
    fs::create_dir(&takes).unwrap();
    for number in 0..=MAX_FILES {
        fs::write(dir.path().join(format!("{number}.wav")), "").unwrap();
        fs::write(takes.join(format!("{number}.toml")), "").unwrap();
    }
    let file = dir.path().join("#9-last.toml");
    fs::write(&file, "x").unwrap();
    let (sender, changed) = sync_channel(4);
    watch(vec![dir.path().to_owned()], crate::files::library::is_item, sender, Troubles::default()).unwrap();
    fs::write(&file, "y").unwrap();
    assert_eq!(next_change(&changed), [file]);
}
