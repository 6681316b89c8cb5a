// @ts-check
/**
 * The one connection to the daemon: every parameter's value, the streams, and what is to be set. What is set while the
 * connection is down waits, the newest value of each parameter, and goes out when it is back.
 *
 * @typedef {import('./osc.js').Argument} Argument
 * @typedef {{ id: string, type: string, min: number, max: number, names: string[], description: string }} Parameter
 * @typedef {(value: any, ...more: any[]) => void} Listener
 */

import { decode, encode } from './osc.js';

/** How often waiting values are sent at most, in milliseconds. */
const PACE = 33;
/** How long to wait before trying to connect again. */
const RETRY = 1000;
/** Changes of one parameter that follow each other within this time are one change, to be undone at once. */
const GESTURE = 900;
const MOST_UNDO = 100;

/** Parameters that say what to do next and hold no state to go back to. */
const ACTS = /^(preset\/|scene|record|panic)/;

class Connection {
  constructor() {
    /** @type {Map<string, Parameter>} */
    this.parameters = new Map();
    /** @type {Map<string, Argument>} what each parameter stands at */
    this.values = new Map();
    /** @type {Map<string, any[]>} what streams told before this page was there */
    this.streams = new Map();
    /** @type {Map<string, Set<Listener>>} */
    this.listeners = new Map();
    /** @type {Map<string, Argument | null>} what is to be sent; null fires a trigger */
    this.waiting = new Map();
    /** @type {{ id: string, at: number, before: Map<string, Argument> }[]} */
    this.done = [];
    /** @type {WebSocket | undefined} */
    this.socket = undefined;
    this.open = false;
    this.timer = 0;
  }

  /** Reads the address space and connects; resolves when the page can be built. */
  async start() {
    await this.read();
    this.connect();
  }

  async read() {
    const tree = await (await fetch('/melos')).json();
    /** @param {any} node */
    const visit = (node) => {
      if (node.TYPE && node.ACCESS & 2) this.learn(node);
      else if (node.VALUE?.length) this.recall(node.FULL_PATH.slice('/melos/'.length), node.VALUE);
      Object.values(node.CONTENTS ?? {}).forEach(visit);
    };
    visit(tree);
  }

  /** @param {any} node */
  learn(node) {
    const id = node.FULL_PATH.slice('/melos/'.length);
    const range = node.RANGE?.[0] ?? {};
    const { MIN: min = 0, MAX: max = 1, VALS: names = [] } = range;
    this.parameters.set(id, { id, type: node.TYPE, min, max, names, description: node.DESCRIPTION ?? '' });
    if (node.VALUE?.length) this.take(id, node.VALUE);
  }

  /**
   * What a stream told last: who listens hears it at once, and not only when it tells something new.
   * @param {string} id @param {any[]} args
   */
  recall(id, args) {
    // When the planned chords were to come was true when it was told.
    if (id === 'outlook') this.streams.set(id, args.slice(0, 3));
    if (id === 'mood' || id === 'health') this.streams.set(id, args);
  }

