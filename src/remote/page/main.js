// @ts-check
/** Builds the page from its panels. */

import { melos } from './connection.js';
import { byId, h } from './dom.js';
import { chordNow, harmony, touch } from './harmony.js';
import { healthFigures, healthLine, healthLog } from './health.js';
import { listen } from './listen.js';
import { installLearning, learnButton, midi } from './midi.js';
import { mixer, room } from './mixer.js';
import { mood } from './mood.js';
import { pictures } from './pictures.js';
import { piece } from './piece.js';
import { presetList } from './presets.js';
import { scenes } from './scenes.js';
import { session } from './session.js';
import { show } from './show.js';
import { banner, appearance, stageButton, theme, undoButton } from './stage.js';
import { takes } from './takes.js';
import { keys, transport } from './transport.js';

/** Views and their panels; the first view is the default. @type {[string, string, [string, string, () => any[]][]][]} */
const VIEWS = [
  ['play', 'Play', [
    ['mood', 'Mood', mood], ['harmony', 'Harmony and tempo', harmony], ['touch', 'Playing style', touch], ['presets', 'Presets', presetList], ['scenes', 'Scenes', scenes], ['show', 'Show', show],
  ]],
  ['mix', 'Mix', [['mixer', 'Mixer', mixer], ['room', 'Room', room]]],
  ['piece', 'Make a piece', [['maker', 'Make a piece', piece]]],
  ['takes', 'Takes', [['takes', 'Takes', takes]]],
  ['setup', 'Setup', [['health', 'Health', healthFigures], ['log', 'Log', healthLog], ['midi', 'MIDI', midi], ['session', 'Session', session], ['appearance', 'Page settings', appearance]]],
];

function views() {
  const tabs = VIEWS.map(([id, name]) => h('a', { href: `#/${id}`, id: `tab-${id}`, class: 'tab' }, name));
  byId('tabs').append(...tabs);
  for (const [id, name, panels] of VIEWS) {
    byId('views').append(h('div', { class: 'view', id: `view-${id}`, role: 'group', 'aria-label': name, hidden: true },
      ...panels.map(([panel, title, build]) => h('section', { class: 'panel', id: `panel-${panel}`, 'aria-labelledby': `title-${panel}` },
        h('h2', { id: `title-${panel}` }, title), ...build()))));
  }
  const select = () => {
    const selected = VIEWS.find(([id]) => `#/${id}` === location.hash)?.[0] ?? VIEWS[0][0];
    document.body.dataset.view = selected;
    VIEWS.forEach(([id], index) => {
      byId(`view-${id}`).hidden = id !== selected;
      if (id === selected) tabs[index].setAttribute('aria-current', 'page');
      else tabs[index].removeAttribute('aria-current');
    });
    scrollTo(0, 0);
  };
  addEventListener('hashchange', select);
  select();
}

/** Sets the heights of the bars fixed to the screen, which the layout keeps clear. They depend on the layout and on the size of the text. */
function measureBars() {
  const [header, tabs, transports] = ['header', '#tabs', '.transports'].map((selector) => /** @type {HTMLElement} */ (document.querySelector(selector)));
  const heightIf = (/** @type {HTMLElement} */ bar, /** @type {string} */ position) => (getComputedStyle(bar).position === position ? bar.offsetHeight : 0);
  const measure = () => {
    const heights = { header: heightIf(header, 'sticky'), tabs: heightIf(tabs, 'fixed'), transports: heightIf(transports, 'fixed') };
    for (const [bar, height] of Object.entries(heights)) document.documentElement.style.setProperty(`--${bar}`, `${height}px`);
  };
  const observer = new ResizeObserver(measure);
  for (const bar of [header, tabs, transports]) observer.observe(bar);
}

async function start() {
  theme();
  try {
    await melos.read();
  } catch {
    byId('banner').hidden = false;
    byId('banner-text').textContent = 'Melos is not responding; trying again.';
    setTimeout(() => location.reload(), 2000);
    return;
  }
  byId('line').append(healthLine());
  byId('bar').append(transport(), h('div', { class: 'tools' }, listen(), undoButton(), learnButton(), stageButton()));
  byId('chord').append(chordNow());
  pictures(byId('picture'));
  views();
  measureBars();
  keys();
  installLearning();
  byId('learning-end').addEventListener('click', () => byId('learn').click());
  banner();
  melos.connect();
  document.body.classList.add('ready');
}

start();
