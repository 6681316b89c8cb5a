// @ts-check
/** Scenes: press to recall, hold twice to replace; the morph time and the crossfader. */

import { http, melos } from './connection.js';
import { attempt, checkName, fader, h, pressHandlers, refill, refresh, showToast } from './dom.js';
import { confirmed } from './piece.js';

/** Names that a scene cannot have; a browser would resolve `.` and `..` in a request's path as folders. */
const UNUSABLE = /^\.\.?$|\p{Cc}/u;

export function scenes() {
  const slots = h('div', { class: 'slots', id: 'scenes', role: 'group', 'aria-label': 'Scenes' });
  /** @type {string[]} */
  let names = [];
  /** The scene being edited, and its form. @type {{ name: string, form: any } | undefined} */
  let edited;
  melos.on('@confirmed', (id, name) => id === 'scene/store' && showToast(`“${name}” stored`));
  const newName = h('input', { type: 'text', id: 'scene-name', maxlength: 60, placeholder: 'Name', 'aria-label': 'Name of the new scene' });
  const store = () => {
    let number = 1;
    while (names.includes(`Scene ${number}`)) number += 1;
    const name = newName.value.trim() || `Scene ${number}`;
    if (!checkName(name, 'scene', [], UNUSABLE) || (names.includes(name) && !confirmed(storeButton, 'Replace?'))) return;
    melos.set('scene/store', name);
    newName.value = '';
  };
  const storeButton = h('button', { type: 'button', id: 'scene-store', onclick: store }, 'Store');
  newName.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && store());

  /** @param {string} name */
  const slot = (name) => {
    const recall = h('button', {
      type: 'button', class: 'slot', 'data-scene': name, title: `${name}: press to recall; hold twice to replace it with the current state`,
      'aria-current': melos.values.get('scene') === name ? 'true' : undefined,
      ...pressHandlers(() => melos.set('scene', name), () => confirmed(recall, 'Hold again to replace') && melos.set('scene/store', name)),
    }, name);
    const more = h('button', {
      type: 'button', class: 'more', 'aria-label': `Edit scene ${name}`, 'aria-expanded': String(edited?.name === name),
      onclick: () => {
        edited = edited?.name === name ? undefined : { name, form: editor(name) };
        show();
      },
    }, '⋯');
    return h('div', { class: 'slot-box' }, recall, more, edited?.name === name ? edited.form : null);
  };
  /** @param {string} name */
  const editor = (name) => {
    const path = `/scenes/${encodeURIComponent(name)}`;
    const input = h('input', { type: 'text', value: name, maxlength: 60, 'aria-label': `New name of ${name}` });
    const rename = () => attempt(async () => {
      const renamed = input.value.trim();
      if (renamed !== name) {
        if (!checkName(renamed, 'scene', names, UNUSABLE)) return;
        await http(path, { rename: renamed });
      }
      edited = undefined;
      show();
    });
    input.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && rename());
    const remove = h('button', { type: 'button', onclick: () => confirmed(remove) && attempt(() => http(path, { delete: true })) }, 'Delete');
    const replace = h('button', { type: 'button', onclick: () => confirmed(replace, 'Replace?') && melos.set('scene/store', name) }, 'Store');
    return h('div', { class: 'editor' }, input, h('button', { type: 'button', onclick: rename }, 'Rename'), replace, remove);
  };
  const ends = ['a', 'b'].map((end) => {
    const id = `scene/${end}`;
    const select = h('select', { id: `scene-${end}`, onchange: () => melos.set(id, select.value) });
    const fill = () => {
      select.replaceChildren(h('option', { value: '' }, '–'), ...names.map((name) => h('option', { value: name }, name)));
      select.value = String(melos.values.get(id) ?? '');
    };
    return { fill, element: h('div', { class: 'field' }, h('label', { for: select.id }, `Scene ${end.toUpperCase()}`), select) };
  });
  const bars = fader('scene/morph/bars', { label: 'Morph (bars)', digits: 0, unit: 'bars' });
  bars.querySelector('input').step = 1 / (melos.parameters.get('scene/morph/bars')?.max ?? 1);
  const crossfader = fader('scene/crossfade', { label: 'Crossfade', words: ['A', 'B'] });
  const show = () => {
    refill(slots, ...names.map(slot));
    if (names.length === 0) slots.append(h('p', { class: 'hint' }, 'No scenes yet. Press Store to store the current state.'));
    ends.forEach(({ fill }) => fill());
    const ready = ['scene/a', 'scene/b'].every((id) => names.includes(String(melos.values.get(id))));
    crossfader.querySelector('input').disabled = !ready;
  };
  const read = () => refresh(async () => {
    ({ scenes: names } = await http('/scenes'));
    if (edited && !names.includes(edited.name)) edited = undefined;
    show();
  });
  let seen = -1;
  melos.on('revisions', (...revisions) => revisions[1] !== seen && ((seen = revisions[1]), read()));
  melos.on('@open', (open) => open && read());
  for (const id of ['scene', 'scene/a', 'scene/b']) melos.on(id, show);
  return [
    h('div', { class: 'stored' }, slots, h('div', { class: 'row wrap' }, newName, storeButton,
      h('button', { type: 'button', id: 'scene-undo', 'data-param': 'scene/undo', title: melos.parameters.get('scene/undo')?.description, onclick: () => melos.put('scene/undo') }, 'Undo recall'))),
    h('div', { class: 'transitions' },
      fader('scene/morph', { label: 'Morph', digits: 1, unit: 's', curve: 3 }),
      bars,
      h('div', { class: 'row wrap' }, ...ends.map(({ element }) => element)),
      crossfader),
  ];
}
