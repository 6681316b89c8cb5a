// @ts-check
/** Elements and helpers shared by the panels. */

import { Unreachable, melos } from './connection.js';

/** Minimum duration of a long press, in milliseconds. */
const LONG_PRESS = 500;

/**
 * Creates an element with children and properties: `class`, listeners (`on…`) and any other attributes.
 * @param {string} tag @param {Record<string, any>} [properties] @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) => /** @type {Node} */ (child)));
  return element;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** Capitalizes the first letter. @param {string} text */
export const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Formats a time as `m:ss`. @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** Formats a duration in its two largest units, such as `2 h 5 min`. @param {number} seconds */
export function duration(seconds) {
  const [days, hours, minutes, rest] = [86_400, 3600, 60, 1].map((unit, index, units) => Math.floor((index ? seconds % units[index - 1] : seconds) / unit));
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

/** Formats a date and time. @param {number} unix seconds since 1970 */
export const date = (unix) => new Date(unix * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** Formats a file size. @param {number} bytes */
export const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/**
 * Creates handlers for short and long presses of a button. Event timestamps tell the two apart even while the page is slow.
 * @param {(event: MouseEvent) => void} short @param {() => void} long
 */
export function pressHandlers(short, long) {
  let [started, timer, done] = [0, 0, false];
  const start = (/** @type {PointerEvent} */ event) => {
    if (event.defaultPrevented) return;
    [started, done] = [event.timeStamp, false];
    timer = window.setTimeout(() => {
      done = true;
      long();
    }, LONG_PRESS);
  };
  const end = () => clearTimeout(timer);
  return {
    onpointerdown: start, onpointerup: end, onpointerleave: end,
    oncontextmenu: (/** @type {Event} */ event) => event.preventDefault(),
    onclick: (/** @type {MouseEvent} */ event) => {
      end();
      if (done) done = false;
      else if (event.detail > 0 && event.timeStamp - started >= LONG_PRESS) long();
      else short(event);
    },
  };
}

/** Formats a number with a typographic minus sign. @param {number} value @param {number} digits */
export const formatNumber = (value, digits) => value.toFixed(digits).replace(/^-0(\.0*)?$/, '0$1').replace('-', '−');

/** Shows a brief message and announces it to screen readers. @param {string} text @param {boolean} [isError] */
export function showToast(text, isError = false) {
  const toast = byId('toast');
  toast.textContent = text;
  toast.classList.toggle('error', isError);
  toast.classList.add('shown');
  clearTimeout(Number(toast.dataset.timer));
  toast.dataset.timer = String(setTimeout(() => toast.classList.remove('shown'), isError ? 8000 : 4000));
}

/** Runs a task and reports any error. @param {() => Promise<unknown>} task */
export async function attempt(task) {
  try {
    await task();
  } catch (error) {
    showToast(error instanceof Error ? error.message : String(error), true);
  }
}

/**
 * Runs a task that the user has not asked for, such as reading a list again. Reports any error except that the daemon
 * cannot be reached, which the banner already reports.
 * @param {() => Promise<unknown>} task
 */
export const refresh = (task) => attempt(() => task().catch((error) => {
  if (!(error instanceof Unreachable)) throw error;
}));

/**
 * Replaces the children of a list. The focus stays on the same control, or moves to the one with the same name.
 * @param {any} list @param {...Node} children
 */
export function refill(list, ...children) {
  const nameOf = (/** @type {any} */ control) => `${control.tagName} ${control.getAttribute('aria-label') ?? control.textContent}`;
  const focused = list.contains(document.activeElement) ? document.activeElement : undefined;
  list.replaceChildren(...children);
  if (!focused) return;
  const controls = [...list.querySelectorAll('button, input, a, [tabindex]')];
  const target = controls.find((control) => control === focused) ?? controls.find((control) => nameOf(control) === nameOf(focused));
  target?.focus({ preventScroll: true });
}

/**
 * Checks a name that the user has entered for a take or scene, and reports anything wrong with it. The daemon would refuse the name
 * too, but not in the user's words.
 * @param {string} name @param {string} kind such as `take` @param {string[]} taken the names in use @param {RegExp} unusable
 */
export function checkName(name, kind, taken, unusable) {
  let fault = '';
  if (!name) fault = `Enter a name for the ${kind}`;
  else if (unusable.test(name)) fault = `A ${kind} cannot be called “${name}”`;
  else if (taken.includes(name)) fault = `There is already a ${kind} called “${name}”`;
  if (fault) showToast(fault, true);
  return !fault;
}

/** Distance in pixels that a touch must cover along a fader before it moves the fader. */
const TOUCH_THRESHOLD = 8;

/**
 * Lets the user scroll the page with a finger on a fader without moving the fader: a touch takes effect only once it moves
 * along the fader or ends as a tap. Returns the handler for `input` events.
 * @param {any} input @param {boolean} upright @param {() => void} act @param {() => void} restore
 */
function ignoreScrolling(input, upright, act, restore) {
  let [from, undecided, due] = [0, false, false];
  const coordinate = (/** @type {PointerEvent} */ event) => (upright ? event.clientY : event.clientX);
  const decide = () => {
    if (undecided && due) act();
    undecided = due = false;
  };
  input.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => ([from, undecided, due] = [coordinate(event), event.pointerType === 'touch', false]));
  input.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => Math.abs(coordinate(event) - from) > TOUCH_THRESHOLD && decide());
  input.addEventListener('pointerup', decide);
  input.addEventListener('pointercancel', () => {
    if (undecided) restore();
    undecided = due = false;
  });
  return () => (undecided ? (due = true) : act());
}

