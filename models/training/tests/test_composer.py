"""Tests the composer: its inputs, single steps, training and performances."""

from pathlib import Path

import composer_corpus
import numpy as np
import pytest
import torch

from melos_training.composer import conditions, corpora, mood
from melos_training.composer.batches import collate, keep_conditions, without_conditions
from melos_training.composer.configuration import Configuration
from melos_training.composer.features import Setting, excerpt, features
from melos_training.composer.form import infer
from melos_training.composer.graphs import build
from melos_training.composer.host import PREFIX, ROWS, as_steps, host_graphs
from melos_training.composer.layout import (
    DURATIONS,
    LAGS,
    LATENT_SECONDS,
    OFFSETS,
    PEDAL_CHANGED,
    PEDAL_DOWN,
    PEDAL_UP,
    SLOT_WIDTH,
    STEP,
    duration_class,
    duration_seconds,
)
from melos_training.composer.library import Library, Song, load
from melos_training.composer.memory import DURATION_COLUMN, dense
from melos_training.composer.network import Composer
from melos_training.composer.playing import Plan, Player
from melos_training.composer.prepare import prepare
from melos_training.composer.sampling import Sampling, Servo, choose
from melos_training.composer.stepping import Stepper
from melos_training.composer.training import CHECKPOINT, COOLED, METRICS, Run
from melos_training.composer.view import View
from melos_training.composer.windows import Window, cut

LATENTS = 140
"""Length of a window; longer than the network's attention window."""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    root = tmp_path_factory.mktemp("composer")
    path = root / "library.npz"
    prepared = prepare({"pop909": composer_corpus.write(root / "corpus", 3)}, path)
    assert [song.name for song in prepared.songs] == ["001", "002", "003"]
    return load(path)


@pytest.fixture(scope="session")
def song(library: Library) -> Song:
    return library.songs[0]


def window(song: Song, library: Library, start: float = 16.0, latents: int = LATENTS) -> Window:
    return cut(song, View(start=start, latents=latents), library.labeller)


def test_pedal_extends_notes_but_not_key_times(song: Song) -> None:
    p = song.performance
    assert p.onset[0] == 0
    assert set(p.pitch[p.onset == 0]) == {48, 72}
    first_bass = int(np.flatnonzero(p.pitch == 48)[0])
    assert p.key_up[first_bass] == pytest.approx(200 / 480 * 0.5)
    # The pedal sustains the note until the end of the bar, or until its key is struck again.
    assert p.damped()[first_bass] == pytest.approx(2.0 - 30 / 480 * 0.5)
    assert p.voice[p.pitch >= 69].all()
    assert not p.voice[p.pitch < 65].any()


def test_chord_labels_are_parsed() -> None:
    assert corpora.parse_chord("C:maj") == (0b10010001, 0)
    assert corpora.parse_chord("Bb:min7/b3") == (1 << 10 | 1 << 1 | 1 << 5 | 1 << 8, 1)
    assert corpora.parse_chord("N") == (0, -1)


def test_splits_keep_recordings_together() -> None:
    assert {corpora.split_of("pop909", f"{n:03}") for n in range(200)} == {"train", "valid", "test"}
    for stem, recording in (
        ("Chopin_Etudes_Op10_g0hoN6_HDVU_no_12_cut", "g0hoN6_HDVU"),
        ("Chopin, Frédéric, Études, Op.10, g0hoN6_HDVU", "g0hoN6_HDVU"),
        ("Debussy_Estampes_R-YcnPXY2yE_cut_no_1", "R-YcnPXY2yE"),
        ("Bach_Prelude_and_Fugue_in_A-flat_major_BWV862_gCL5Zvnt0TU_a", "gCL5Zvnt0TU"),
        ("Liszt_Reminiscences_de_Don_Juan_S418_JI6JfJXcUjU_part1", "JI6JfJXcUjU"),
        ("Beethoven_Piano_Sonata_No_3_Op_2_No_3_3asWeutbY0c_cut_midi", "3asWeutbY0c"),
    ):
        match = corpora.YOUTUBE_ID.search(stem)
        assert match is not None
        assert match.group(1) == recording


def test_duration_classes_round_trip() -> None:
    classes = np.arange(DURATIONS)
    assert (duration_class(duration_seconds(classes)) == classes).all()


