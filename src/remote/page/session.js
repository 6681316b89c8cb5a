// @ts-check
/** Settings for the session: the fade of play, the depth of the preset's modulations, and the seed. */

import { melos } from './connection.js';
import { fader, h, showToast } from './dom.js';
import { SEEDS } from './piece.js';

export function session() {
  const seed = h('input', {
    type: 'number', id: 'seed', 'data-param': 'seed', required: true, min: 0, max: SEEDS - 1, step: 1, title: melos.parameters.get('seed')?.description,
    onchange: () => {
      if (seed.validity.valid) return melos.set('seed', seed.valueAsNumber);
      showToast(`The seed must be a whole number from 0 to ${SEEDS - 1}`, true);
      show();
    },
  });
  const show = () => (seed.value = String(melos.number('seed')));
  melos.on('seed', show);
  return [
    fader('play/fade', { label: 'Fade of Play', digits: 1, unit: 's', words: ['default', 'slow'], curve: 3 }),
    fader('modulation', { label: 'Modulation', words: ['off', 'full'] }),
    h('div', { class: 'field' }, h('label', { for: 'seed' }, 'Seed'), h('span', { class: 'row' }, seed)),
  ];
}
