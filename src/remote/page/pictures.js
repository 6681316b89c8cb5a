// @ts-check
/** Visualization: the spectrum, notes, beats, chords and mood over time, and the planned chords. */

import { melos } from './connection.js';
import { WEIGHTS, colour, picture } from './dom.js';
import { spell } from './harmony.js';

/** Number of bands in a spectrum, and number of spectra per second, as sent by the daemon. */
const BANDS = 48;
const RATE = 20;
/** MIDI note of the lowest band, and semitones per band. */
const LOWEST = 24;
const SEMITONES = 2;
/** Lengths of the past and the future shown, in seconds. */
const PAST = 12;
const AHEAD = 5;
/** Levels of the darkest and brightest colours, in decibels. */
const FLOOR = -80;
const TOP = -20;
/** Colours of increasing brightness from black to white, so that the spectrum is also readable in greyscale. */
const SHADES = [[11, 11, 18], [74, 22, 116], [200, 62, 84], [250, 172, 74], [255, 252, 236]];
/** Colours of notes, melody notes and beats on the spectrum, which is dark in every theme. */
const [NOTE, MELODY, BEAT] = ['#eef0f6', '#f2b45c', '#ffffff'];
const COLUMNS = PAST * RATE;

/** @typedef {{ at: number, symbol: string, text: string }} Mark the daemon's symbol of a chord, and its spelling in the key */

