// @ts-check
/** Listening in the browser: schedules the endless WAV slightly ahead of playback, and resumes when the daemon returns. */

import { h, showToast } from './dom.js';

const RATE = 48_000;
/** Length of the WAV header in bytes. */
const HEADER = 44;
/** Bounds of the lead, the time in seconds by which audio is scheduled ahead; it grows when audio arrives late. */
const MIN_LEAD = 0.12;
const MAX_LEAD = 0.28;

/** @type {{ stop: () => void } | undefined} */
let session;
let enabled = false;
let lead = MIN_LEAD;

/** Seconds from the arrival of audio until it is heard; 0 until audio has arrived. */
export let delay = 0;

/** Resets the delay, so that a test can wait for the next measurement. */
export function resetDelay() {
  delay = 0;
}

async function play() {
  const audio = new AudioContext({ sampleRate: RATE, latencyHint: 'interactive' });
  const abort = new AbortController();
  const stop = () => {
    abort.abort();
    // When the user stops listening, `stop` is called a second time after playback has ended.
    if (audio.state !== 'closed') audio.close();
  };
  session = { stop };
  const response = await fetch('/listen.wav', { signal: abort.signal });
  if (!response.ok || !response.body) throw new Error(response.status === 503 ? 'Too many listeners' : 'Melos is not responding');
  const reader = response.body.getReader();
  let rest = new Uint8Array(0);
  let skip = HEADER;
  let due = 0;
  for (let chunk; !(chunk = await reader.read()).done;) {
    let bytes = new Uint8Array(rest.length + chunk.value.length);
    bytes.set(rest);
    bytes.set(chunk.value, rest.length);
    const skipped = Math.min(skip, bytes.length);
    skip -= skipped;
    bytes = bytes.slice(skipped);
    const frames = bytes.length >> 2;
    rest = bytes.slice(frames * 4);
    if (frames === 0) continue;
    const now = audio.currentTime;
    if (due < now) {
      // The audio arrived late.
      if (due > 0) lead = Math.min(MAX_LEAD, lead + 0.04);
      due = now + lead;
    }
    delay = due - now + frames / RATE + audio.baseLatency + (audio.outputLatency || 0);
    // Skip audio that accumulated while the machine was asleep.
    if (due - now > lead + 0.1) continue;
    const samples = new Int16Array(bytes.buffer, 0, frames * 2);
    const buffer = new AudioBuffer({ numberOfChannels: 2, length: frames, sampleRate: RATE });
    for (const channel of [0, 1]) {
      const out = buffer.getChannelData(channel);
      for (let frame = 0; frame < frames; frame++) out[frame] = samples[2 * frame + channel] / 32_768;
    }
    const source = new AudioBufferSourceNode(audio, { buffer });
    source.connect(audio.destination);
    source.start(due);
    due += buffer.duration;
  }
}

export function listen() {
  const button = h('button', {
    type: 'button', id: 'listen', 'aria-pressed': 'false', title: 'Also plays the music in this browser',
    onclick: () => {
      enabled = !enabled;
      show();
      if (enabled) run();
      else session?.stop();
    },
  }, 'Listen');
  const show = (state = '') => {
    button.setAttribute('aria-pressed', String(enabled));
    button.textContent = enabled ? state || 'Listening' : 'Listen';
  };
  const run = async () => {
    while (enabled) {
      try {
        show();
        await play();
      } catch (error) {
        if (enabled && error instanceof Error && error.message.startsWith('Too many')) {
          enabled = false;
          showToast(error.message, true);
        }
      }
      session?.stop();
      session = undefined;
      if (!enabled) break;
      show('Reconnecting');
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
    show();
  };
  return button;
}
