// @ts-check
/** The current and next chord, the chords of the scale, key, mode, tempo, and the playing style. */

import { melos } from './connection.js';
import { capitalize, fader, formatNumber, h, menu, toggle } from './dom.js';

/** The daemon's names of the twelve notes. */
const NAMES = ['C', 'C#', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B'];
/** Steps of the modes in semitones above the tonic. @type {Record<string, number[]>} */
const MODES = {
  major: [0, 2, 4, 5, 7, 9, 11], minor: [0, 2, 3, 5, 7, 8, 10], dorian: [0, 2, 3, 5, 7, 9, 10], phrygian: [0, 1, 3, 5, 7, 8, 10],
  lydian: [0, 2, 4, 6, 7, 9, 11], mixolydian: [0, 2, 4, 5, 7, 9, 10], 'harmonic-minor': [0, 2, 3, 5, 7, 8, 11],
};
const LETTERS = 'CDEFGAB';
const NUMERALS = ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII'];
/** Suffixes of triads by the sizes of their lower and upper thirds in semitones. @type {Record<string, string>} */
const TRIADS = { 43: '', 34: 'm', 33: 'dim', 44: 'aug' };
/** Time without taps, in milliseconds, after which tap tempo restarts. */
const TAP_TIMEOUT = 2000;
/** Interval between requests for the lead chord, and how long they pause after a change, in milliseconds. */
const ASK_INTERVAL = 1000;
const ASK_DELAY = 400;

/** Returns the notes of a key by pitch class, each spelt with its own letter. @param {string} key such as `A minor` @returns {Map<number, string>} */
function spelling(key) {
  const [tonic, mode] = key.split(' ');
  return new Map((MODES[mode] ?? []).map((step, degree) => {
    const pitch = (NAMES.indexOf(tonic) + step) % 12;
    const letter = (LETTERS.indexOf(tonic[0]) + degree) % 7;
    const shift = ((pitch - MODES.major[letter] + 18) % 12) - 6;
    return [pitch, LETTERS[letter] + (shift > 0 ? '#' : 'b').repeat(Math.abs(shift))];
  }));
}

/** Spells a chord symbol from the daemon as its key does. @param {string} symbol @param {string} key */
export function spell(symbol, key) {
  const notes = spelling(key);
  return symbol.replace(/(^|\/)([A-G][#b]?)/g, (_, before, note) => before + (notes.get(NAMES.indexOf(note)) ?? note));
}

/**
 * Returns the triads of a key. The daemon knows them by their symbols, but not every spelling, such as `F##dim`.
 * @param {string} key such as `A minor`
 */
export function scaleChords(key) {
  const [tonic, mode] = key.split(' ');
  const steps = MODES[mode];
  const root = NAMES.indexOf(tonic);
  if (!steps || root < 0) return [];
  return steps.map((step, degree) => {
    const interval = (/** @type {number} */ up) => steps[(degree + up) % 7] + (degree + up >= 7 ? 12 : 0);
    const suffix = TRIADS[`${interval(2) - step}${interval(4) - interval(2)}`] ?? '';
    const minor = suffix === 'm' || suffix === 'dim';
    const numeral = minor ? NUMERALS[degree].toLowerCase() : NUMERALS[degree];
    const symbol = NAMES[(root + step) % 12] + suffix;
    return { symbol, name: spell(symbol, key), numeral: suffix === 'dim' ? `${numeral}°` : suffix === 'aug' ? `${numeral}+` : numeral };
  });
}

/** Creates the display of the current and the next chord. */
export function chordNow() {
  const now = h('strong', { id: 'chord-now' }, '–');
  const next = h('span', { id: 'chord-next' });
  const key = h('span', { class: 'hint', id: 'key-now' });
  const bar = h('span', { class: 'hint', id: 'bar-now' });
  melos.on('outlook', (...outlook) => {
    const [name, chord, , upcoming] = outlook;
    now.textContent = chord ? spell(chord, name) : '–';
    next.textContent = upcoming ? `→ ${spell(upcoming, name)}` : '';
    key.textContent = name.replace('-', ' ');
  });
  let beat = 0;
  melos.on('beat', (inBar, number, tempo) => {
    beat = inBar;
    bar.textContent = `bar ${number} · ${'●'.repeat(beat)}${'○'.repeat(Math.max(0, 4 - beat))} · ${formatNumber(tempo, 0)} bpm`;
  });
  return h('div', { class: 'chord' }, h('div', {}, now, ' ', next), h('div', { class: 'hints' }, key, bar));
}

export function harmony() {
  const chords = h('div', { class: 'chords', role: 'group', 'aria-label': 'Chords of the scale: hold one to make it the lead chord' });
  let shown = '';
  /** @type {string | undefined} */
  let leading;
  let changed = 0;
  const latch = h('button', {
    type: 'button', 'aria-pressed': 'false', id: 'chord-keep', 'aria-label': 'Latch chord', title: 'Keeps a chord as the lead chord after you release it',
    onclick: () => {
      latch.setAttribute('aria-pressed', String(latch.getAttribute('aria-pressed') !== 'true'));
      if (latch.getAttribute('aria-pressed') !== 'true') release(true);
    },
  }, h('strong', {}, 'Latch'), h('span', {}, 'chord'));
  /** @param {string} symbol */
  const lead = (symbol) => {
    if (leading === symbol && latch.getAttribute('aria-pressed') === 'true') return release(true);
    leading = symbol;
    change(symbol);
  };
  const release = (always = false) => {
    if (leading === undefined || (!always && latch.getAttribute('aria-pressed') === 'true')) return;
    leading = undefined;
    change('auto');
  };
  const change = (/** @type {string} */ symbol) => {
    changed = performance.now();
    melos.set('chord', symbol);
    mark();
  };
  const releaseButton = h('button', { type: 'button', id: 'chord-release', hidden: true, onclick: () => change('auto') });
  // The lead chord may come from another page or a keyboard, or may have been set before the page was reloaded.
  const mark = () => {
    const led = leading ?? String(melos.values.get('chord') ?? 'auto');
    chords.querySelectorAll('[data-chord]').forEach((/** @type {any} */ button) => button.setAttribute('aria-pressed', String(button.dataset.chord === led)));
    releaseButton.hidden = leading !== undefined || led === 'auto';
    releaseButton.textContent = `Release ${spell(led, shown)}`;
  };
  /** Requests the lead chord; listeners to `chord` would receive the current chord instead. */
  const ask = () => !document.hidden && performance.now() - changed > ASK_DELAY && melos.send('chord', '', []);
  melos.on('chord', (symbol) => {
    if (symbol === 'auto' && performance.now() - changed > ASK_DELAY) leading = undefined;
    mark();
  });
  melos.on('outlook', ask);
  setInterval(ask, ASK_INTERVAL);
  // A closed page cannot release the chord held on it.
  addEventListener('pagehide', () => {
    release();
    melos.flush();
  });
  const show = (/** @type {string} */ key) => {
    if (key === shown || leading) return;
    shown = key;
    chords.replaceChildren(...scaleChords(key).map(({ symbol, name, numeral }) => h('button', {
      type: 'button', 'data-chord': symbol, 'data-param': 'chord', 'aria-pressed': 'false', title: `Makes ${name} the lead chord while held`,
      onpointerdown: (/** @type {PointerEvent} */ event) => {
        if (event.defaultPrevented) return;
        /** @type {HTMLElement} */ (event.currentTarget).setPointerCapture(event.pointerId);
        lead(symbol);
      },
      onpointerup: () => release(),
      onpointercancel: () => release(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (!event.repeat && (event.key === 'Enter' || event.key === ' ')) lead(symbol);
      },
      onkeyup: () => release(),
      onblur: () => release(),
    }, h('strong', {}, name), h('span', {}, numeral))), latch);
    mark();
  };
  melos.on('outlook', (key) => show(key));

  return [
    chords, releaseButton,
    h('div', { class: 'row wrap' }, menu('key', 'Key'), menu('mode', 'Mode', (name) => capitalize(name.replace('-', ' '))), menu('quantize', 'Changes')),
    ...tempo(),
  ];
}

function tempo() {
  /** @type {number[]} */
  let taps = [];
  const tap = h('button', {
    type: 'button', id: 'tap', 'data-param': 'tempo', title: 'Tap the beat at least four times',
    onpointerdown: () => beat(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => (event.key === ' ' || event.key === 'Enter') && !event.repeat && beat(),
  }, 'Tap');
  const beat = () => {
    const now = performance.now();
    if (now - (taps.at(-1) ?? 0) > TAP_TIMEOUT) taps = [];
    taps = [...taps, now].slice(-9);
    if (taps.length < 4) return;
    const bpm = (60_000 * (taps.length - 1)) / (now - taps[0]);
    melos.set('tempo', Number(Math.min(200, Math.max(40, bpm)).toFixed(1)));
  };
  /** @type {Record<string, string>} */
  const labels = { mood: 'Mood', pinned: 'Fixed', clock: 'MIDI clock', link: 'Ableton Link', jack: 'JACK transport' };
  const source = menu('tempo/source', 'Tempo source', (name) => labels[name] ?? name);
  const absent = h('p', { class: 'hint error', id: 'tempo-absent', role: 'status', hidden: true });
  melos.on('@troubles', ({ tempo: reason = '' }) => {
    absent.hidden = !reason;
    absent.textContent = capitalize(reason);
  });
  return [fader('tempo', { label: 'Tempo', digits: 0, unit: 'bpm' }), h('div', { class: 'row wrap' }, source, tap), absent];
}

/** Creates the faders and toggles for the playing style. */
export function touch() {
  return [
    fader('temperature', { label: 'Creativity', words: ['safe', 'wild'] }),
    fader('recall', { label: 'Recall', words: ['new', 'returning'] }),
    menu('form', 'Form', (name) => (name === 'free' ? 'Free' : name.toUpperCase())),
    fader('density', { label: 'Density', words: ['few notes', 'many'] }),
    fader('loudness', { label: 'Touch', words: ['soft', 'hard'] }),
    fader('register', { label: 'Register', words: ['low', 'high'] }),
    fader('dynamics', { label: 'Dynamics', words: ['even', 'swelling'] }),
    fader('guidance', { label: 'Guidance', words: ['free', 'strict'] }),
    h('div', { class: 'row even' }, toggle('guide/chord', 'Follows the chord'), toggle('guide/beat', 'Follows the beat')),
  ];
}
