// @ts-check
/** Playback of takes and pieces: one shared audio element, and for each file a waveform that also sets the position. */

import { clock, colour, h, picture, showToast } from './dom.js';

/** How far an arrow key moves the position, in seconds. */
const KEY_STEP = 5;

const audio = new Audio();
/** @type {Set<() => void>} */
const updates = new Set();
let playing = '';

for (const event of ['play', 'pause', 'timeupdate', 'ended', 'emptied']) {
  audio.addEventListener(event, () => updates.forEach((show) => show()));
}

/** Stops playback of a file before it is renamed or deleted. @param {string} source */
export function release(source) {
  if (playing !== source) return;
  audio.pause();
  audio.removeAttribute('src');
  audio.load();
  playing = '';
}

/**
 * Creates a play button, a waveform and a time display.
 * @param {string} source @param {string} name
 * @param {() => Promise<number[]>} loadPeaks resolves to column heights from 0 to 1
 * @param {number | null} seconds the length; null if only the file tells it
 */
export function player(source, name, loadPeaks, seconds) {
  /** @type {number[]} */
  let peaks = [];
  const canvas = h('canvas', {
    class: 'waveform', role: 'slider', tabindex: 0, 'aria-label': `Position in ${name}`, 'aria-valuemin': 0, 'aria-valuemax': 0, 'aria-valuenow': 0,
  });
  const start = () => audio.play().catch((error) => {
    // Playback also ends early if another file is played or this one is paused.
    if (error.name === 'AbortError' || playing !== source) return;
    release(source);
    updates.forEach((show) => show());
    showToast(`Cannot play ${name}; its file may be missing`, true);
  });
  const button = h('button', {
    type: 'button', class: 'play', 'aria-label': `Play ${name}`,
    onclick: () => {
      if (playing !== source) {
        playing = source;
        audio.src = source;
        start();
      } else if (audio.paused) start();
      else audio.pause();
    },
  }, '▶');
  const redraw = picture(canvas, (context, width, height) => {
    context.clearRect(0, 0, width, height);
    const progress = playing === source && audio.duration ? audio.currentTime / audio.duration : 0;
    const highest = Math.max(0.05, ...peaks);
    const step = width / Math.max(1, peaks.length);
    peaks.forEach((peak, index) => {
      const barHeight = Math.max(1.5, (peak / highest) * (height - 4));
      context.fillStyle = index / peaks.length < progress ? colour('accent') : colour('faint');
      context.fillRect(index * step, (height - barHeight) / 2, Math.max(1, step - 1), barHeight);
    });
  });
  canvas.addEventListener('click', (/** @type {MouseEvent} */ event) => {
    const fraction = event.offsetX / canvas.clientWidth;
    seek(() => fraction * audio.duration);
  });
  /** @param {() => number} position returns the position in seconds; called once the duration is known */
  const seek = (position) => {
    if (playing !== source) button.click();
    const go = () => (audio.currentTime = Math.min(audio.duration, Math.max(0, position())));
    if (audio.duration) go();
    else audio.addEventListener('loadedmetadata', go, { once: true });
  };
  canvas.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    /** @type {Record<string, () => number>} */
    const positions = {
      ArrowLeft: () => audio.currentTime - KEY_STEP, ArrowRight: () => audio.currentTime + KEY_STEP, Home: () => 0, End: () => audio.duration,
    };
    if (!positions[event.key]) return;
    event.preventDefault();
    seek(positions[event.key]);
  });
  const time = h('span', { class: 'time' });
  let length = seconds;
  const show = () => {
    if (!button.isConnected && updates.size > 400) updates.delete(show);
    const isPlaying = playing === source && !audio.paused;
    button.textContent = isPlaying ? '❚❚' : '▶';
    button.setAttribute('aria-label', `${isPlaying ? 'Pause' : 'Play'} ${name}`);
    const now = playing === source ? audio.currentTime : 0;
    canvas.setAttribute('aria-valuemax', (length ?? 0).toFixed(0));
    canvas.setAttribute('aria-valuenow', now.toFixed(0));
    canvas.setAttribute('aria-valuetext', clock(now));
    if (playing === source && audio.duration) time.textContent = `${clock(audio.currentTime)} / ${clock(audio.duration)}`;
    else time.textContent = length === null ? '–' : clock(length);
    redraw();
  };
  show();
  updates.add(show);
  if (length === null) {
    const file = new Audio();
    file.preload = 'metadata';
    file.addEventListener('loadedmetadata', () => {
      length = file.duration;
      show();
    });
    file.src = source;
  }
  loadPeaks().then((heights) => {
    peaks = heights;
    redraw();
  }, () => undefined);
  return h('div', { class: 'player' }, button, canvas, time);
}
