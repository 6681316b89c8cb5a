// @ts-check
/** The mood: a button for each emotion, the pad for valence and arousal, and the glide. */

import { melos } from './connection.js';
import { EMOTIONS, WEIGHTS, capitalize, colour, fader, formatNumber, h, picture, pressHandlers, showToast } from './dom.js';

/** Number of past moods shown as a trail. */
const TRAIL = 90;

/** Returns the weights of the emotions, normalized to a sum of 1. @returns {Map<string, number>} */
export function shares() {
  const weights = EMOTIONS.map(([name]) => /** @type {[string, number]} */ ([name, melos.number(`emotion/${name}`)]));
  const sum = weights.reduce((sum, [, weight]) => sum + weight, 0) || 1;
  return new Map(weights.map(([name, weight]) => [name, weight / sum]));
}

/**
 * Converts weights to whole percentages that sum to 100, by rounding up those with the largest remainders.
 * @param {Iterable<[string, number]>} weights @returns {Map<string, number>}
 */
export function percentages(weights) {
  const entries = [...weights];
  const sum = entries.reduce((sum, [, weight]) => sum + weight, 0);
  if (sum <= 0) return new Map(entries);
  const exact = entries.map(([name, weight]) => /** @type {[string, number]} */ ([name, (100 * weight) / sum]));
  const rounded = new Map(exact.map(([name, share]) => [name, Math.floor(share)]));
  const missing = 100 - [...rounded.values()].reduce((sum, share) => sum + share, 0);
  exact.sort((a, b) => (b[1] % 1) - (a[1] % 1));
  for (const [name, share] of exact.slice(0, missing)) rounded.set(name, Math.floor(share) + 1);
  return rounded;
}

/** Adds an emotion to the blend or removes it. @param {string} name */
function blend(name) {
  const now = shares();
  const others = [...now].filter(([other, share]) => other !== name && share > 0.01);
  const included = (now.get(name) ?? 0) > 0.01;
  if (included && others.length === 0) return showToast(`${capitalize(name)} is the only emotion in the blend`);
  melos.remember(`emotion/${name}`);
  const rest = included ? 1 : 1 - 1 / (others.length + 1);
  const sum = others.reduce((sum, [, share]) => sum + share, 0) || 1;
  for (const [other] of EMOTIONS) {
    const share = others.find(([name]) => name === other)?.[1] ?? 0;
    const weight = other === name ? (included ? 0 : 1 / (others.length + 1)) : (share / sum) * rest;
    melos.put(`emotion/${other}`, Number(weight.toFixed(4)));
  }
}

/** @param {string} name @param {number} number */
function button(name, number) {
  const share = h('span', { class: 'share', 'aria-hidden': 'true' });
  const element = h('button', {
    type: 'button', class: 'emotion', 'data-emotion': name, 'data-param': `emotion/${name}`, 'aria-pressed': 'false',
    title: `${capitalize(name)} only (key ${number}). Shift-click or long-press to add it to the blend or remove it.`,
    ...pressHandlers((event) => (event.shiftKey ? blend(name) : melos.set('emotion', name)), () => blend(name)),
  }, h('span', { class: 'name' }, capitalize(name)), share);
  const show = (/** @type {number} */ weight, /** @type {number} */ percentage) => {
    element.style.setProperty('--share', String(weight));
    element.setAttribute('aria-pressed', String(weight > 0.01));
    share.textContent = percentage ? `${percentage}%` : '';
    element.setAttribute('aria-label', percentage ? `${capitalize(name)}, ${percentage} percent` : capitalize(name));
  };
  return { name, element, show };
}

