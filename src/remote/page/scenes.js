// @ts-check
/** Scenes: press to recall, hold to store; the morph time and the crossfader. */

import { http, melos } from './connection.js';
import { attempt, fader, h, pressHandlers, showToast } from './dom.js';
import { confirmed } from './piece.js';

export function scenes() {
  const slots = h('div', { class: 'slots', id: 'scenes', role: 'group', 'aria-label': 'Scenes' });
  /** @type {string[]} */
  let names = [];
  /** @type {string | undefined} */
  let edited;
  const newName = h('input', { type: 'text', id: 'scene-name', maxlength: 60, placeholder: 'Name', 'aria-label': 'Name of the new scene' });
  const store = () => {
    const name = newName.value.trim() || `Scene ${names.length + 1}`;
    melos.set('scene/store', name);
    newName.value = '';
    showToast(`“${name}” stored`);
  };
  newName.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && store());

  /** @param {string} name */
  const slot = (name) => {
    const recall = h('button', {
      type: 'button', class: 'slot', 'data-scene': name, title: 'Press to recall; hold to store the current state',
      'aria-current': melos.values.get('scene') === name ? 'true' : undefined,
      ...pressHandlers(() => melos.set('scene', name), () => {
        melos.set('scene/store', name);
        showToast(`“${name}” stored`);
      }),
    }, name);
    const more = h('button', {
      type: 'button', class: 'more', 'aria-label': `Edit scene ${name}`, 'aria-expanded': String(edited === name),
      onclick: () => {
        edited = edited === name ? undefined : name;
        show();
      },
    }, '⋯');
    return h('div', { class: 'slot-box' }, recall, more, edited === name ? editor(name) : null);
  };
  /** @param {string} name */
  const editor = (name) => {
    const path = `/scenes/${encodeURIComponent(name)}`;
    const input = h('input', { type: 'text', value: name, maxlength: 60, 'aria-label': `New name of ${name}` });
    const rename = () => attempt(async () => {
      await http(path, { rename: input.value });
      edited = undefined;
    });
    input.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && rename());
    const remove = h('button', { type: 'button', onclick: () => confirmed(remove) && attempt(() => http(path, { delete: true })) }, 'Delete');
    return h('div', { class: 'editor' }, input, h('button', { type: 'button', onclick: rename }, 'Rename'),
      h('button', { type: 'button', onclick: () => melos.set('scene/store', name) }, 'Store'), remove);
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
  const crossfader = fader('scene/crossfade', { label: 'Crossfade', words: ['A', 'B'] });
  const show = () => {
    slots.replaceChildren(...names.map(slot));
    if (names.length === 0) slots.append(h('p', { class: 'hint' }, 'No scenes yet. Enter a name to store the current state.'));
    ends.forEach(({ fill }) => fill());
    const ready = ['scene/a', 'scene/b'].every((id) => names.includes(String(melos.values.get(id))));
    crossfader.querySelector('input').disabled = !ready;
  };
  const read = () => attempt(async () => {
    ({ scenes: names } = await http('/scenes'));
    show();
  });
  let seen = -1;
  melos.on('revisions', (...revisions) => revisions[1] !== seen && ((seen = revisions[1]), read()));
  melos.on('@open', (open) => open && read());
  for (const id of ['scene', 'scene/a', 'scene/b']) melos.on(id, show);
  return [
    h('div', { class: 'stored' }, slots, h('div', { class: 'row wrap' }, newName, h('button', { type: 'button', id: 'scene-store', onclick: store }, 'Store'),
      h('button', { type: 'button', id: 'scene-undo', title: melos.parameters.get('scene/undo')?.description, onclick: () => melos.put('scene/undo') }, 'Undo recall'))),
    h('div', { class: 'transitions' },
      fader('scene/morph', { label: 'Morph', digits: 1, unit: 's', curve: 3 }),
      fader('scene/morph/bars', { label: 'Morph (bars)', digits: 0, unit: 'bars', curve: 2 }),
      h('div', { class: 'row wrap' }, ...ends.map(({ element }) => element)),
      crossfader),
  ];
}
