use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringbuf::traits::{Observer, Producer, Split};
use ringbuf::{HeapProd, HeapRb};

use super::*;

fn recorder() -> (Recorder, HeapProd<[f32; 2]>) {
    let (tap, taken) = HeapRb::new(192_000).split();
    (Recorder::spawn(taken, Listeners::default(), Arc::default()).unwrap(), tap)
}

fn frame(n: usize) -> [f32; 2] {
    let sample = ((n % 4801) as f32 * 0.013).sin() * 0.5;
    [sample, -0.7 * sample]
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Plays frames `from..to` into the tap, at the recorder's pace, and waits until they are taken.
fn play(tap: &mut HeapProd<[f32; 2]>, from: usize, to: usize) {
    let mut frames = (from..to).map(frame).peekable();
    wait_until("the tap to be drained", || {
        tap.push_iter(&mut frames);
        frames.peek().is_none() && tap.is_empty()
    });
}

fn take(path: &Path, format: Format, pre_roll: u64, limit: Option<u64>) -> Take {
    Take { path: path.to_owned(), format, pre_roll, limit }
}

fn close(read: &[[f32; 2]], first: usize) {
    for (n, got) in read.iter().enumerate() {
        let wanted = frame(first + n);
        assert!((got[0] - wanted[0]).abs() < 2e-7 && (got[1] - wanted[1]).abs() < 2e-7, "{n}: {got:?} {wanted:?}");
    }
}

fn read_wav(path: &Path) -> Vec<[f32; 2]> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!((reader.spec().bits_per_sample, reader.spec().sample_rate), (24, 48_000));
    let samples: Vec<f32> = reader.samples::<i32>().map(|sample| sample.unwrap() as f32 / 8_388_607.0).collect();
    samples.chunks_exact(2).map(|frame| [frame[0], frame[1]]).collect()
}

#[test]
fn a_take_begins_before_it_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new folder/take.wav");
    let (recorder, mut tap) = recorder();
    play(&mut tap, 0, 100_000);
    recorder.start(take(&path, Format::Wav, 60_000, None)).unwrap();
    wait_until("recording", || recorder.status().recording());
    play(&mut tap, 100_000, 150_000);
    recorder.stop().unwrap();
    wait_until("the end", || !recorder.status().recording());
    let read = read_wav(&path);
    assert_eq!(read.len(), 110_000);
    assert_eq!(recorder.status().frames(), 110_000);
    close(&read, 40_000);
}

#[test]
fn a_take_ends_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("take.wav");
    let (recorder, mut tap) = recorder();
    recorder.start(take(&path, Format::Wav, 0, Some(5000))).unwrap();
    wait_until("recording", || recorder.status().recording());
    play(&mut tap, 0, 20_000);
    wait_until("the end", || !recorder.status().recording());
    assert_eq!(read_wav(&path).len(), 5000);
    assert_eq!(recorder.status().trouble(), None);
}

#[test]
fn flac_holds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("take.flac");
    let (recorder, mut tap) = recorder();
    recorder.start(take(&path, Format::Flac, 0, None)).unwrap();
    wait_until("recording", || recorder.status().recording());
    play(&mut tap, 0, 50_001);
    drop(recorder);

    use symphonia::core::formats::TrackType;
    let source =
        symphonia::core::io::MediaSourceStream::new(Box::new(std::fs::File::open(&path).unwrap()), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Default::default(), source, Default::default(), Default::default())
        .unwrap();
    let track = format.default_track(TrackType::Audio).unwrap();
    assert_eq!(track.num_frames, Some(50_001));
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(&parameters, &Default::default()).unwrap();
    let (mut read, mut samples) = (Vec::new(), Vec::new());
    while let Some(packet) = format.next_packet().unwrap() {
        decoder.decode(&packet).unwrap().copy_to_vec_interleaved::<f32>(&mut samples);
        read.extend(samples.chunks_exact(2).map(|frame| [frame[0], frame[1]]));
    }
    assert_eq!(read.len(), 50_001);
    close(&read, 0);
}

#[test]
fn a_full_disk_ends_the_take_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    for format in [Format::Wav, Format::Flac] {
        let (recorder, mut tap) = recorder();
        recorder.start(take(Path::new("/dev/full"), format, 0, None)).unwrap();
        wait_until("an answer", || recorder.status().recording() || recorder.status().trouble().is_some());
        play(&mut tap, 0, 150_000);
        wait_until("the trouble to be told", || recorder.status().trouble().is_some());
        let trouble = recorder.status().trouble().unwrap();
        assert!(trouble.contains("/dev/full") && trouble.contains("No space left"), "{trouble}");
        assert!(!recorder.status().recording());

        let path = dir.path().join("next.wav");
        recorder.start(take(&path, Format::Wav, 10_000, None)).unwrap();
        wait_until("recording", || recorder.status().recording());
        assert_eq!(recorder.status().trouble(), None);
        drop(recorder);
        close(&read_wav(&path), 140_000);
    }
}

#[test]
fn a_crash_leaves_a_file_that_can_be_played() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("take.wav");
    let (recorder, mut tap) = recorder();
    recorder.start(take(&path, Format::Wav, 0, None)).unwrap();
    wait_until("recording", || recorder.status().recording());
    play(&mut tap, 0, 100_000);
    let copy = dir.path().join("copy.wav");
    std::fs::copy(&path, &copy).unwrap();
    assert!(read_wav(&copy).len() >= 48_000);
}
