// @ts-check
/** The mixer: faders with meters, mute and solo buttons, and the limiter; also the panel for the room. */

import { melos } from './connection.js';
import { fader, formatNumber, h, toggle } from './dom.js';
import { resetCounters, sinceReset } from './health.js';

/** Strips, in the order of the meters. */
const STRIPS = [
  ['network', 'Piano'], ['bass', 'Bass'], ['pad', 'Pad'], ['upper', 'Upper voice'], ['harmony', 'Harmony'], ['master', 'Master'],
];
/** Layers that can be soloed; harmony is the sum of bass, pad and upper voice. */
const SOLO = ['network', 'bass', 'pad', 'upper', 'harmony'];
/** Lower end of the meters, in decibels. */
const FLOOR = -60;
/** Decay of a meter and of its held peak, in decibels per message; the daemon sends thirty messages a second. */
const DECAY = 0.9;
const PEAK_DECAY = 0.25;
/** How long a peak is held, in milliseconds. */
const PEAK_HOLD = 1500;

/** The mutes to restore after a solo. @type {Map<string, boolean> | undefined} */
let mutesToRestore;

/** @param {string} layer */
const muted = (layer) => melos.values.get(`mute/${layer}`) === true;
/** Returns whether a solo of a layer mutes another. @param {string} layer @param {string} other */
const mutes = (layer, other) => other !== layer && other !== 'harmony' && (layer !== 'harmony' || other === 'network');
/** @param {string} layer */
const isAlone = (layer) => SOLO.every((other) => muted(other) === mutes(layer, other));

/** @param {string} layer */
function solo(layer) {
  const alone = isAlone(layer);
  // The mutes themselves tell whether a solo is active, because it may have ended by other means, such as undo.
  if (!SOLO.some(isAlone)) mutesToRestore = new Map(SOLO.map((other) => [other, muted(other)]));
  melos.remember('solo', SOLO.map((other) => `mute/${other}`));
  for (const other of SOLO) {
    // If another page started the solo, unmute everything.
    const mute = alone ? (mutesToRestore?.get(other) ?? false) : mutes(layer, other);
    if (mute !== muted(other)) melos.put(`mute/${other}`, mute);
  }
  if (alone) mutesToRestore = undefined;
}

/** @param {string} layer @param {string} label */
function strip(layer, label) {
  const meter = h('div', { class: 'meter', role: 'meter', 'aria-label': `${label} level`, 'aria-valuemin': FLOOR, 'aria-valuemax': 0, 'aria-valuenow': FLOOR },
    h('i', { class: 'level' }), h('i', { class: 'peak' }));
  const [bar, line] = meter.children;
  const top = h('span', { class: 'top', 'aria-hidden': 'true' }, '–');
  let [level, peak, held] = [FLOOR, FLOOR, 0];
  const position = (/** @type {number} */ db) => Math.max(0, Math.min(1, 1 - db / FLOOR));
  const show = (/** @type {number} */ db) => {
    const now = performance.now();
    level = Math.max(db, level - DECAY, FLOOR);
    if (db >= peak) [peak, held] = [db, now];
    else if (now - held > PEAK_HOLD) peak = Math.max(level, peak - PEAK_DECAY);
    bar.style.clipPath = `inset(${((1 - position(level)) * 100).toFixed(1)}% 0 0 0)`;
    line.style.transform = `translateY(${((1 - position(peak)) * 100).toFixed(1)}%)`;
    const text = peak <= FLOOR ? '–' : formatNumber(peak, 0);
    if (top.textContent !== text) {
      top.textContent = text;
      meter.setAttribute('aria-valuenow', peak.toFixed(0));
    }
  };
  const buttons = [toggle(`mute/${layer}`, 'M', { class: 'mute', 'aria-label': `Mute ${label}` })];
  if (SOLO.includes(layer)) {
    const button = h('button', { type: 'button', class: 'solo', 'aria-label': `Solo ${label}`, 'aria-pressed': 'false', title: `${label} alone`, onclick: () => solo(layer) }, 'S');
    const mark = () => button.setAttribute('aria-pressed', String(isAlone(layer)));
    SOLO.forEach((other) => melos.on(`mute/${other}`, mark));
    buttons.push(button);
  }
  const body = fader(`level/${layer}`, { label, digits: 1, unit: 'dB', upright: true, curve: 0.5 });
  body.querySelector('input').after(h('div', { class: 'metering' }, top, meter));
  return { show, element: h('div', { class: `strip ${layer}` }, body, h('div', { class: 'row' }, ...buttons)) };
}

export function mixer() {
  const strips = STRIPS.map(([layer, label]) => strip(layer, label));
  const reduction = h('output', { id: 'limiter' }, '0.0 dB');
  const limited = h('output', { id: 'limited' }, '0');
  const unit = h('span', {}, ' times');
  const showLimited = (/** @type {number} */ count) => {
    if (limited.textContent === String(count)) return;
    limited.textContent = String(count);
    unit.textContent = count === 1 ? ' time' : ' times';
    limited.classList.toggle('error', count > 0);
  };
  let [newest, deepest, deepestAt] = [0, 0, 0];
  melos.on('meters', (...meters) => {
    strips.forEach(({ show }, index) => show(meters[index]));
    const [limiter, count] = [meters[6], meters[7]];
    const now = performance.now();
    if (limiter <= deepest || now - deepestAt > PEAK_HOLD) [deepest, deepestAt] = [limiter, now];
    const text = `${formatNumber(deepest, 1)} dB`;
    if (reduction.textContent !== text) reduction.textContent = text;
    newest = count;
    showLimited(sinceReset('limited', count));
  });
  return [
    h('div', { class: 'strips' }, ...strips.map(({ element }) => element)),
    h('div', { class: 'row wrap limiter' },
      h('span', {}, 'Limiter gain reduction ', reduction), h('span', {}, 'Limited: ', limited, unit),
      h('button', { type: 'button', id: 'limited-reset', onclick: () => {
        resetCounters({ limited: newest });
        showLimited(0);
      } }, 'Reset')),
  ];
}

export function room() {
  return [
    fader('reverb', { label: 'Reverb', words: ['dry', 'wet'] }), fader('reverb/size', { label: 'Room', words: ['small', 'large'] }),
    fader('width', { label: 'Width', words: ['mono', 'wide'] }), fader('tone', { label: 'Tone', words: ['dark', 'bright'] }),
    fader('evenness', { label: 'Evenness', words: ['as played', 'even'] }), fader('piano', { label: 'Other piano', words: ['grand', 'other'] }),
  ];
}
