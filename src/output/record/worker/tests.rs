use ringbuf::HeapRb;
use ringbuf::traits::{Producer, Split};

use super::*;
use crate::files::config::RecordingsConfig;
use crate::output::record::{Budget, Format};

#[test]
fn a_long_take_continues_in_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut frames, tap) = HeapRb::new(20_000).split();
    let config = RecordingsConfig { keep_free_gb: 0.0, ..RecordingsConfig::default() };
    let destination = Destination { folder: folder.path().to_owned(), budget: Budget::new(&config) };
    let status = Arc::<RecorderStatus>::default();
    let mut worker = Worker::new(tap, Listeners::default(), destination, Arc::clone(&status), Arc::default());
    worker.max_file_frames = 5000;
    let mut play = |worker: &mut Worker, count: usize| {
        frames.push_iter(&mut std::iter::repeat_n([0.1, 0.1], count));
        worker.drain();
    };
    play(&mut worker, 1000);
    worker.start(Take { label: "calm".to_owned(), format: Format::Wav, pre_roll: 600, limit: None });
    play(&mut worker, 6000);
    let first = status.take_recorded_files();
    assert_eq!(first.len(), 1, "a file should be announced while the take continues");
    let second = part_path(&first[0].path, 2);
    assert!(status.is_writing(&first[0].path) && status.is_writing(&second), "the take has both files");
    play(&mut worker, 3000);
    worker.stop();
    let files: Vec<_> = first.into_iter().chain(status.take_recorded_files()).collect();
    let frames: Vec<_> = files.iter().map(|file| file.frames.clone()).collect();
    // A file ends with the first chunk that fills it.
    assert_eq!(frames, [400..7000, 7000..10_000]);
    for RecordedFile { path, frames } in &files {
        assert_eq!(u64::from(hound::WavReader::open(&**path).unwrap().duration()), frames.end - frames.start);
    }
    assert_eq!(*files[1].path, *second);
    let recorded = status.take_recorded();
    assert_eq!(recorded[0].frames, 400..10_000);
    assert!(!status.is_writing(&second) && status.is_in_use(&second), "its notes have yet to be written");
    drop(files);
    let first = recorded[0].path.to_path_buf();
    assert!(status.is_in_use(&first) && !status.is_in_use(&second), "only the log has yet to be written");
    drop(recorded);
    assert!(!status.is_in_use(&first));
}

#[test]
fn later_files_are_numbered() {
    assert_eq!(part_path("/a/16.55.01_calm.wav".as_ref(), 2), PathBuf::from("/a/16.55.01_calm_part2.wav"));
}
