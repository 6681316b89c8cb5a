// @ts-check
/** Full screen with a wake lock, undo, colour themes, and the banner shown while disconnected. */

import { melos } from './connection.js';
import { byId, capitalize, h, showToast } from './dom.js';
import { keysEnabled, setKeysEnabled } from './transport.js';

const STORAGE_KEY = 'melos.theme';
const THEMES = [['auto', 'System'], ['dark', 'Dark'], ['light', 'Light'], ['contrast', 'High contrast']];

/** @param {string} theme */
function applyTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(STORAGE_KEY, theme);
  requestAnimationFrame(() => dispatchEvent(new Event('themechange')));
}

export function theme() {
  document.documentElement.dataset.theme = localStorage.getItem(STORAGE_KEY) ?? 'auto';
  matchMedia('(prefers-color-scheme: light)').addEventListener('change', () => dispatchEvent(new Event('themechange')));
}

/** @type {{ release: () => Promise<void> } | undefined} */
let wakeLock;

async function stayAwake() {
  try {
    wakeLock = await /** @type {any} */ (navigator).wakeLock.request('screen');
  } catch {
    wakeLock = undefined;
    const reason = isSecureContext ? 'This browser cannot keep' : 'Without HTTPS, the browser cannot keep';
    showToast(`${reason} the screen on; turn off this device's screen timeout`);
  }
}

export function stageButton() {
  const button = h('button', {
    type: 'button', id: 'stage', 'aria-pressed': 'false', title: 'Shows the page in full screen and keeps the screen on',
    onclick: async () => {
      try {
        if (document.fullscreenElement) await document.exitFullscreen();
        else await document.documentElement.requestFullscreen();
      } catch {
        showToast('This browser cannot show the page in full screen');
      }
    },
  }, 'Stage');
  addEventListener('fullscreenchange', () => {
    const on = Boolean(document.fullscreenElement);
    button.setAttribute('aria-pressed', String(on));
    if (on) stayAwake();
    else wakeLock?.release();
  }, true);
  // A wake lock ends when the page is hidden, so it is requested again.
  document.addEventListener('visibilitychange', () => document.fullscreenElement && !document.hidden && stayAwake());
  return button;
}

/** What Undo calls changes made by several controls together, by the first part of the parameter's id. @type {Record<string, string>} */
const SHARED_LABELS = { emotion: 'Mood', valence: 'Mood', arousal: 'Mood', preset: 'Preset', setlist: 'Setlist', timer: 'Timer' };

/** Returns the visible label of a parameter's control. @param {string} id */
function labelOf(id) {
  const control = document.querySelector(`[data-param="${id}"]`) ?? byId(id.replaceAll('/', '-'));
  const label = control?.labels?.[0]?.textContent ?? control?.getAttribute('aria-label') ?? control?.textContent;
  return SHARED_LABELS[id.split('/')[0]] ?? label ?? capitalize(id);
}

export function undoButton() {
  const button = h('button', {
    type: 'button', id: 'undo', disabled: true, title: 'Undoes the last change (Ctrl+Z)', 'aria-keyshortcuts': 'Control+Z',
    onclick: () => {
      const id = melos.undo();
      if (id) showToast(`${labelOf(id)} restored`);
    },
  }, 'Undo');
  melos.on('@undo', (count) => (button.disabled = count === 0));
  return button;
}

export function appearance() {
  const select = h('select', { id: 'theme', onchange: () => applyTheme(select.value) }, ...THEMES.map(([value, label]) => h('option', { value }, label)));
  select.value = document.documentElement.dataset.theme;
  const keys = h('input', { type: 'checkbox', id: 'single-keys', onchange: () => setKeysEnabled(keys.checked) });
  keys.checked = keysEnabled();
  return [
    h('div', { class: 'field' }, h('label', { for: 'theme' }, 'Colours'), select),
    h('label', { class: 'field check' }, keys, 'Keyboard shortcuts'),
    h('p', { class: 'hint' }, 'Space plays and pauses, H toggles hold, Esc triggers panic, R starts and stops recording, 1 to 8 select emotions, and Ctrl+Z undoes the last change. In full screen, the first Esc only leaves full screen.'),
  ];
}

/** Shows a banner while disconnected, with the number of pending changes. */
export function banner() {
  const [bar, text] = [byId('banner'), byId('banner-text')];
  let [since, timer, pending] = [0, 0, 0];
  const show = () => {
    const seconds = Math.round((performance.now() - since) / 1000);
    const notice = pending === 1 ? ' One change is pending' : pending ? ` ${pending} changes are pending` : '';
    const message = `Connection lost ${seconds} s ago; trying again.${notice}${notice ? ' and will be sent.' : ''}`;
    if (text.textContent !== message) text.textContent = message;
  };
  melos.on('@refused', (id) => showToast(`Not connected: ${id.replaceAll('/', ' ')} was not carried out`, true));
  melos.on('@pending', (count) => {
    pending = count;
    if (!melos.open && since) show();
  });
  melos.on('@open', (open) => {
    clearInterval(timer);
    document.body.classList.toggle('offline', !open);
    bar.hidden = open;
    if (open) return since && showToast('Reconnected');
    since = performance.now();
    byId('announcer').textContent = 'Connection lost';
    show();
    timer = window.setInterval(show, 1000);
  });
}
