// @ts-check
/** Presets with their descriptions, the progress of journeys, and the user's starred presets. */

import { http, melos } from './connection.js';
import { capitalize, clock, h, refill, refresh, showToast } from './dom.js';

/** @typedef {{ id: string, name: string, description: string, repeats: boolean, journey: { mood: string, seconds: number }[] }} Preset */

const STORAGE_KEY = 'melos.starred';

/** Returns the ids of the starred presets. @returns {string[]} */
function starred() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '[]');
  } catch {
    return [];
  }
}

/** @type {Preset[]} */
let presets = [];

/** Returns all presets. */
export const allPresets = () => presets;

export function presetList() {
  const list = h('ul', { class: 'cards', id: 'presets' });
  const now = h('div', { class: 'now-preset', 'aria-live': 'polite' });
  const starredOnly = h('button', {
    type: 'button', 'aria-pressed': 'false', title: 'Shows only the starred presets; the arrow buttons then step through them',
    onclick: () => {
      starredOnly.setAttribute('aria-pressed', String(starredOnly.getAttribute('aria-pressed') !== 'true'));
      show();
    },
  }, '★ Starred');
  /** @type {{ step: number, steps: number, left: number | null, at: number } | undefined} */
  let journey;

  const visible = () => {
    const ids = starred();
    if (starredOnly.getAttribute('aria-pressed') !== 'true') return presets;
    return ids.flatMap((id) => presets.filter((preset) => preset.id === id));
  };
  /** @param {number} offset */
  const step = (offset) => {
    const ids = visible().map(({ id }) => id);
    if (ids.length === 0) return showToast(presets.length ? 'No preset is starred' : 'There are no presets');
    const index = ids.indexOf(String(melos.values.get('preset')));
    const next = index < 0 ? (offset > 0 ? 0 : ids.length - 1) : (index + offset + ids.length) % ids.length;
    melos.set('preset', ids[next]);
  };
  /** @param {string} id */
  const star = (id) => {
    const ids = starred();
    const updated = ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id];
    localStorage.setItem(STORAGE_KEY, JSON.stringify(updated));
    show();
  };
  const show = () => {
    const [starredIds, playing] = [starred(), melos.values.get('preset')];
    const empty = presets.length ? 'No preset is starred. Press ☆ next to a preset to star it.' : 'There are no presets.';
    refill(list, ...visible().map((preset) => h('li', { class: preset.id === playing ? 'card playing' : 'card' },
      h('button', {
        type: 'button', class: 'load', 'data-preset': preset.id, 'aria-current': preset.id === playing ? 'true' : undefined,
        onclick: () => melos.set('preset', preset.id),
      }, h('strong', {}, preset.name), preset.journey.length ? h('span', { class: 'tag' }, `journey, ${preset.journey.length} steps`) : null,
        h('span', { class: 'about' }, preset.description)),
      h('button', {
        type: 'button', class: 'star', 'aria-pressed': String(starredIds.includes(preset.id)), 'aria-label': `${preset.name} starred`,
        onclick: () => star(preset.id),
      }, starredIds.includes(preset.id) ? '★' : '☆'))));
    if (visible().length === 0) list.append(h('li', { class: 'empty' }, empty));
    showNow();
  };
  const showNow = () => {
    const playing = String(melos.values.get('preset') ?? '');
    const preset = presets.find(({ id }) => id === playing);
    const parts = [h('strong', {}, preset?.name ?? (playing ? capitalize(playing) : 'No preset'))];
    if (preset && journey) {
      const next = preset.journey[journey.step % preset.journey.length];
      const left = journey.left === null ? null : Math.max(0, journey.left - (performance.now() - journey.at) / 1000);
      const remaining = left === null ? '' : `, ${clock(left)} left`;
      parts.push(h('span', { class: 'hint' }, ` step ${journey.step} of ${journey.steps}${remaining}`));
      if (left !== null) parts.push(h('span', { class: 'hint' }, ` then ${next?.mood ?? 'the end'}`));
    } else if (preset) parts.push(h('span', { class: 'hint' }, ` ${preset.description}`));
    else if (playing && presets.length) parts.push(h('span', { class: 'hint' }, ' file removed; its settings stay in effect'));
    now.replaceChildren(...parts);
  };
  const read = () => refresh(async () => {
    const response = await http('/presets');
    presets = response.presets;
    const { journey: current } = response;
    journey = current && { step: current.step, steps: current.steps, left: current.seconds_left, at: performance.now() };
    melos.journey = Boolean(current);
    show();
    dispatchEvent(new Event('presets'));
  });
  let seen = -1;
  melos.on('revisions', (presets) => presets !== seen && ((seen = presets), read()));
  melos.on('@open', (open) => open && read());
  melos.on('preset', show);
  setInterval(() => journey && !document.hidden && showNow(), 1000);
  return [
    h('div', { class: 'row' },
      h('button', { type: 'button', id: 'preset-previous', 'data-param': 'preset/previous', 'aria-label': 'Previous preset', onclick: () => step(-1) }, '‹'), now,
      h('button', { type: 'button', id: 'preset-next', 'data-param': 'preset/next', 'aria-label': 'Next preset', onclick: () => step(1) }, '›')),
    list,
    h('div', { class: 'row end' }, starredOnly),
  ];
}

/** Returns the name of a preset. @param {string} id */
export const nameOf = (id) => presets.find((preset) => preset.id === id)?.name ?? capitalize(id);