/**
 * Creates a fader that shows and sets a numeric parameter.
 * @param {string} id
 * @param {{ label: string, digits?: number, unit?: string, words?: [string, string], upright?: boolean, curve?: number }} options
 *   `digits` are decimal places; `words` label the ends; a `curve` above 1 gives small values more travel
 */
export function fader(id, { label, digits = 2, unit = '', words, upright = false, curve = 1 }) {
  const spec = melos.parameters.get(id);
  if (!spec) return h('span', { hidden: true });
  const { min, max, description } = spec;
  const toValue = (/** @type {number} */ position) => min + (max - min) * position ** curve;
  const toPosition = (/** @type {number} */ value) => ((value - min) / (max - min)) ** (1 / curve);
  const output = h('output', {});
  const name = `f-${id.replaceAll('/', '-')}`;
  const input = h('input', {
    type: 'range', min: 0, max: 1, step: 0.005, id: name, title: description, 'data-param': id,
  });
  const show = (/** @type {any} */ value) => {
    if (typeof value !== 'number') return;
    input.value = String(toPosition(value));
    input.style.setProperty('--position', String(toPosition(value)));
    output.textContent = `${formatNumber(value, digits)}${unit ? ` ${unit}` : ''}`;
    input.setAttribute('aria-valuetext', output.textContent);
  };
  melos.on(id, show);
  const act = () => melos.set(id, Number(toValue(input.valueAsNumber).toFixed(4)));
  input.addEventListener('input', ignoreScrolling(input, upright, act, () => show(melos.values.get(id))));
  const ends = words && h('span', { class: 'ends', 'aria-hidden': 'true' }, h('span', {}, words[0]), h('span', {}, words[1]));
  return h('div', { class: upright ? 'fader upright' : 'fader' }, h('label', { for: name }, label), input, output, ends);
}

/**
 * Creates a menu for a parameter that is a choice.
 * @param {string} id @param {string} label @param {(name: string) => string} [format] formats a name
 */
export function menu(id, label, format = capitalize) {
  const spec = melos.parameters.get(id);
  const select = h('select', {
    id: `m-${id.replaceAll('/', '-')}`, 'data-param': id, title: spec?.description,
    onchange: () => melos.set(id, select.value),
  });
  select.append(...(spec?.names ?? []).map((name) => h('option', { value: name }, format(name))));
  melos.on(id, (value) => (select.value = String(value)));
  return h('div', { class: 'field' }, h('label', { for: select.id }, label), select);
}

/**
 * Creates a button that toggles a parameter and shows its state.
 * @param {string} id @param {string} label @param {Record<string, any>} [more] further properties
 */
export function toggle(id, label, more = {}) {
  const button = h('button', {
    type: 'button', 'aria-pressed': 'false', 'data-param': id, title: melos.parameters.get(id)?.description, ...more,
    onclick: () => melos.set(id, melos.values.get(id) !== true),
  }, label);
  melos.on(id, (on) => button.setAttribute('aria-pressed', String(on === true)));
  return button;
}

/**
 * Keeps a canvas at the resolution of the screen; `draw` works in CSS pixels.
 * @param {any} canvas
 * @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} draw
 * @returns {() => void} a function that requests a redraw
 */
export function picture(canvas, draw) {
  const context = canvas.getContext('2d');
  let requested = false;
  const paint = () => {
    requested = false;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    const scale = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    draw(context, width, height);
  };
  const redraw = () => {
    if (requested || document.hidden) return;
    requested = true;
    requestAnimationFrame(paint);
  };
  new ResizeObserver(redraw).observe(canvas);
  addEventListener('themechange', redraw);
  return redraw;
}

/** Returns a colour of the theme. @param {string} name */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The eight emotions in the order of their buttons, each with its valence and arousal. @type {[string, number, number][]} */
export const EMOTIONS = [
  ['happy', 0.7, 0.5], ['energetic', 0.4, 0.9], ['angry', -0.7, 0.8], ['mysterious', -0.3, 0.1],
  ['romantic', 0.6, -0.1], ['calm', 0.4, -0.7], ['nostalgic', -0.1, -0.4], ['sad', -0.7, -0.5],
];
/** The emotions in the order of the daemon's weights. */
export const WEIGHTS = ['happy', 'sad', 'energetic', 'calm', 'romantic', 'angry', 'nostalgic', 'mysterious'];
