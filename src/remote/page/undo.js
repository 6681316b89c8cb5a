// @ts-check
/**
 * Undo: what to send to revert a change.
 *
 * @typedef {import('./osc.js').Argument} Argument
 * @typedef {import('./connection.js').Parameter} Parameter
 * @typedef {{ id: string, at: number, ids: string[], before: Map<string, Argument>, journey: boolean }} Change
 *   a change of the parameter `id` at a time in milliseconds: the parameters that changed with it, all values before it, and
 *   whether a journey was in progress
 */

/** Parameters of the crossfader, which also change other parameters. */
const CROSSFADE = ['scene/a', 'scene/b', 'scene/crossfade'];

/**
 * Returns the parameters to restore after a change and the values to restore them to, in the order of sending.
 * @param {Change} change @param {Map<string, Parameter>} parameters @param {Map<string, Argument>} now the current values
 * @returns {[string, Argument][]}
 */
export function reversal({ id, ids, before, journey }, parameters, now) {
  const all = [...parameters.keys()];
  const tagged = (/** @type {string} */ tag) => all.filter((other) => parameters.get(other)?.tags.includes(tag));
  const mood = all.filter((other) => other.startsWith('emotion/'));
  const isMood = id === 'emotion' || id === 'valence' || id === 'arousal' || mood.includes(id);
  const isSetlist = id.startsWith('setlist/');
  const loads = isSetlist || id.startsWith('preset');
  // An entry of a setlist is a preset or a scene.
  const recalls = (isSetlist && before.get('scene') !== now.get('scene')) || id === 'scene' || CROSSFADE.includes(id);

  // Loading a preset resets these, so they are sent even if they look unchanged. The mood comes first: setting it ends a journey,
  // which changes the glide.
  const reset = loads ? [...mood, ...tagged('preset'), 'tempo'] : [];
  let restored = ids;
  // Setting the mood also ends a journey, and with it the glide of its step.
  if (isMood) restored = journey ? [...mood, 'glide'] : mood;
  else if (id === 'tempo') restored = ['tempo', 'tempo/source'];
  // Only what a preset or scene changes is restored, because others may have changed the rest since. The crossfader comes before
  // the parameters that it changes.
  else if (loads || recalls) restored = [...(recalls ? CROSSFADE : []), ...reset, ...(recalls ? tagged('scene') : [])];

  // The weights of the emotions determine these. A lead chord lasts as long as it is held, so there is nothing to return to.
  const skipped = new Set(['emotion', 'valence', 'arousal', 'chord']);
  if (before.get('tempo/source') !== 'pinned') skipped.add('tempo');
  // A reloaded journey sets these itself.
  if (loads && journey) [...mood, 'glide'].forEach((other) => skipped.add(other));

  /** @type {Map<string, Argument>} */
  const values = new Map();
  // The setlist's entry and the preset come first, because loading them resets most parameters.
  if (isSetlist) values.set('setlist/go', before.get('setlist/go') ?? 0);
  if (loads) values.set('preset', before.get('preset') ?? '');
  // The daemon may not yet have reported that a new tempo has changed the tempo's source.
  const always = new Set([...reset, 'tempo/source']);
  for (const other of restored) {
    const value = before.get(other);
    if (value !== undefined && !skipped.has(other) && (always.has(other) || value !== now.get(other))) values.set(other, value);
  }
  return [...values];
}
