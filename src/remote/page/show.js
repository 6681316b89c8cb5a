// @ts-check
/** The show: setlists with their current entry, a timer that fades the music out, and the opening hours. */

import { http, melos } from './connection.js';
import { clock, h, refill, refresh, showToast } from './dom.js';
import { nameOf } from './presets.js';

/** @typedef {{ id: string, name: string, entries: { kind: string, name: string, note: string }[] }} Setlist */

/** Interval for polling the remaining time and the opening hours, in milliseconds. */
const POLL_INTERVAL = 5000;

export function show() {
  /** @type {Setlist[]} */
  let setlists = [];
  const choice = h('select', { id: 'setlist', 'data-param': 'setlist', onchange: () => melos.set('setlist', choice.value) });
  const entries = h('ol', { class: 'entries', id: 'setlist-entries' });
  const actionButton = (/** @type {string} */ id, /** @type {string} */ name, /** @type {string} */ symbol) => h('button', {
    type: 'button', id: id.replace('/', '-'), 'data-param': id, 'aria-label': name, title: melos.parameters.get(id)?.description,
    onclick: () => (melos.values.get('setlist') ? melos.set(id) : showToast('Select a setlist first')),
  }, symbol);

  const list = () => {
    const chosen = String(melos.values.get('setlist') ?? '');
    const position = Number(melos.values.get('setlist/go') ?? 0);
    choice.replaceChildren(h('option', { value: '' }, '–'), ...setlists.map(({ id, name }) => h('option', { value: id }, name)));
    choice.value = chosen;
    const setlist = setlists.find(({ id }) => id === chosen);
    refill(entries, ...(setlist?.entries ?? []).map(({ kind, name, note }, index) => h('li', {},
      h('button', {
        type: 'button', class: 'entry', 'data-entry': index + 1, 'aria-current': index + 1 === position ? 'step' : undefined,
        onclick: () => melos.set('setlist/go', index + 1),
      }, h('strong', {}, kind === 'preset' ? nameOf(name) : name), kind === 'scene' ? h('span', { class: 'tag' }, 'scene') : null,
        note ? h('span', { class: 'about' }, note) : null))));
  };
  const read = () => refresh(async () => {
    ({ setlists } = await http('/presets'));
    list();
  });
  let seen = -1;
  melos.on('revisions', (presets) => presets !== seen && ((seen = presets), read()));
  for (const id of ['setlist', 'setlist/go']) melos.on(id, list);
  addEventListener('presets', list);

  const minutes = h('input', { type: 'number', id: 'timer-minutes', min: 0.1, max: 1440, step: 'any', value: 10 });
  const start = h('button', {
    type: 'button', id: 'timer-start', 'data-param': 'timer', title: melos.parameters.get('timer')?.description,
    onclick: () => (minutes.valueAsNumber > 0 ? melos.set('timer', minutes.valueAsNumber * 60) : showToast('Enter a number of minutes', true)),
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
    const { show: plan } = await http('/status');
    running = plan.timer_seconds_left !== null;
    ends = performance.now() + 1000 * (plan.timer_seconds_left ?? 0);
    hours.hidden = plan.schedule === null;
    hours.textContent = plan.schedule ? `Opening hours: ${plan.schedule}` : '';
    update();
  });
  melos.on('timer', () => setTimeout(poll, 200));
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
