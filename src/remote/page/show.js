// @ts-check
/** The show: setlists with their current entry, a timer that fades the music out, and the opening hours. */

import { http, melos } from './connection.js';
import { capitalize, clock, h, refill, refresh, showToast } from './dom.js';
import { nameOf } from './presets.js';

/**
 * @typedef {{ kind: string, name: string, note: string }} Entry an entry of a setlist: the name of a preset or a scene
 * @typedef {{ id: string, name: string, entries: Entry[] }} Setlist
 */

/** Interval for polling the remaining time and the opening hours, in milliseconds. */
const POLL_INTERVAL = 5000;

export function show() {
  /** @type {Setlist[]} */
  let setlists = [];
  /** The names of the existing presets and scenes. @type {Record<string, string[]>} */
  let existing = {};
  /** Whether the current entry has been removed from the setlist; the position is then that of the entry before. */
  let removed = false;
  const choice = h('select', { id: 'setlist', 'data-param': 'setlist', onchange: () => melos.set('setlist', choice.value) });
  const entries = h('ol', { class: 'entries', id: 'setlist-entries' });
  const actionButton = (/** @type {string} */ id, /** @type {string} */ name, /** @type {string} */ symbol) => h('button', {
    type: 'button', id: id.replace('/', '-'), 'data-param': id, 'aria-label': name, title: melos.parameters.get(id)?.description,
    onclick: () => (melos.values.get('setlist') ? melos.set(id) : showToast('Select a setlist first')),
  }, symbol);

  const isMissing = (/** @type {Entry} */ { kind, name }) => !existing[kind]?.includes(name);
  const list = () => {
    const chosen = String(melos.values.get('setlist') ?? '');
    const position = Number(melos.values.get('setlist/go') ?? 0);
    const current = removed ? 0 : position;
    choice.replaceChildren(h('option', { value: '' }, '–'), ...setlists.map(({ id, name }) => h('option', { value: id }, name)));
    choice.value = chosen;
    const setlist = setlists.find(({ id }) => id === chosen);
    refill(entries, ...(setlist?.entries ?? []).map((entry, index) => h('li', {},
      h('button', {
        type: 'button', class: isMissing(entry) ? 'entry missing' : 'entry', 'data-entry': index + 1, 'aria-current': index + 1 === current ? 'step' : undefined,
        onclick: () => melos.set('setlist/go', index + 1),
      }, h('strong', {}, entry.kind === 'preset' ? nameOf(entry.name) : entry.name), entry.kind === 'scene' ? h('span', { class: 'tag' }, 'scene') : null,
        isMissing(entry) ? h('span', { class: 'tag error' }, 'missing') : null, entry.note ? h('span', { class: 'about' }, entry.note) : null))));
    warn(setlist?.entries[current - 1], `${chosen} ${position}`);
  };
  /** The setlist and position last shown. */
  let reached = '';
  /** Warns once on reaching an entry that does nothing because it is missing. @param {Entry | undefined} entry @param {string} place */
  const warn = (entry, place) => {
    if (entry && reached && reached !== place && isMissing(entry)) showToast(`${capitalize(entry.kind)} “${entry.name}” is missing, so the music does not change`, true);
    if (existing.preset) reached = place;
  };
  const read = () => refresh(async () => {
    const { presets, setlists: listed } = await http('/presets');
    const { scenes } = await http('/scenes');
    setlists = listed;
    existing = { preset: presets.map((/** @type {{ id: string }} */ { id }) => id), scene: scenes };
    await poll();
    list();
  });
  let seen = '';
  melos.on('revisions', (presets, scenes) => seen !== `${presets} ${scenes}` && ((seen = `${presets} ${scenes}`), read()));
  melos.on('setlist', list);
  addEventListener('presets', list);

  const minutes = h('input', { type: 'number', id: 'timer-minutes', required: true, min: 0.1, max: 1440, step: 'any', value: 10 });
  const start = h('button', {
    type: 'button', id: 'timer-start', 'data-param': 'timer', title: melos.parameters.get('timer')?.description,
    onclick: () => (minutes.validity.valid ? melos.set('timer', minutes.valueAsNumber * 60) : showToast(`Enter ${minutes.min} to ${minutes.max} minutes`, true)),
  }, 'Start');
  const cancel = h('button', { type: 'button', id: 'timer-off', hidden: true, onclick: () => melos.set('timer', 0) }, 'Cancel');
  const left = h('span', { class: 'hint', id: 'timer-left', role: 'timer' });
  const hours = h('p', { class: 'hint', id: 'hours', hidden: true });
  let [ends, running] = [0, false];
  const update = () => {
    cancel.hidden = !running;
    left.textContent = running ? `fades out in ${clock((ends - performance.now()) / 1000)}` : '';
  };
  const poll = () => refresh(async () => {
    const { parameters, show: plan } = await http('/status');
    const isRemoved = plan.entry === null && parameters['setlist/go'] > 0;
    if (isRemoved !== removed) {
      removed = isRemoved;
      list();
    }
    running = plan.timer_seconds_left !== null;
    ends = performance.now() + 1000 * (plan.timer_seconds_left ?? 0);
    hours.hidden = plan.schedule === null;
    hours.textContent = plan.schedule ? `Opening hours: ${plan.schedule}` : '';
    update();
  });
  melos.on('timer', () => setTimeout(poll, 200));
  melos.on('setlist/go', () => {
    removed = false;
    list();
    setTimeout(poll, 200);
  });
  melos.on('@open', (open) => open && (read(), poll()));
  setInterval(() => !document.hidden && running && update(), 1000);
  setInterval(() => melos.open && !document.hidden && poll(), POLL_INTERVAL);
  return [
    h('div', { class: 'row wrap' }, h('div', { class: 'field' }, h('label', { for: choice.id }, 'Setlist'), choice),
      actionButton('setlist/previous', 'Previous entry', '‹'), actionButton('setlist/next', 'Next entry', '›')),
    entries,
    h('div', { class: 'row wrap' }, h('div', { class: 'field seed' }, h('label', { for: minutes.id }, 'Minutes until fade-out'), minutes), start, cancel, left),
    hours,
  ];
}
