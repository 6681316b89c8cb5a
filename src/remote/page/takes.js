// @ts-check
/** Takes: playing, downloading, renaming, deleting and re-rendering. */

import { http, melos } from './connection.js';
import { attempt, capitalize, checkName, date, h, menu, refill, refresh, showToast, size } from './dom.js';
import { confirmed, make } from './piece.js';
import { player, release } from './player.js';

/** @typedef {{ name: string, seconds: number | null, bytes: number, modified: number, mood: string | null, log: boolean, notes: boolean }} Take */

/** Choices for the pre-roll, in seconds. */
const PRE_ROLLS = [0, 5, 10, 20, 30];
/** How long to wait for a recording to start or stop before reading the list, in milliseconds. */
const RECORDING_DELAY = 300;

/** Names that a take cannot have, because they are not file names. */
const UNUSABLE = /^\.|[/\\]|\p{Cc}/u;
/** Maximum length of a name without its extension, in bytes. */
const MAX_NAME = 115;

/** Returns the name of a take without its extension. @param {string} name */
const stemOf = (name) => name.replace(/\.[^.]+$/, '');

export function takes() {
  const list = h('ul', { class: 'sounds', id: 'takes', 'aria-label': 'Takes' });
  let listed = '';
  /** The rows by name; each is kept while its take is unchanged or is being renamed. @type {Map<string, { take: string, element: any }>} */
  const rows = new Map();
  const read = () => refresh(async () => {
    const { takes, recording } = /** @type {{ takes: Take[], recording: { on: boolean, name: string | null } }} */ (await http('/takes'));
    const shown = takes.filter(({ name }) => !(recording.on && recording.name === name));
    const now = JSON.stringify([shown, recording.on]);
    if (now === listed) return;
    listed = now;
    for (const name of rows.keys()) if (!shown.some((take) => take.name === name)) rows.delete(name);
    for (const take of shown) {
      const [kept, description] = [rows.get(take.name), JSON.stringify(take)];
      if (kept?.take !== description && !kept?.element.querySelector('input')) rows.set(take.name, { take: description, element: row(take, () => [...rows.keys()].map(stemOf)) });
    }
    const empty = recording.on ? `${stemOf(recording.name ?? '')} is being recorded.` : 'No takes yet. Press Record to make one.';
    refill(list, ...(shown.length ? shown.map(({ name }) => rows.get(name)?.element) : [h('li', { class: 'empty' }, empty)]));
  });
  let seen = -1;
  melos.on('revisions', (...revisions) => revisions[3] !== seen && ((seen = revisions[3]), read()));
  melos.on('@open', (open) => open && read());
  melos.on('record', () => melos.open && setTimeout(read, RECORDING_DELAY));

  const preRoll = h('select', {
    id: 'preroll', 'data-param': 'record/preroll', onchange: () => melos.set('record/preroll', Number(preRoll.value)),
  }, ...PRE_ROLLS.map((seconds) => h('option', { value: seconds }, seconds ? `${seconds} s` : 'None')));
  melos.on('record/preroll', (value) => {
    const nearest = PRE_ROLLS.reduce((best, seconds) => (Math.abs(seconds - value) < Math.abs(best - value) ? seconds : best));
    preRoll.value = String(nearest);
  });
  return [
    h('div', { class: 'row wrap narrow' }, h('div', { class: 'field' }, h('label', { for: 'preroll' }, 'Pre-roll'), preRoll), menu('record/format', 'Format', (name) => name.toUpperCase())),
    list,
  ];
}

/** @param {Take} take @param {() => string[]} stems returns the names of all takes, without their extensions */
function row({ name, seconds, bytes, modified, mood, log, notes }, stems) {
  const source = `/takes/${encodeURIComponent(name)}`;
  const stem = stemOf(name);
  const title = h('strong', {}, stem);
  const rename = h('button', { type: 'button', onclick: () => edit() }, 'Rename');
  const edit = () => {
    const input = h('input', { type: 'text', value: stem, 'aria-label': `New name of ${stem}`, maxlength: 110 });
    const cancel = () => {
      form.replaceWith(title);
      rename.focus();
    };
    const save = () => attempt(async () => {
      const renamed = input.value.trim();
      if (renamed === stem) return cancel();
      if (new TextEncoder().encode(renamed).length > MAX_NAME) return showToast('This name is too long', true);
      if (!checkName(renamed, 'take', stems(), UNUSABLE)) return;
      release(source);
      await http(source, { rename: renamed });
    });
    input.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Enter') save();
      if (event.key === 'Escape') cancel();
      event.stopPropagation();
    });
    const form = h('span', { class: 'row' }, input, h('button', { type: 'button', onclick: save }, 'Save'));
    title.replaceWith(form);
    input.focus();
    input.select();
  };
  const remove = h('button', {
    type: 'button', onclick: () => confirmed(remove) && attempt(async () => {
      release(source);
      await http(source, { delete: true });
      showToast(`${stem} deleted`);
    }),
  }, 'Delete');
  const again = h('button', {
    type: 'button', disabled: !log, title: log ? 'Re-renders the take from its control log, bit for bit' : 'The take has no control log',
    onclick: () => attempt(() => make({ take: name, harmony: true, format: 'wav' })),
  }, 'Re-render');
  const midi = notes
    ? h('a', { class: 'button', href: `${source}/notes?download`, download: `${stem}.mid`, title: 'The notes as a MIDI file' }, 'MIDI')
    : null;
  const loadPeaks = async () => (await http(`${source}/picture`)).peaks;
  return h('li', { 'data-take': name },
    h('div', { class: 'head' }, title, h('span', { class: 'hint' }, mood && h('span', { class: 'mood', 'data-emotion': mood }, capitalize(mood)),
      [name.split('.').pop()?.toUpperCase(), size(bytes), date(modified)].join(' · '))),
    player(source, stem, loadPeaks, seconds),
    h('div', { class: 'row wrap' }, h('a', { class: 'button', href: `${source}?download`, download: name }, 'Download'), midi, rename, again, remove));
}