  connect() {
    const secure = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${secure}://${location.host}/`);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onopen = () => {
      const streams = ['beat', 'bar', 'onset', 'level', 'mood', 'health', 'meters', 'spectrum', 'outlook', 'revisions', 'learn'];
      // What listeners to the chord hear is the chord that sounds; the outlook tells that better.
      const ids = [...this.parameters.values()].filter(({ id, type }) => type !== 'I' && id !== 'chord').map(({ id }) => id);
      for (const id of [...ids, ...streams]) {
        if (!this.waiting.has(id)) socket.send(JSON.stringify({ COMMAND: 'LISTEN', DATA: `/melos/${id}` }));
      }
      this.open = true;
      const late = [...this.waiting.keys()];
      this.flush();
      for (const id of late) socket.send(JSON.stringify({ COMMAND: 'LISTEN', DATA: `/melos/${id}` }));
      this.tell('@open', true);
    };
    socket.onmessage = ({ data }) => {
      const { address, args } = decode(data);
      this.take(address.slice('/melos/'.length), args);
    };
    socket.onclose = () => {
      if (this.open) this.tell('@open', (this.open = false));
      setTimeout(() => this.again(), RETRY);
    };
  }

  async again() {
    try {
      await this.read();
      this.connect();
    } catch {
      setTimeout(() => this.again(), RETRY);
    }
  }

  /** @param {string} id @param {Argument[]} args */
  take(id, args) {
    const known = this.parameters.has(id);
    // What is moved here and not sent yet is newer than what comes.
    if (known && this.waiting.has(id)) return;
    if (known) this.values.set(id, args[0]);
    this.tell(id, ...args);
  }

  /**
   * Hears of a parameter or a stream, and at once of what a parameter stands at.
   * @param {string} id @param {Listener} listener
   */
  on(id, listener) {
    const listeners = this.listeners.get(id) ?? new Set();
    this.listeners.set(id, listeners.add(listener));
    if (this.values.has(id)) listener(this.values.get(id));
    const told = this.streams.get(id);
    if (told) listener(told[0], ...told.slice(1));
  }

  /** @param {string} id @param {any[]} args */
  tell(id, ...args) {
    this.listeners.get(id)?.forEach((listener) => listener(args[0], ...args.slice(1)));
  }

  /**
   * Sets a parameter, and shows it as set at once.
   * @param {string} id @param {Argument} [value] left out for triggers
   */
  set(id, value) {
    this.remember(id);
    this.put(id, value);
  }

  /** @param {string} id @param {Argument} [value] */
  put(id, value) {
    if (value !== undefined) {
      this.values.set(id, value);
      this.tell(id, value);
    }
    this.waiting.delete(id);
    this.waiting.set(id, value ?? null);
    this.tell('@waiting', this.waiting.size);
    if (!this.timer && this.open) this.timer = window.setTimeout(() => this.flush(), 0);
  }

  /**
   * Asks for a value and shows it only when the daemon has taken it.
   * @param {string} id @param {Argument} value
   */
  async ask(id, value) {
    this.remember(id);
    const before = this.values.get(id);
    this.waiting.set(id, value);
    this.flush();
    if (!this.open) return this.tell('@waiting', this.waiting.size);
    for (let tries = 0; tries < 25 && this.open; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 40));
      if (this.values.get(id) !== before || before === value) return;
      this.send(id, '', []);
    }
  }

  flush() {
    this.timer = 0;
    if (!this.open || this.waiting.size === 0) return;
    for (const [id, value] of this.waiting) {
      const type = this.parameters.get(id)?.type;
      if (value === null) this.send(id, '', []);
      else if (type === 'T') this.send(id, value ? 'T' : 'F', []);
      else this.send(id, type === 's' ? 's' : 'f', [value]);
    }
    this.waiting.clear();
    this.tell('@waiting', 0);
    this.timer = window.setTimeout(() => this.flush(), PACE);
  }

  /** @param {string} id @param {string} types @param {Argument[]} args */
  send(id, types, args) {
    if (this.open) this.socket?.send(encode(`/melos/${id}`, types, args));
  }

  /** @param {string} id @param {string} text */
  sendText(id, text) {
    this.send(id, 's', [text]);
  }

  /** Keeps what everything stands at before a change. @param {string} id */
  remember(id) {
    const [last, now] = [this.done.at(-1), performance.now()];
    const goesOn = last && last.id === id && now - last.at < GESTURE;
    if (goesOn) {
      last.at = now;
      return;
    }
    if (ACTS.test(id) && !/^(preset|scene)$|^preset\//.test(id)) return;
    this.done.push({ id, at: now, before: new Map(this.values) });
    if (this.done.length > MOST_UNDO) this.done.shift();
    this.tell('@undo', this.done.length);
  }

  /** Takes the last change made on this page back; tells which parameter it was. */
  undo() {
    const change = this.done.pop();
    if (!change) return undefined;
    const { id, before } = change;
    const mood = [...this.parameters.keys()].filter((other) => other.startsWith('emotion/'));
    const isMood = id === 'emotion' || id === 'valence' || id === 'arousal' || mood.includes(id);
    const all = /^(preset|scene)/.test(id);
    const back = isMood ? mood : all ? [...this.parameters.keys()].filter((other) => !ACTS.test(other)) : [id];
    // A tempo that was not pinned is given back to the mood.
    const follows = before.get('tempo/follow') === true;
    for (const other of back) {
      const value = before.get(other);
      const derived = other === 'emotion' || other === 'valence' || other === 'arousal' || (other === 'tempo' && follows);
      if (value !== undefined && !derived && value !== this.values.get(other)) this.put(other, value);
    }
    if ((id === 'tempo' || all) && follows) this.put('tempo/follow', true);
    if (id === 'preset' || id.startsWith('preset/')) this.put('preset', before.get('preset') || '');
    this.tell('@undo', this.done.length);
    return id;
  }

  /** @param {string} id @returns {number} */
  number(id) {
    return Number(this.values.get(id) ?? 0);
  }
}

export const melos = new Connection();

/**
 * A request to the daemon beside the address space.
 * @param {string} path @param {unknown} [body] sent as JSON with POST; left out for GET
 * @returns {Promise<any>} what it answers; an error's message is a sentence for people
 */
export async function http(path, body) {
  const post = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : post);
  } catch {
    throw new Error('Melos does not answer. Is it running?');
  }
  const text = await answer.text();
  let json;
  try {
    json = text ? JSON.parse(text) : undefined;
  } catch {
    json = undefined;
  }
  if (!answer.ok) throw new Error(json?.error ?? (text || `Melos answers ${answer.status}`));
  return json;
}
