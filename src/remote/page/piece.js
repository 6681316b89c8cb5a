// @ts-check
/** The form for making a piece, which is rendered in the background from a mood or a preset, and the list of pieces. */

import { http, melos } from './connection.js';
import { EMOTIONS, attempt, capitalize, clock, colour, date, formatNumber, h, picture, pressHandlers, refill, refresh, showToast, size } from './dom.js';
import { percentages, shares } from './mood.js';
import { player, release } from './player.js';
import { allPresets, nameOf } from './presets.js';

/**
 * @typedef {{ emotion?: string | Record<string, number>, preset?: string, take?: string, seconds?: number,
 *   temperature?: number, seed?: number, harmony: boolean, format: string }} PieceRequest
 * @typedef {{ id: number, state: string, done: number, seconds_left: number | null, created: number, request: PieceRequest,
 *   file: string | null, bytes: number, picture: number[], error: string | null }} Piece
 */

/** Selectable lengths in seconds. */
const LENGTHS = [10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800];
/** Maximum number of waiting pieces. */
const MAX_WAITING = 8;
/** Number of possible seeds. */
export const SEEDS = 16_777_216;
/** Interval for polling the progress of a render, in milliseconds. */
const POLL_INTERVAL = 500;

const randomSeed = () => Math.floor(Math.random() * SEEDS);

