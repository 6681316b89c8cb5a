// @ts-check
/** MIDI: connected devices and learned controls; to learn a control, select a parameter on the page, then move the control on the device. */

import { http, melos } from './connection.js';
import { byId, h, refresh, showToast } from './dom.js';

/** @typedef {{ device: string, parameters: string[], block: string }} Learned */

/** Everything on the page that acts when it is pressed. */
const CONTROLS = 'button, a, input, select, textarea, summary, [role=slider], [data-param]';
/** Controls that keep their functions while a parameter is being selected. */
const ALWAYS_ACTIVE = '#learn, #learning-end, .tab';

let selecting = false;
/** The selected parameter, while Melos waits for a control to be moved. @type {string | undefined} */
let awaited;

/** @param {boolean} on */
function setSelecting(on) {
  selecting = on;
  awaited = undefined;
  document.body.classList.toggle('selecting', on);
  byId('learn').setAttribute('aria-pressed', String(on));
  byId('learning').hidden = !on;
  byId('learning-text').textContent = on ? 'Select a parameter on this page' : '';
}

/** Creates the button in the header that starts learning. */
export function learnButton() {
  return h('button', {
    type: 'button', id: 'learn', 'aria-pressed': 'false', title: 'Binds a MIDI control: select a parameter here, then move the control on the device',
    onclick: () => {
      if (selecting) melos.send('learn/cancel', '', []);
      setSelecting(!selecting);
    },
  }, 'Learn MIDI');
}

/** Makes the page intercept events while a parameter is being selected, so that no control has any other effect. */
export function installLearning() {
  const intercept = (/** @type {Event} */ event) => {
    if (!selecting) return;
    const target = /** @type {HTMLElement} */ (event.target).closest?.(CONTROLS);
    if (!(target instanceof HTMLElement) || target.matches(ALWAYS_ACTIVE)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // A touch would move a fader unless its default action is prevented, but preventing it also suppresses the click; so a tap is
    // recognized by its `pointerup` event.
    const isTap = event.type === 'pointerup' && /** @type {PointerEvent} */ (event).pointerType === 'touch';
    const id = target.dataset.param;
    if ((!isTap && event.type !== 'click' && event.type !== 'keydown') || (id && id === awaited)) return;
    if (!id) return showToast('This control cannot be learned; choose another');
    awaited = id;
    melos.sendText('learn', id);
    byId('learning-text').textContent = `Now move a knob or fader, or press a button, for “${id}” (within 30 seconds)`;
  };
  for (const type of ['pointerdown', 'pointerup', 'mousedown', 'click', 'input', 'change']) addEventListener(type, intercept, true);
  // Elsewhere, a touch may scroll the page.
  addEventListener('touchstart', (event) => /** @type {HTMLElement} */ (event.target).matches('input[type=range]') && intercept(event), { capture: true, passive: false });
  addEventListener('keydown', (event) => {
    if (!selecting) return;
    if (event.key === 'Escape') {
      event.stopImmediatePropagation();
      melos.send('learn/cancel', '', []);
      setSelecting(false);
    } else if (event.key === 'Enter' || event.key === ' ') intercept(event);
    // Shortcuts must not act, nor arrow keys move a control; without a control, arrow keys still scroll.
    if (event.key === 'Tab' || document.activeElement?.matches(ALWAYS_ACTIVE)) return;
    event.stopImmediatePropagation();
    const isBrowsers = event.ctrlKey || event.metaKey || event.altKey || /^F\d/.test(event.key);
    if (!isBrowsers && document.activeElement?.matches(CONTROLS)) event.preventDefault();
  }, true);
  melos.on('learn', (id, block) => {
    // Selecting another parameter ends learning for the previous one.
    if (!selecting || id !== awaited) return;
    setSelecting(false);
    showToast(block ? `“${id}” is now controlled by ${describe(block)}` : `Nothing was learned for “${id}”`);
  });
}

/** Describes a `[[bind]]` block of a mapping file. @param {string} block */
function describe(block) {
  const valueOf = (/** @type {string} */ key) => new RegExp(`^${key} = "?([^"\\n]*)"?$`, 'm').exec(block)?.[1];
  const names = { cc: 'CC', cc14: '14-bit CC', nrpn: 'NRPN', rpn: 'RPN', note: 'note', program: 'program' };
  const match = Object.entries(names).find(([key]) => valueOf(key));
  const control = match ? `${match[1]} ${valueOf(match[0])}` : (/^(\w+) = true$/m.exec(block)?.[1] ?? 'a control').replaceAll('_', ' ');
  return valueOf('channel') ? `${control}, channel ${valueOf('channel')}` : control;
}

export function midi() {
  const devices = h('ul', { class: 'plain', id: 'midi-devices' });
  const bound = h('ul', { class: 'plain', id: 'midi-bound' });
  const read = () => refresh(async () => {
    const { devices: connected, learned } = /** @type {{ devices: { name: string, mappings: string[] }[], learned: Learned[] }} */ (await http('/midi'));
    devices.replaceChildren(...connected.map(({ name, mappings }) => h('li', {}, h('strong', {}, name),
      h('span', { class: 'hint' }, ` ${mappings.length ? `mapping: ${mappings.join(', ')}` : 'no mapping of its own; use Learn MIDI'}`))));
    if (connected.length === 0) devices.append(h('li', { class: 'empty' }, 'No MIDI device is connected.'));
    bound.replaceChildren(...learned.map(({ device, parameters, block }) => h('li', { class: 'row' },
      h('span', {}, h('strong', {}, parameters.join(', ')), h('span', { class: 'hint' }, ` ${describe(block)} on ${device}`)),
      ...parameters.map((id) => h('button', { type: 'button', 'aria-label': `Forget the learned controls of ${id}`, onclick: () => melos.sendText('learn/forget', id) }, 'Forget')))));
    const names = [...new Set(learned.map(({ device }) => device))];
    bound.append(...names.map((device) => h('li', {}, h('a', {
      class: 'button', href: `/midi/mapping?device=${encodeURIComponent(device)}`, download: 'learned.toml',
    }, `Save the controls learned on ${device} as a mapping file`))));
    if (learned.length === 0) bound.append(h('li', { class: 'empty' }, 'No controls learned yet.'));
  });
  let seen = -1;
  melos.on('revisions', (...revisions) => revisions[2] !== seen && ((seen = revisions[2]), read()));
  melos.on('@open', (open) => open && read());
  return [h('h3', {}, 'Devices'), devices, h('h3', {}, 'Learned controls'), bound];
}
