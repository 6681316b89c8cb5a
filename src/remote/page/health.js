// @ts-check
/** The health of Melos: a status line, detailed figures, and the log. */

import { http, melos } from './connection.js';
import { byId, capitalize, duration, formatNumber, h, refresh, toggle } from './dom.js';

/** Period over which new dropouts and delays are reported, in milliseconds. */
const RECENT = 60_000;
/** Load above which the generator may soon be late. */
const HIGH_LOAD = 0.85;
/** Interval between reads of the figures and the log while they are visible, in milliseconds. */
const POLL_INTERVAL = 2000;
const STORAGE_KEY = 'melos.zero';

/** Labels and formatters of the values shown first. @type {Record<string, [string, (value: any) => string]>} */
const LABELS = {
  state: ['State', (state) => capitalize(state.replace('-', ' '))],
  output: ['Output', String],
  block_ms: ['Output block', (ms) => `${formatNumber(ms, 1)} ms`],
  load: ['Load', (load) => `${Math.round(load * 100)}% of a core`],
  rms_db: ['Level', (db) => `${formatNumber(db, 1)} dB`],
  seconds: ['Running for', duration],
  osc_received: ['OSC packets received', String],
  limited: ['Limited', (count) => (count === 1 ? '1 time' : `${count} times`)],
  starved_seconds: ['Generator late for', (seconds) => `${formatNumber(seconds, 1)} s`],
};

/** Values with a label that can be reset, like all counters without one. */
const RESETTABLE = ['osc_received', 'limited', 'starved_seconds'];
/** Parts of the status that other panels show. */
const SHOWN_ELSEWHERE = ['parameters', 'recording'];

/** The counters at the last reset. @type {Record<string, number>} */
let baseline = {};
try {
  baseline = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? '{}');
} catch {
  baseline = {};
}

/** Resets counters, given their current values. @param {Record<string, number>} counts */
export function resetCounters(counts) {
  baseline = { ...baseline, ...counts };
  sessionStorage.setItem(STORAGE_KEY, JSON.stringify(baseline));
}

/** Returns a count since the last reset. @param {string} key @param {number} count */
export function sinceReset(key, count) {
  // A restarted daemon counts from 0 again.
  if (count < (baseline[key] ?? 0)) {
    delete baseline[key];
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(baseline));
  }
  return count - (baseline[key] ?? 0);
}

/** @type {Record<string, { at: number, count: number }[]>} */
const history = {};

/** Returns the increase of a counter within the last minute. @param {string} name @param {number} count */
function recentIncrease(name, count) {
  const now = performance.now();
  const counts = (history[name] ??= []);
  if (counts.length === 0 || counts[counts.length - 1].count !== count) counts.push({ at: now, count });
  while (counts.length > 1 && now - counts[1].at > RECENT) counts.shift();
  return Math.max(0, count - counts[0].count);
}

/** Returns whether an output is the null output, which has no device. @param {string} output */
const isNull = (output) => /null|nothing/i.test(output);