/** @param {any} canvas */
export function pictures(canvas) {
  const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
  const past = new OffscreenCanvas(COLUMNS, BANDS);
  const pastContext = /** @type {OffscreenCanvasRenderingContext2D} */ (past.getContext('2d', { willReadFrequently: false }));
  /** @type {ImageData} */
  const column = pastContext.createImageData(1, BANDS);
  /** Number of columns written; the newest is the one before `written % COLUMNS`. */
  let written = 0;
  let newest = 0;
  /** @type {{ at: number, first: boolean }[]} */
  let beats = [];
  /** Notes of the piano. @type {{ at: number, end: number, pitch: number, velocity: number, melody: boolean }[]} */
  let notes = [];
  /** @type {Mark[]} */
  let chords = [];
  /** @type {Mark[]} */
  let planned = [];
  /** @type {{ at: number, emotion: string }[]} */
  let moods = [];
  let [interval, lastBeat] = [0.6, 0];
  let drawn = 0;

  const seconds = () => performance.now() / 1000;
  const recent = (/** @type {{ at: number }} */ { at }) => at > seconds() - PAST - 2;

  const redraw = picture(canvas, (context, width, height) => {
    const now = seconds();
    const strip = 8;
    const head = 30;
    const bottom = height - strip;
    const nowX = (width * PAST) / (PAST + AHEAD);
    const x = (/** @type {number} */ at) => nowX + ((at - now) * width) / (PAST + AHEAD);
    context.clearRect(0, 0, width, height);
    // The past: the columns of the ring buffer, drawn in two parts, the older first.
    context.imageSmoothingEnabled = true;
    const start = written % COLUMNS;
    const unit = width / (PAST + AHEAD) / RATE;
    const right = x(newest);
    const left = right - COLUMNS * unit;
    context.save();
    context.beginPath();
    context.rect(0, head, nowX, bottom - head);
    context.clip();
    context.fillStyle = `rgb(${SHADES[0].join(' ')})`;
    context.fillRect(0, head, nowX, bottom - head);
    if (COLUMNS - start > 0) context.drawImage(past, start, 0, COLUMNS - start, BANDS, left, head, (COLUMNS - start) * unit, bottom - head);
    if (start > 0) context.drawImage(past, 0, 0, start, BANDS, left + (COLUMNS - start) * unit, head, start * unit, bottom - head);
    context.restore();
    // The future.
    context.fillStyle = colour('surface-2');
    context.fillRect(nowX, head, width - nowX, bottom - head);
    // Notes on the spectrum's frequency axis, with the melody highlighted.
    const row = Math.max(3, (bottom - head) / (BANDS * SEMITONES));
    for (const { at, end, pitch, velocity, melody } of notes) {
      const y = bottom - ((pitch - LOWEST + 0.5) / (BANDS * SEMITONES)) * (bottom - head);
      context.globalAlpha = 0.35 + (0.65 * velocity) / 127;
      const [from, to] = [x(at), Math.max(x(at) + 3, x(end) - 1)];
      context.fillStyle = melody ? MELODY : NOTE;
      context.fillRect(from, y - row / 2, Math.min(to, nowX) - from, row);
      if (to <= nowX) continue;
      context.fillStyle = colour(melody ? 'accent' : 'text');
      context.fillRect(nowX, y - row / 2, to - nowX, row);
    }
    context.globalAlpha = 1;
    context.lineWidth = 1;
    context.strokeStyle = BEAT;
    for (const { at, first } of beats) {
      context.globalAlpha = first ? 0.9 : 0.35;
      context.beginPath();
      context.moveTo(x(at), first ? head : bottom - 14);
      context.lineTo(x(at), bottom);
      context.stroke();
    }
    context.globalAlpha = 0.5;
    context.lineWidth = 2;
    context.strokeStyle = colour('text');
    for (let at = lastBeat + interval; lastBeat && at < now + AHEAD; at += interval) {
      if (at < now) continue;
      context.beginPath();
      context.moveTo(x(at), bottom - 14);
      context.lineTo(x(at), bottom);
      context.stroke();
    }
    context.globalAlpha = 1;
    // Chords, each extending to the next.
    const all = [...chords, ...planned.filter(({ at }) => at > now)];
    context.font = `600 ${width < 500 ? 13 : 16}px ${colour('font')}`;
    context.textAlign = 'left';
    all.forEach(({ at, text }, index) => {
      const [from, to] = [x(at), index + 1 < all.length ? x(all[index + 1].at) : width];
      if (to < 0) return;
      context.fillStyle = at > now ? colour('faint') : colour('text');
      context.fillRect(from, 4, 1.5, head - 8);
      const start = Math.max(from + 6, 4);
      if (to - start > context.measureText(text).width) context.fillText(text, start, 20);
    });
    // Mood.
    moods.forEach(({ at, emotion }, index) => {
      const end = index + 1 < moods.length ? x(moods[index + 1].at) : nowX;
      context.fillStyle = colour(emotion);
      context.fillRect(Math.max(0, x(at)), bottom, Math.max(0, end - Math.max(0, x(at))), strip);
    });
    context.fillStyle = colour('accent');
    context.fillRect(nowX - 1, 0, 2, height);
    context.font = `12px ${colour('font')}`;
    context.fillStyle = colour('faint');
    context.textAlign = 'right';
    if (bottom - head > 40) context.fillText('planned', width - 8, bottom - 20);
  });

  melos.on('spectrum', (...bands) => {
    newest = seconds();
    for (let band = 0; band < BANDS; band++) {
      const level = Math.min(1, Math.max(0, (bands[band] - FLOOR) / (TOP - FLOOR)));
      const at = (BANDS - 1 - band) * 4;
      const shade = Math.min(SHADES.length - 1.001, level * (SHADES.length - 1));
      const [below, above, share] = [SHADES[Math.floor(shade)], SHADES[Math.floor(shade) + 1], shade % 1];
      for (let part = 0; part < 3; part++) column.data[at + part] = below[part] + (above[part] - below[part]) * share;
      column.data[at + 3] = 255;
    }
    pastContext.putImageData(column, written++ % COLUMNS, 0);
    if (reducedMotion.matches && newest - drawn < 1) return;
    drawn = newest;
    redraw();
  });
  melos.on('note', (pitch, velocity, length, melody) => {
    const at = seconds();
    const released = notes.map((note) => (note.pitch === pitch && note.end > at ? { ...note, end: at } : note));
    notes = [...released.filter(({ end }) => recent({ at: end })), { at, end: at + length, pitch, velocity, melody: melody === 1 }];
  });
  melos.on('beat', (beat, bar, tempo) => {
    lastBeat = seconds();
    interval = 60 / Math.max(1, tempo);
    beats = [...beats.filter(recent), { at: lastBeat, first: beat === 1 }];
  });
  melos.on('outlook', (...outlook) => {
    const now = seconds();
    const announced = [];
    for (let index = 1; index + 1 < outlook.length; index += 2) {
      const symbol = outlook[index];
      if (symbol) announced.push({ at: now + outlook[index + 1], symbol, text: spell(symbol, outlook[0]) });
    }
    const [current, ...upcoming] = announced;
    // A new key can spell the same chord differently.
    if (current && chords.at(-1)?.symbol !== current.symbol) {
      const started = planned.findLast(({ at, symbol }) => symbol === current.symbol && at <= now + 0.3);
      chords = [...chords.filter((chord, index) => recent(chords[index + 1] ?? chord)), { ...current, at: started?.at ?? now }];
    }
    planned = upcoming;
  });
  melos.on('mood', (...weights) => {
    const strongest = WEIGHTS.reduce((best, _, index) => (weights[index] > weights[best] ? index : best), 0);
    if (moods.at(-1)?.emotion === WEIGHTS[strongest]) return;
    moods = [...moods.filter((mood, index) => recent(moods[index + 1] ?? mood)), { at: seconds(), emotion: WEIGHTS[strongest] }];
  });
}