def test_labels_distinguish_moods(library: Library) -> None:
    draws = np.random.default_rng(0).normal(size=(500, len(mood.FEATURES))).astype(np.float32)
    labeller = mood.Labeller.fit(draws)

    def strongest(**values: float) -> str:
        row = np.zeros((1, len(mood.FEATURES)), np.float32)
        for name, value in values.items():
            row[0, mood.INDEX[name]] = value
        return mood.EMOTIONS[int(labeller.label(row)[0].argmax())]

    assert strongest(velocity=2, density=1.5, mode=-2, bass=-1) == "angry"
    assert strongest(velocity=-2, density=-2, mode=1.2) == "calm"
    assert strongest(velocity=1, density=0.5, mode=2) == "happy"
    assert strongest(velocity=-1, density=-1, mode=-2) == "sad"


def test_form_finds_repetition(song: Song) -> None:
    form = infer(song.performance, song.beats)
    # Bars 16 to 31 repeat bars 0 to 15.
    later = np.arange(17, 30)
    assert (form.likeness[later] > 0.99).all()
    assert ((later - form.source[later]) % 4 == 0).all()


def test_a_window_contains_all_notes_in_order(song: Song, library: Library) -> None:
    cut_out = window(song, library)
    p = song.performance
    inside = (p.onset >= 16 - STEP / 2) & (p.onset < 16 + LATENTS * LATENT_SECONDS - STEP / 2)
    notes = cut_out.notes[cut_out.notes[:, 0] >= 0]
    assert len(notes) == inside.sum()
    seconds = (notes[:, 0] * OFFSETS + notes[:, 1]) * STEP + 16
    assert np.abs(np.sort(seconds) - np.sort(p.onset[inside])).max() <= STEP / 2 + 1e-9
    order = notes[:, 0] * 10_000 + notes[:, 1] * 100 + notes[:, 3]
    assert (np.diff(order) > 0).all()


def test_pedal_actions_follow_the_recorded_pedal(song: Song, library: Library) -> None:
    cut_out = window(song, library, start=0.0)
    lift = int((2.0 - 30 / 480 * 0.5) / LATENT_SECONDS)
    assert cut_out.pedal[1] == PEDAL_DOWN
    assert cut_out.pedal_offset[5] == -1
    # The pedal is up from 1.97 s to 2.03 s, within one latent or across two.
    assert cut_out.pedal[lift] in (PEDAL_UP, PEDAL_CHANGED)
    assert cut_out.pedal_offset[lift] >= 0
    assert (cut_out.pedal_before[1:] == cut_out.pedal[:-1]).all()


def test_the_memory_contains_the_notes_of_earlier_bars(song: Song, library: Library) -> None:
    cut_out = window(song, library)
    memory = dense(cut_out.memory, LATENTS)
    # A bar lasts two seconds; the slots at latent 0 hold the notes struck 1, 2, 4 and 8 bars earlier.
    p = song.performance
    for slot, lag in enumerate(LAGS):
        before = p.pitch[np.abs(p.onset - (16 - 2 * lag)) < STEP / 2]
        keys = np.flatnonzero(memory[0, slot * SLOT_WIDTH : slot * SLOT_WIDTH + 176] == 1) % 88 + 21
        assert set(keys) == set(before)


def test_inputs_do_not_depend_on_later_notes(song: Song, library: Library) -> None:
    p = song.performance
    change = 60
    later = p.onset >= 16 + change * LATENT_SECONDS - STEP / 2
    other = Song(**vars(song))
    other.performance = type(p)(**vars(p))
    other.performance.pitch = np.where(later, p.pitch + 1, p.pitch)
    other.performance.velocity = np.where(later, 20.0, p.velocity)
    other.performance.key_up = np.where(later, p.onset + 0.05, p.key_up)
    original, changed = window(song, library), window(other, library)
    for name in ("sounding", "melody"):
        assert (getattr(original, name)[: change + 1] == getattr(changed, name)[: change + 1]).all()
        assert not (getattr(original, name) == getattr(changed, name)).all()
    memories = [dense(cut_out.memory, LATENTS)[: change + 1] for cut_out in (original, changed)]
    assert (memories[0] == memories[1]).all()


