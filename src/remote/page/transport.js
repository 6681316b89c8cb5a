// @ts-check
/** The play, hold, record and panic buttons, and the keyboard shortcuts. */

import { http, melos } from './connection.js';
import { EMOTIONS, byId, clock, h, refresh, showToast } from './dom.js';

/**
 * Creates a toggle button that shows the daemon's value, and whether a change awaits confirmation.
 * @param {string} id @param {string} name the element's id @param {string} label @param {string} key @param {(on: boolean) => string} [format]
 */
function confirmedToggle(id, name, label, key, format) {
  let requests = 0;
  const mark = () => button.classList.toggle('waiting', requests > 0 || melos.pending.has(id));
  const button = h('button', {
    type: 'button', id: name, class: 'transport', 'data-param': id, 'aria-pressed': 'false', 'aria-keyshortcuts': key,
    title: `${melos.parameters.get(id)?.description} (key: ${key})`,
    onclick: async () => {
      requests += 1;
      mark();
      await melos.request(id, melos.values.get(id) !== true);
      requests -= 1;
      mark();
    },
  });
  const text = h('span', {}, label);
  button.append(text);
  melos.on(id, (on) => {
    button.setAttribute('aria-pressed', String(on === true));
    if (format) text.textContent = format(on === true);
  });
  melos.on('@pending', mark);
  return button;
}

export function transport() {
  const play = confirmedToggle('play', 'play', 'Play', 'Space', (on) => (on ? '❚❚ Pause' : '▶ Play'));
  play.setAttribute('aria-label', 'Play');
  const hold = confirmedToggle('hold', 'hold', 'Hold', 'H');
  const record = confirmedToggle('record', 'record', '● Record', 'R');
  const panic = h('button', {
    type: 'button', id: 'panic', class: 'transport danger', 'data-param': 'panic', 'aria-keyshortcuts': 'Escape',
    title: `${melos.parameters.get('panic')?.description} (key: Esc)`,
    onclick: () => melos.put('panic'),
  }, 'Panic');
  melos.on('@confirmed', (id) => id === 'panic' && showToast('Panic: all sound cut'));
  showRecordingTime(record);
  return h('div', { class: 'transports', role: 'group', 'aria-label': 'Transport' }, play, hold, record, panic);
}

/** Shows the length of the take on the record button. @param {any} button */
function showRecordingTime(button) {
  let [since, timer] = [0, 0];
  const text = button.firstChild;
  const show = () => (text.textContent = `■ ${clock((performance.now() - since) / 1000)}`);
  const start = () => refresh(async () => {
    // The take may have started before this page was opened, or include a pre-roll.
    const { recording } = await http('/takes');
    since = performance.now() - recording.seconds * 1000;
    if (recording.trouble) showToast(`Not recording: ${recording.trouble}`, true);
    clearInterval(timer);
    show();
    timer = window.setInterval(show, 500);
  });
  melos.on('record', (on) => {
    button.classList.toggle('recording', on === true);
    clearInterval(timer);
    if (on === true) {
      since = performance.now();
      setTimeout(start, 150);
    } else text.textContent = '● Record';
  });
}

const STORAGE_KEY = 'melos.keys';

export const keysEnabled = () => localStorage.getItem(STORAGE_KEY) !== 'off';
/** @param {boolean} on */
export const setKeysEnabled = (on) => localStorage.setItem(STORAGE_KEY, on ? 'on' : 'off');

/** Installs the keyboard shortcuts, which are active unless a text field or menu has the focus. */
export function keys() {
  addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const isTyping = target.closest('textarea, select, dialog, input:not([type=range]):not([type=checkbox])');
    if ((event.ctrlKey || event.metaKey) && event.key === 'z' && !isTyping) {
      event.preventDefault();
      byId('undo').click();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !keysEnabled()) return;
    if (isTyping) return;
    if (event.key === ' ' && target.closest('button, input[type=checkbox], summary, a')) return;
    const number = Number(event.key);
    if (number >= 1 && number <= EMOTIONS.length) melos.set('emotion', EMOTIONS[number - 1][0]);
    else if (event.key === ' ') byId('play').click();
    else if (event.key === 'Escape') byId('panic').click();
    else if (event.key.toLowerCase() === 'h') byId('hold').click();
    else if (event.key.toLowerCase() === 'r') byId('record').click();
    else return;
    event.preventDefault();
  });
  // A clicked control loses the focus, so that Space still plays and pauses.
  addEventListener('pointerup', (event) => {
    const clicked = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest?.('button, summary, a'));
    if (clicked) setTimeout(() => document.activeElement === clicked && clicked.blur(), 0);
  });
}