/** Formats a length. @param {number} seconds */
const length = (seconds) => (seconds < 60 ? `${seconds} s` : seconds % 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${seconds / 60} min`);

/** Returns the title of a piece. @param {PieceRequest} request */
function title(request) {
  if (request.preset) return nameOf(request.preset);
  if (request.take) return `Take ${request.take}`;
  if (typeof request.emotion === 'string') return capitalize(request.emotion);
  const parts = [...percentages(Object.entries(request.emotion ?? {}))].filter(([, share]) => share > 0).sort((a, b) => b[1] - a[1]);
  return capitalize(parts.map(([name, share]) => `${name} ${share}%`).join(', '));
}

/** Requests a piece. @param {PieceRequest} request */
export async function make(request) {
  const { pieces } = /** @type {{ pieces: Piece[] }} */ (await http('/render'));
  const waiting = pieces.filter(({ state }) => state === 'waiting').length;
  if (waiting >= MAX_WAITING) throw new Error(`${waiting} pieces are already waiting; wait for one to be made, or cancel one`);
  const piece = await http('/render', request);
  showToast(piece.state === 'waiting' ? `Piece ${piece.id} is in the queue` : `Piece ${piece.id} is being rendered`);
}

export function piece() {
  /** What the piece is made from: emotions in equal shares, the current blend (`now`), or a preset (`preset:` and its id). @type {string[]} */
  let source = [];
  const sources = h('div', { class: 'emotions small', role: 'group', 'aria-label': 'What should it sound like?' });
  const presetMenu = h('select', { id: 'piece-preset', onchange: () => choose(presetMenu.value ? `preset:${presetMenu.value}` : 'calm') });
  /** @param {string[]} names */
  const choose = (...names) => {
    source = names;
    if (!names[0].startsWith('preset:')) presetMenu.value = '';
    for (const button of [...sources.children, now]) button.setAttribute('aria-pressed', String(names.includes(button.dataset.source)));
  };
  /** Adds an emotion to the blend or removes it. @param {string} name */
  const blend = (name) => {
    const others = source.filter((other) => other !== name && EMOTIONS.some(([emotion]) => emotion === other));
    choose(...(source.includes(name) && others.length ? others : [...others, name]));
  };
  sources.append(...EMOTIONS.map(([name]) => h('button', {
    type: 'button', class: 'emotion', 'data-emotion': name, 'data-source': name, 'aria-pressed': 'false',
    title: `${capitalize(name)} only. Shift-click or long-press to add it to the blend or remove it.`,
    ...pressHandlers((event) => (event.shiftKey ? blend(name) : choose(name)), () => blend(name)),
  }, capitalize(name))));
  const now = h('button', {
    type: 'button', 'data-source': 'now', 'aria-pressed': 'false', title: 'The current blend', onclick: () => choose('now'),
  }, 'Current mood');
  addEventListener('presets', () => {
    const chosen = presetMenu.value;
    presetMenu.replaceChildren(h('option', { value: '' }, 'No preset'), ...allPresets().map(({ id, name }) => h('option', { value: id }, name)));
    presetMenu.value = chosen;
  });
  choose('calm');

  const lengthOut = h('output', {}, length(60));
  const lengthIn = h('input', {
    type: 'range', id: 'piece-length', min: 0, max: LENGTHS.length - 1, step: 1, value: LENGTHS.indexOf(60), 'aria-valuetext': length(60),
    oninput: () => {
      lengthOut.textContent = length(LENGTHS[lengthIn.valueAsNumber]);
      lengthIn.setAttribute('aria-valuetext', lengthOut.textContent);
    },
  });
  const creativityOut = h('output', {}, formatNumber(1, 2));
  const creativityIn = h('input', {
    type: 'range', id: 'piece-creativity', min: 0.1, max: 2, step: 0.05, value: 1,
    oninput: () => (creativityOut.textContent = formatNumber(creativityIn.valueAsNumber, 2)),
  });
  const seedIn = h('input', { type: 'number', id: 'piece-seed', min: 0, max: SEEDS - 1, step: 1, value: randomSeed(), placeholder: 'Random' });
  const newSeed = h('button', {
    type: 'button', 'aria-label': 'Another seed', title: 'Another seed', onclick: () => (seedIn.value = String(randomSeed())),
  }, '⚄');
  const harmonyIn = h('input', { type: 'checkbox', id: 'piece-harmony', checked: true });
  const formatIn = h('select', { id: 'piece-format' }, h('option', { value: 'wav' }, 'WAV'), h('option', { value: 'flac' }, 'FLAC'),
    h('option', { value: 'midi' }, 'MIDI'));

  /** @returns {PieceRequest} */
  const request = () => {
    if (!seedIn.validity.valid) {
      seedIn.focus();
      throw new Error(`The seed must be a whole number from 0 to ${SEEDS - 1}, or empty for a random one`);
    }
    const common = {
      seconds: LENGTHS[lengthIn.valueAsNumber], temperature: creativityIn.valueAsNumber, seed: seedIn.value ? seedIn.valueAsNumber : randomSeed(),
      harmony: harmonyIn.checked, format: formatIn.value,
    };
    const [first, ...others] = source;
    if (first.startsWith('preset:')) return { preset: first.slice('preset:'.length), ...common };
    if (first !== 'now' && others.length === 0) return { emotion: first, ...common };
    const blend = first === 'now' ? [...shares()].filter(([, share]) => share > 0.01) : source.map((name) => /** @type {[string, number]} */ ([name, 1 / source.length]));
    return { emotion: Object.fromEntries(blend.map(([name, share]) => [name, Number(share.toFixed(3))])), ...common };
  };
  const makeButton = h('button', {
    type: 'button', class: 'main', id: 'piece-make', onclick: () => attempt(async () => {
      await make(request());
      seedIn.value = String(randomSeed());
    }),
  }, 'Make the piece');

  return [
    h('div', { class: 'maker' }, sources,
      h('div', { class: 'row wrap' }, now, h('div', { class: 'field' }, h('label', { for: 'piece-preset' }, 'Or a preset'), presetMenu)),
      h('div', { class: 'fader' }, h('label', { for: 'piece-length' }, 'Length'), lengthIn, lengthOut),
      h('div', { class: 'fader' }, h('label', { for: 'piece-creativity' }, 'Creativity'), creativityIn, creativityOut),
      h('div', { class: 'row wrap' },
        h('div', { class: 'field seed' }, h('label', { for: 'piece-seed' }, 'Seed'), h('span', { class: 'row' }, seedIn, newSeed)),
        h('div', { class: 'field' }, h('label', { for: 'piece-format' }, 'Format'), formatIn),
        h('label', { class: 'field check' }, harmonyIn, 'With harmony')),
      makeButton),
    pieceList(),
  ];
}

function pieceList() {
  const list = h('ul', { class: 'sounds', id: 'pieces', 'aria-label': 'Pieces' });
  /** @type {Map<number, { state: string, element: any, show: (piece: Piece) => void }>} */
  const rows = new Map();
  let timer = 0;
  const read = () => refresh(async () => {
    clearTimeout(timer);
    const { pieces } = /** @type {{ pieces: Piece[] }} */ (await http('/render'));
    for (const id of rows.keys()) if (!pieces.some((piece) => piece.id === id)) rows.delete(id);
    for (const piece of pieces) {
      if (rows.get(piece.id)?.state !== piece.state) rows.set(piece.id, { state: piece.state, ...row(piece) });
      rows.get(piece.id)?.show(piece);
    }
    const elements = pieces.map(({ id }) => rows.get(id)?.element);
    if (!list.hasChildNodes() || elements.some((element, index) => list.children[index] !== element) || list.children.length !== elements.length) {
      refill(list, ...(elements.length ? elements : [h('li', { class: 'empty' }, 'No pieces yet. Pieces are kept here until you delete them.')]));
    }
    if (pieces.some(({ state }) => state === 'rendering')) timer = window.setTimeout(read, POLL_INTERVAL);
  });
  let seen = -1;
  melos.on('revisions', (...revisions) => revisions[4] !== seen && ((seen = revisions[4]), read()));
  melos.on('@open', (open) => open && read());
  return list;
}

/** @param {Piece} piece */
function row(piece) {
  const { id, request, state } = piece;
  const name = title(request);
  const details = [
    request.seconds ? length(request.seconds) : null, request.seed === undefined ? null : `seed ${request.seed}`,
    request.temperature === undefined || request.temperature === 1 ? null : `creativity ${formatNumber(request.temperature, 2)}`,
    request.harmony ? null : 'without harmony', request.format.toUpperCase(), state === 'ready' ? size(piece.bytes) : null, date(piece.created),
  ].filter(Boolean).join(' · ');
  const remove = h('button', {
    type: 'button', onclick: () => attempt(async () => {
      if (state === 'ready' && !confirmed(remove)) return;
      release(`/render/${id}/file`);
      await http(`/render/${id}`, { delete: true });
    }),
  }, state === 'ready' || state === 'failed' ? 'Delete' : 'Cancel');
  const again = h('button', {
    type: 'button', title: 'Makes a piece with the same settings and another seed', onclick: () => attempt(() => make({ ...request, seed: randomSeed() })),
  }, 'Make a variation');
  const head = h('div', { class: 'head' }, h('strong', {}, name), h('span', { class: 'hint' }, details));
  if (state === 'ready') {
    const source = `/render/${id}/file`;
    const download = h('a', { class: 'button', href: `${source}?download`, download: piece.file }, 'Download');
    const element = h('li', { 'data-piece': id, 'data-state': state }, head,
      request.format === 'midi' ? null : player(source, name, async () => piece.picture, request.seconds ?? null), h('div', { class: 'row wrap' }, download, request.take ? null : again, remove));
    return { element, show: () => undefined };
  }
  if (state === 'failed') {
    const element = h('li', { 'data-piece': id, 'data-state': state }, head, h('p', { class: 'error' }, piece.error),
      h('div', { class: 'row wrap' }, request.take ? null : again, remove));
    return { element, show: () => undefined };
  }
  /** @type {number[]} */
  let peaks = [];
  const canvas = h('canvas', { class: 'waveform', 'aria-hidden': 'true' });
  const redraw = picture(canvas, (context, width, height) => {
    context.clearRect(0, 0, width, height);
    const highest = Math.max(0.05, ...peaks);
    context.fillStyle = colour('accent');
    peaks.forEach((peak, index) => {
      const barHeight = Math.max(1.5, (peak / highest) * (height - 4));
      context.fillRect((index * width) / 160, (height - barHeight) / 2, Math.max(1, width / 160 - 1), barHeight);
    });
  });
  const bar = h('progress', { max: 1, value: 0, 'aria-label': `Progress of ${name}` });
  const left = h('span', { class: 'time' });
  const element = h('li', { 'data-piece': id, 'data-state': state }, head, canvas, h('div', { class: 'row' }, bar, left, remove));
  const show = (/** @type {Piece} */ { state, done, seconds_left, picture }) => {
    bar.value = done;
    peaks = picture;
    left.textContent = state === 'waiting' ? 'waiting' : seconds_left === null ? 'starting' : `${clock(seconds_left + 0.9)} left`;
    redraw();
  };
  return { element, show };
}

/**
 * Asks for a second press within a few seconds as confirmation; returns whether this press was the second.
 * @param {any} button @param {string} [question]
 */
export function confirmed(button, question = 'Are you sure?') {
  if (button.dataset.confirming) return true;
  const text = button.textContent;
  button.dataset.confirming = 'yes';
  button.textContent = question;
  button.classList.add('danger');
  setTimeout(() => {
    delete button.dataset.confirming;
    button.textContent = text;
    button.classList.remove('danger');
  }, 4000);
  return false;
}