def test_unspecified_conditions_are_zero(song: Song, library: Library) -> None:
    cut_out = window(song, library)
    masks = cut_out.conditions.coarse[:, conditions.VALUES :]
    # Phrases may be unclear; everything else is known for this piece.
    assert masks[:, [i for i, group in enumerate(conditions.GROUPS) if group != "phrase"]].all()
    kept = keep_conditions(cut_out, ("chord",))
    assert kept.conditions.coarse.sum() == LATENTS
    assert (kept.conditions.fine[:, :, :12] == cut_out.conditions.fine[:, :, :12]).all()
    free = without_conditions(cut_out)
    assert not free.conditions.coarse.any()
    assert not free.conditions.fine.any()
    assert not len(free.memory.latent)


@torch.no_grad()
def test_steady_conditions_are_constant(song: Song, library: Library) -> None:
    for steady in (False, True):
        cut_out = cut(song, View(start=16.0, latents=LATENTS, steady=steady), library.labeller)
        for group in conditions.STEADY:
            known = cut_out.conditions.coarse[:, conditions.MASKS[group]] > 0
            values = cut_out.conditions.coarse[known, conditions.COARSE_SLICES[group]]
            assert known.any()
            if steady:
                assert np.allclose(values, values[0], atol=1e-6)
        register = cut_out.conditions.coarse[:, conditions.COARSE_SLICES["register"]]
        assert (np.ptp(register) > 0.01) != steady


def test_a_sparse_bass_is_given_where_the_chord_changes(song: Song, library: Library) -> None:
    full, sparse = (
        cut(song, View(start=16.0, latents=LATENTS, sparse_bass=sparse), library.labeller).conditions
        for sparse in (False, True)
    )
    chord, bass = (full.fine[:, -1, conditions.FINE_SLICES[group]] for group in ("chord", "bass"))
    changed = (np.diff(chord, axis=0) != 0).any(1) | (np.diff(bass, axis=0) != 0).any(1)
    given = sparse.coarse[:, conditions.MASKS["bass"]] > 0
    assert 0 < changed.sum() < LATENTS / 4
    assert (given[1:] == changed).all()
    assert (sparse.fine[given] == full.fine[given]).all()
    next_chord = sparse.coarse[:, conditions.COARSE_SLICES["next"]]
    assert next_chord[:, :12].any() and not next_chord[:, 12:24].any()


def test_single_steps_match_the_whole_sequence(song: Song, library: Library, net: Composer) -> None:
    cuts = [window(song, library), window(library.songs[1], library, start=9.7)]
    batch = collate(cuts)
    base = net.base(batch).view(2, LATENTS, -1)
    losses = net.losses(batch)
    memory = torch.from_numpy(np.stack([dense(cut_out.memory, LATENTS) for cut_out in cuts]))
    stepper = Stepper.of(net, 2)
    for row, cut_out in enumerate(cuts):
        before = cut_out.notes[cut_out.notes[:, 0] == -1]
        for note in before:
            stepper.add_notes(torch.tensor([row]), net.notes(torch.from_numpy(note[None, 1:])))
    worst = 0.0

    def compare(actual: torch.Tensor, expected: torch.Tensor) -> None:
        nonlocal worst
        allowed = expected > -1e8
        worst = max(worst, float((actual - expected)[allowed].abs().max()))

    count = len(batch.note)
    for latent in range(LATENTS):
        recorded = (batch.coarse[:, latent], batch.fine[:, latent], batch.sounding[:, latent], batch.melody[:, latent])
        step, _ = stepper.begin(memory[:, latent], *recorded, batch.pedal_before[:, latent])
        worst = max(worst, float((step - base[:, latent]).abs().max()))
        _, writer = stepper.open(step, batch.pedal[:, latent])
        for row in range(2):
            rows, melody = torch.tensor([row]), batch.melody[row : row + 1, latent]
            for index in torch.nonzero(batch.note_latent == row * LATENTS + latent)[:, 0]:
                offset, voice, key, velocity, _ = batch.note[index : index + 1].unbind(1)
                state, logits = writer.offset(rows)
                compare(logits[0], losses.logits["offset"][index])
                state, _ = stepper.graphs["voice"](state, offset, batch.fine[row : row + 1, latent, offset[0]])
                state, logits = stepper.graphs["key"](state, voice, melody)
                compare(logits[0], losses.logits["key"][index])
                state, logits = stepper.graphs["velocity"](state, key)
                compare(logits[0], losses.logits["velocity"][index])
                compare(stepper.graphs["duration"](state, velocity)[0], losses.logits["duration"][index])
                writer.write(rows, batch.note[index : index + 1])
                melody = torch.where(voice == 1, key, melody)
            compare(writer.offset(rows)[1][0], losses.logits["offset"][count + row * LATENTS + latent])
    assert worst < 1e-4