function pad() {
  /** @type {[number, number][]} */
  const trail = [];
  const canvas = h('canvas', {});
  const element = h('div', {
    class: 'mood-pad', id: 'pad', role: 'slider', tabindex: 0, 'aria-label': 'Mood: valence from left to right, arousal from bottom to top',
    'aria-valuemin': -1, 'aria-valuemax': 1, 'aria-valuenow': 0, 'data-param': 'valence',
  }, canvas);
  const margin = 22;
  const redraw = picture(canvas, (context, width, height) => {
    const x = (/** @type {number} */ valence) => margin + ((valence + 1) / 2) * (width - 2 * margin);
    const y = (/** @type {number} */ arousal) => height - margin - ((arousal + 1) / 2) * (height - 2 * margin);
    context.clearRect(0, 0, width, height);
    for (const [name, valence, arousal] of EMOTIONS) {
      const glow = context.createRadialGradient(x(valence), y(arousal), 0, x(valence), y(arousal), width * 0.3);
      glow.addColorStop(0, `${colour(name)}55`);
      glow.addColorStop(1, `${colour(name)}00`);
      context.fillStyle = glow;
      context.fillRect(0, 0, width, height);
    }
    context.strokeStyle = colour('line');
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x(0), margin / 2);
    context.lineTo(x(0), height - margin / 2);
    context.moveTo(margin / 2, y(0));
    context.lineTo(width - margin / 2, y(0));
    context.stroke();
    context.textAlign = 'center';
    context.font = `${Math.max(13, width / 26)}px ${colour('font')}`;
    context.fillStyle = colour('text');
    for (const [name, valence, arousal] of EMOTIONS) context.fillText(capitalize(name), x(valence), y(arousal) + 4);
    context.font = `12px ${colour('font')}`;
    context.fillStyle = colour('faint');
    context.textAlign = 'right';
    context.fillText('pleasant →', width - 8, y(0) - 6);
    context.textAlign = 'left';
    context.fillText('↑ excited', x(0) + 6, 14);
    trail.forEach(([valence, arousal], index) => {
      context.globalAlpha = (index / trail.length) * 0.7;
      context.fillStyle = colour('accent');
      context.beginPath();
      context.arc(x(valence), y(arousal), 1.5 + (2.5 * index) / trail.length, 0, 7);
      context.fill();
    });
    context.globalAlpha = 1;
    const current = trail.at(-1);
    if (current) {
      context.fillStyle = colour('accent');
      context.beginPath();
      context.arc(x(current[0]), y(current[1]), 7, 0, 7);
      context.fill();
    }
    context.strokeStyle = colour('text');
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(x(melos.number('valence')), y(melos.number('arousal')), 13, 0, 7);
    context.stroke();
  });
  /** @param {number} valence @param {number} arousal */
  const move = (valence, arousal) => {
    const clamp = (/** @type {number} */ value) => Number(Math.min(1, Math.max(-1, value)).toFixed(3));
    melos.remember('valence');
    melos.put('valence', clamp(valence));
    melos.put('arousal', clamp(arousal));
  };
  /** @param {PointerEvent} event */
  const point = (event) => {
    const box = element.getBoundingClientRect();
    const valence = ((event.clientX - box.left - margin) / (box.width - 2 * margin)) * 2 - 1;
    const arousal = 1 - ((event.clientY - box.top - margin) / (box.height - 2 * margin)) * 2;
    move(valence, arousal);
  };
  element.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
    if (event.defaultPrevented) return;
    element.setPointerCapture(event.pointerId);
    point(event);
  });
  element.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    if (element.hasPointerCapture(event.pointerId)) point(event);
  });
  element.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const step = event.shiftKey ? 0.2 : 0.05;
    const directions = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    const direction = directions[/** @type {keyof typeof directions} */ (event.key)];
    if (!direction) return;
    event.preventDefault();
    move(melos.number('valence') + direction[0], melos.number('arousal') + direction[1]);
  });
  const show = () => {
    const [valence, arousal] = [melos.number('valence'), melos.number('arousal')];
    element.setAttribute('aria-valuenow', valence.toFixed(2));
    element.setAttribute('aria-valuetext', `valence ${formatNumber(valence, 2)}, arousal ${formatNumber(arousal, 2)}`);
    redraw();
  };
  melos.on('valence', show);
  melos.on('arousal', show);
  melos.on('mood', (...args) => {
    trail.push([args[8], args[9]]);
    if (trail.length > TRAIL) trail.shift();
    redraw();
  });
  // MIDI learn needs a target for each axis, but the pad as a whole can stand for only one, valence.
  const axes = ['valence', 'arousal'].map((id) => h('button', { type: 'button', class: `axis ${id}`, 'data-param': id }, capitalize(id)));
  return h('div', { class: 'pad-box' }, element, ...axes);
}

export function mood() {
  const buttons = EMOTIONS.map(([name], index) => button(name, index + 1));
  const playing = h('p', { class: 'hint', id: 'now-playing' });
  const show = () => {
    const now = shares();
    const rounded = percentages(now);
    for (const { name, show } of buttons) show(now.get(name) ?? 0, rounded.get(name) ?? 0);
  };
  for (const name of WEIGHTS) melos.on(`emotion/${name}`, show);
  melos.on('mood', (...weights) => {
    const rounded = percentages(EMOTIONS.map(([name]) => [name, weights[WEIGHTS.indexOf(name)]]));
    const strongest = [...rounded].filter(([, share]) => share >= 15).sort((a, b) => b[1] - a[1]).slice(0, 3);
    const text = `Now playing: ${strongest.map(([name, share]) => `${name} ${share}%`).join(', ')}`;
    if (playing.textContent !== text) playing.textContent = text;
  });
  return [
    h('div', { class: 'emotions', role: 'group', 'aria-label': 'Emotions' }, ...buttons.map(({ element }) => element)),
    pad(),
    fader('glide', { label: 'Glide', digits: 1, unit: 's', curve: 3 }),
    playing,
  ];
}