/** @param {number} count */
const times = (count) => (count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`);

/** @param {number} count */
const dropouts = (count) => (count === 1 ? '1 audio dropout' : `${count} audio dropouts`);

/**
 * Describes the health in one sentence.
 * @param {{ state: string, load: number, xruns: number, starvations: number, output: string, trouble: string }} now
 * @returns {['good' | 'warn' | 'bad', string]}
 */
function assess({ state, load, xruns, starvations, output, trouble }) {
  const [gaps, late] = [recentIncrease('xruns', xruns), recentIncrease('starvations', starvations)];
  if (state === 'no-device') return ['bad', 'No audio device: playing silently and looking for one. Press Listen to hear the music here'];
  if (state === 'starved') return ['bad', 'The generator is late: the last sound is sustained'];
  // Before whatever else is wrong, because it explains the silence.
  if (melos.values.get('mute/master')) return ['warn', 'The output is muted: press M on the master strip'];
  if (trouble) return ['warn', trouble];
  const economy = melos.values.get('economy') === true;
  const remedy = economy ? 'close other applications' : 'switch on economy mode in Setup, or close other applications';
  if (late) return ['warn', `Generator late ${times(late)} in the last minute: ${remedy}`];
  if (gaps) return ['warn', `${dropouts(gaps)} in the last minute: try a larger block`];
  if (load > HIGH_LOAD) return ['warn', `Generator load ${Math.round(load * 100)}%: ${remedy}`];
  if (state === 'silent') return ['good', 'Paused: press Play'];
  if (isNull(output)) return ['warn', 'No audio device. Press Listen to hear the music here'];
  return state === 'playing' ? ['good', economy ? 'Playing in economy mode: all is well' : 'Playing: all is well'] : ['warn', capitalize(state)];
}

/** Creates the status line in the header. */
export function healthLine() {
  const dot = h('span', { class: 'dot', 'aria-hidden': 'true' });
  const sentence = h('span', { id: 'sentence' }, 'Connecting…');
  const line = h('button', { type: 'button', class: 'health', id: 'health', 'data-health': 'warn', title: 'Details', onclick: () => (location.hash = '/setup') }, dot, sentence);
  const live = byId('announcer');
  /** The output, unknown until the status has been read. @type {string | undefined} */
  let output;
  let trouble = '';
  /** @type {{ state: string, load: number, xruns: number, starvations: number } | undefined} */
  let latest;
  let announced = '';
  /** @param {'good' | 'warn' | 'bad'} level @param {string} text */
  const show = (level, text) => {
    line.dataset.health = level;
    if (sentence.textContent !== text) sentence.textContent = text;
    // Only serious problems are announced to screen readers.
    if (level === 'bad' && announced !== text) live.textContent = text;
    announced = text;
  };
  const update = () => melos.open && latest && output !== undefined && show(...assess({ ...latest, output, trouble }));
  const poll = () => refresh(async () => {
    const status = await http('/status');
    output = status.output;
    const troubles = status.troubles ?? {};
    trouble = capitalize(String(Object.values(troubles)[0] ?? ''));
    melos.notify('@troubles', troubles);
    update();
  });
  melos.on('health', (state, load, xruns, starvations) => {
    if (state !== latest?.state) poll();
    latest = { state, load, xruns, starvations };
    update();
  });
  melos.on('trouble', () => poll());
  melos.on('mute/master', update);
  melos.on('economy', update);
  melos.on('@open', (open) => (open ? poll() : show('bad', 'No connection to Melos')));
  setInterval(() => melos.open && !document.hidden && poll(), 10_000);
  return line;
}

/** Creates the figures, which are fetched only while visible. */
export function healthFigures() {
  const list = h('dl', { class: 'figures', id: 'figures' });
  const counters = h('dl', { class: 'figures', id: 'counters' });
  const summary = h('summary', {}, 'Nothing lost or late');
  /** What each counter counts, and what it means. @type {Record<string, { counts: string, meaning: string }>} */
  let descriptions = {};
  /** @type {Record<string, any>} */
  let newest = {};
  const words = (/** @type {string} */ key) => capitalize(key.replaceAll(/[_-]/g, ' '));
  const isCounter = (/** @type {string} */ key, /** @type {unknown} */ value) => RESETTABLE.includes(key) || (Number.isInteger(value) && !(key in LABELS));
  const show = () => {
    const { troubles, losses = {}, ...figures } = newest;
    if (figures.state === 'no-device' && !isNull(figures.output)) figures.output = `none (lost: ${figures.output})`;
    const first = Object.keys(LABELS).filter((key) => key in figures).map((key) => [key, figures[key]]);
    const rest = Object.entries(figures).filter(([key]) => !(key in LABELS) && !SHOWN_ELSEWHERE.includes(key));
    const rows = [...first, ...Object.entries(troubles ?? {}), ...rest].filter(([, value]) => typeof value !== 'object' || value === null);
    list.replaceChildren(...rows.flatMap(([key, current]) => {
      const value = isCounter(key, current) ? sinceReset(key, current) : current;
      let text = String(value ?? '–');
      const label = LABELS[key];
      if (label) text = label[1](value);
      else if (typeof value === 'number' && !isCounter(key, value)) text = formatNumber(value, 2);
      return [h('dt', {}, label?.[0] ?? words(key)), h('dd', { class: key in (troubles ?? {}) ? 'error' : '' }, text)];
    }));
    const lost = Object.entries(losses).map(([key, value]) => /** @type {[string, number]} */ ([key, sinceReset(key, value)]));
    const nonzero = lost.filter(([, count]) => count > 0);
    summary.textContent = nonzero.length ? 'All other counters are 0' : 'Nothing lost or late: all counters are 0';
    const rowsOf = (/** @type {[string, number][]} */ losses) => losses.flatMap(([key, count]) => [
      h('dt', { title: descriptions[key]?.meaning }, capitalize(descriptions[key]?.counts ?? words(key))), h('dd', { class: count ? 'error' : '' }, String(count)),
    ]);
    list.append(...rowsOf(nonzero));
    counters.replaceChildren(...rowsOf(lost.filter(([, count]) => count === 0)));
  };
  const read = () => refresh(async () => {
    newest = await http('/status');
    if (Object.keys(descriptions).length === 0) descriptions = Object.fromEntries((await http('/losses')).losses.map((/** @type {{ name: string }} */ loss) => [loss.name, loss]));
    show();
  });
  whileVisible(list, read);
  const reset = h('button', {
    type: 'button', id: 'figures-reset', title: 'Resets the counters in this browser tab only',
    onclick: () => {
      resetCounters(Object.fromEntries(Object.entries({ ...newest, ...newest.losses }).filter(([key, value]) => isCounter(key, value))));
      show();
    },
  }, 'Reset counters');
  return [list, h('details', { class: 'counters' }, summary, counters), h('div', { class: 'row even' }, toggle('economy', 'Economy mode'), reset)];
}

/** Creates the list of the latest log lines, newest first, which are fetched only while visible. */
export function healthLog() {
  const log = h('ol', { class: 'log', id: 'log', tabindex: 0, 'aria-label': 'Latest log lines' });
  let last = '';
  const read = () => refresh(async () => {
    const { lines } = await http('/log');
    const now = JSON.stringify(lines);
    if (now === last) return;
    last = now;
    log.replaceChildren(...lines.toReversed().map((/** @type {{ at: number, level: string, text: string }} */ { at, level, text }) =>
      h('li', { class: level === 'info' ? '' : 'error' }, h('time', {}, new Date(at * 1000).toLocaleTimeString()), ` ${text}`)));
  });
  whileVisible(log, read);
  return [log];
}

/** Calls `read` regularly while an element is visible. @param {any} element @param {() => void} read */
function whileVisible(element, read) {
  setInterval(() => melos.open && !document.hidden && element.offsetParent && read(), POLL_INTERVAL);
  addEventListener('hashchange', () => location.hash === '#/setup' && read());
  melos.on('@open', (open) => open && element.offsetParent && read());
}