@torch.no_grad()
def test_daemon_graphs_match_single_steps(net: Composer) -> None:
    torch.manual_seed(0)
    graphs = host_graphs(net)
    steps = as_steps(graphs, {name: graph.module for name, graph in graphs.items()})
    for name, step in build(net).items():
        inputs = []
        for port in graphs[PREFIX + name].inputs:
            if port.name == "first":
                inputs.append(torch.ones(ROWS, 1))
            elif port.shape == [1]:
                inputs.append(torch.randint(0, 2, (1,)).expand(ROWS))
            elif port.name == "note":
                inputs.append(torch.tensor([[1, 0, 40, 16, 12]]).expand(ROWS, -1))
            elif port.shape[0] == 1:
                inputs.append(torch.rand(port.shape).expand(ROWS, *port.shape[1:]))
            else:
                inputs.append(torch.rand(port.shape))
        whole, pair = step(*inputs), steps[name](*inputs)
        for actual, expected in zip(*(x if isinstance(x, tuple) else (x,) for x in (pair, whole)), strict=True):
            torch.testing.assert_close(actual.expand_as(expected), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_a_seed_reproduces_a_performance(song: Song, library: Library, net: Composer, guidance: float) -> None:
    view = View(start=0.0, latents=60, no_history=True)
    sampling = Sampling(guidance=guidance)

    def play(seed: int) -> list[np.ndarray]:
        plans = [Plan.of(song, view, library.labeller), Plan.of(library.songs[1], view, library.labeller)]
        rows = 2 if guidance == 1 else 4
        played = Player(Stepper.of(net, rows), plans, sampling, seed).play()
        return [np.stack([p.onset, p.pitch, p.velocity, p.key_up]) for p in played]

    first, repeated, other = play(1), play(1), play(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, repeated))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other))
    assert all(len(a.T) > 20 for a in first)


def test_playback_inputs_match_training_inputs(song: Song, library: Library, net: Composer) -> None:
    """Cuts a window from a performance, as in training, and compares it with the inputs during playback."""
    latents = 100
    view = View(start=16.0, latents=latents, no_history=True)
    recorded: list[tuple[torch.Tensor, ...]] = []

    class RecordingStepper(Stepper):
        def begin(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            recorded.append(tuple(value.clone() for value in inputs))
            return super().begin(*inputs)

    stepper = RecordingStepper(dict(build(net)), 1)
    played = Player(stepper, [Plan.of(song, view, library.labeller)], Sampling(), 4).play()[0]
    for times in (played.onset, played.key_up, played.pedal_times):
        times += view.start
    played_song = Song(**vars(song))
    played_song.performance, played_song.damped = played, played.damped()
    cut_out = cut(played_song, view, library.labeller)
    memory = dense(cut_out.memory, latents)
    # During playback, the memory contains the intended durations, even of notes whose key is struck again before they
    # end.
    compared = np.arange(memory.shape[1]) % SLOT_WIDTH < DURATION_COLUMN
    for latent, (memory_row, _, _, _, melody, pedal) in enumerate(recorded):
        assert melody.item() == cut_out.melody[latent]
        assert np.abs(memory_row[0].numpy() - memory[latent])[compared].max() < 1e-6
        if latent:
            assert pedal.item() == cut_out.pedal_before[latent]
    # When a key is struck again at the start of a latent, its release just before is known in training but not during
    # playback.
    sounding = np.stack([row[3][0].numpy() for row in recorded])
    differs = np.abs(sounding - cut_out.sounding) > 1e-3
    assert differs[:, :88].mean() < 0.002
    assert differs[:, 88:].mean() < 0.02
    assert (sounding[:, :88] > 0).mean() > 0.02


def test_features_distinguish_music_from_noise(song: Song) -> None:
    view = View(start=0.0, latents=480)
    setting = Setting.of(song, view)
    real = features(excerpt(song.performance, 0, 41), setting)
    assert real["on 16ths"] == 1
    assert real["in chord"] > 0.7
    assert real["on bass, low"] > 0.4
    assert real["bars alike 8"] == pytest.approx(1, abs=0.6)
    assert real["melody steps"] > 0.6
    noise = excerpt(song.performance, 0, 41)
    random = np.random.default_rng(0)
    noise.onset = np.sort(random.uniform(0, 41, len(noise.onset)))
    noise.key_up = noise.onset + 0.2
    noise.pitch = random.integers(40, 90, len(noise.onset))
    random_notes = features(noise, setting)
    assert random_notes["in chord"] < 0.5
    assert random_notes["on 16ths"] < 0.5
    assert random_notes["melody steps"] < 0.3
    assert random_notes["bars alike 4"] < real["bars alike 4"]


def test_low_temperature_and_top_p_favour_likely_classes() -> None:
    logits = np.tile(np.array([[0.0, 1.0, 2.0]]), (3000, 1))
    random = np.random.default_rng(0).random(3000)
    shares = [np.bincount(choose(logits, t, random), minlength=3) / 3000 for t in (0.2, 1.0, 5.0)]
    assert shares[0][2] > 0.98
    assert shares[1][2] == pytest.approx(0.665, abs=0.03)
    assert shares[2][2] < 0.45
    assert np.bincount(choose(logits, 1.0, random, top_p=0.6), minlength=3)[2] == 3000


def test_servo_counteracts_deviations() -> None:
    servo = Servo(1, 100)
    for latent in range(60):
        servo.count(np.array([0]), latent, np.array([60]), np.array([10]))
    assert servo.end_bias(60, np.array([5.0]))[0] > 0.5
    assert servo.end_bias(60, np.array([25.0]))[0] < -0.5
    assert servo.end_bias(60, np.array([np.nan]))[0] == 0
    lower = servo.key_bias(60, np.array([60.0]))
    assert lower[0, 0] > 0 > lower[0, -1]
    louder = servo.velocity_bias(60, np.array([80.0]))
    assert louder[0, 0] < 0 < louder[0, -1]


@pytest.fixture
def configuration(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    from melos_training.composer import library as storage
    from melos_training.composer import training

    copied = Library([Song(**vars(song)) for song in library.songs], library.labeller)
    for number, song in enumerate(copied.songs):
        song.split = "valid" if number == 2 else "train"
    path = tmp_path / "library.npz"
    storage.save(copied, path)
    monkeypatch.setattr(training, "HELD_OUT_WINDOWS", {"pop909": 1})
    return Configuration(library=str(path), frames=32, windows=2, evaluate_every=2, warm_up=2)


def test_training_improves_and_resumes_exactly(configuration: Configuration, tmp_path: Path) -> None:
    whole = Run(tmp_path / "whole", configuration, "cpu")
    whole.train(steps=6)
    Run(tmp_path / "parts", configuration, "cpu").train(steps=3)
    parts = Run(tmp_path / "parts", device="cpu")
    assert parts.step == 3
    assert parts.configuration == configuration
    parts.train(steps=3)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name
    import json

    lines = [json.loads(line) for line in (tmp_path / "whole" / METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    totals = [line["held_out"]["pop909"]["total"] for line in lines]
    assert totals[-1] < totals[0] < 16.9
    before = torch.load(tmp_path / "parts" / CHECKPOINT, weights_only=True)["step"]
    parts.train(steps=2, cool=True)
    assert (tmp_path / "parts" / COOLED).exists()
    assert torch.load(tmp_path / "parts" / CHECKPOINT, weights_only=True)["step"] == before


def test_invalid_configurations_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('library = "x"\nwindow = 3\n')
    with pytest.raises(ValueError, match=r"run\.toml: unknown key 'window'"):
        Configuration.read(path)
    with pytest.raises(ValueError, match="give a configuration"):
        Run(tmp_path / "nothing", device="cpu")
