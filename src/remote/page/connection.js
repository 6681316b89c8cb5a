// @ts-check
/**
 * The connection to the daemon: parameter values, streams, and changes to be sent. Changes made while disconnected, or not
 * confirmed before the connection was lost, are sent after reconnecting, but only the newest for each parameter. Actions are
 * never delayed in this way, because they would come as a surprise.
 *
 * @typedef {import('./osc.js').Argument} Argument
 * @typedef {{ id: string, type: string, min: number, max: number, names: string[], description: string, tags: string[] }} Parameter
 *   with the tag `preset` if loading any preset sets or resets it, and `scene` if recalling any scene sets it
 * @typedef {(value: any, ...more: any[]) => void} Listener
 */

import { decode, encode } from './osc.js';
import { reversal } from './undo.js';

/** Minimum interval between sends, in milliseconds. */
const SEND_INTERVAL = 33;
/** Delay before reconnecting, in milliseconds. */
const RETRY_DELAY = 1000;
/** Seconds without any message after which the connection is considered lost. */
const MAX_SILENCE = 3;
/** Time limit for reading the address space when reconnecting, in milliseconds. */
const READ_TIMEOUT = 5000;
/** Changes to one parameter within this many milliseconds of each other are undone together. */
const UNDO_GROUP_TIME = 900;
/** Maximum number of changes that can be undone. */
const MAX_UNDO = 100;

/** Actions that undo cannot revert; like triggers, they are refused, not delayed, while there is no connection. */
const ACTIONS = new Set(['panic', 'record', 'scene/store', 'scene/delete', 'scene/undo']);

class Connection {
  constructor() {
    /** @type {Map<string, Parameter>} */
    this.parameters = new Map();
    /** @type {Map<string, Argument>} current values */
    this.values = new Map();
    /** @type {Map<string, any[]>} the latest message of some streams when the address space was last read */
    this.streams = new Map();
    /** @type {Map<string, Set<Listener>>} */
    this.listeners = new Map();
    /** @type {Map<string, Argument | null>} values to send; null fires a trigger */
    this.pending = new Map();
    /** @type {Map<string, { value: Argument | null, ping: number }>} values sent, each until the ping after it is answered */
    this.unconfirmed = new Map();
    /** Changes that can be undone, oldest first. @type {import('./undo.js').Change[]} */
    this.changes = [];
    /** Whether a preset's journey is in progress; setting the mood ends a journey. */
    this.journey = false;
    /** @type {WebSocket | undefined} */
    this.socket = undefined;
    this.open = false;
    this.timer = 0;
    this.pings = 0;
    /** Seconds since the last message, counted by a timer, which stops while the browser suspends the page. */
    this.silence = 0;
    setInterval(() => this.watch(), 1000);
  }

  /** Reads the address space; resolves once the page can be built. @param {AbortSignal} [signal] */
  async read(signal) {
    const tree = await (await fetch('/melos', { signal })).json();
    /** @param {any} node */
    const visit = (node) => {
      // For other clients, a method that contains others is repeated inside itself as a leaf.
      if (node.FULL_PATH.endsWith('/value')) return;
      // Unlike streams and commands, parameters are writable and have exactly one value.
      if (node.TYPE?.length === 1 && node.ACCESS & 2) this.addParameter(node);
      else if (node.VALUE?.length) this.storeLatest(node.FULL_PATH.slice('/melos/'.length), node.VALUE);
      Object.values(node.CONTENTS ?? {}).forEach(visit);
    };
    visit(tree);
  }

  /** @param {any} node */
  addParameter(node) {
    const id = node.FULL_PATH.slice('/melos/'.length);
    const range = node.RANGE?.[0] ?? {};
    const { MIN: min = 0, MAX: max = 1, VALS: names = [] } = range;
    this.parameters.set(id, { id, type: node.TYPE, min, max, names, description: node.DESCRIPTION ?? '', tags: node.TAGS ?? [] });
    if (node.VALUE?.length) this.receive(id, node.VALUE);
  }

  /**
   * Stores the latest message of a stream that represents a state. New listeners receive this message at once.
   * @param {string} id @param {any[]} args
   */
  storeLatest(id, args) {
    // The planned chords are dropped, because their times are relative to the time of sending.
    if (id === 'outlook') this.streams.set(id, args.slice(0, 3));
    if (id === 'mood' || id === 'health') this.streams.set(id, args);
  }

  connect() {
    const secure = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${secure}://${location.host}/`);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.silence = 0;
    socket.onopen = () => {
      const streams = ['beat', 'bar', 'note', 'onset', 'level', 'mood', 'health', 'meters', 'spectrum', 'outlook', 'revisions', 'trouble', 'learn'];
      // The page gets the current chord from the outlook, which also includes the planned chords.
      const ids = [...this.parameters.values()].filter(({ id, type }) => type !== 'I' && id !== 'chord').map(({ id }) => id);
      for (const id of [...ids, ...streams]) {
        if (!this.pending.has(id)) socket.send(JSON.stringify({ COMMAND: 'LISTEN', DATA: `/melos/${id}` }));
      }
      this.open = true;
      // Pending changes are sent before the page listens to their parameters, so that it does not receive the old values.
      const unsubscribed = [...this.pending.keys()].filter((id) => id !== 'chord');
      this.flush();
      for (const id of unsubscribed) socket.send(JSON.stringify({ COMMAND: 'LISTEN', DATA: `/melos/${id}` }));
      this.notify('@open', true);
    };
    socket.onmessage = ({ data }) => {
      this.silence = 0;
      const { address, args } = decode(data);
      if (address === '/melos/pong') this.confirm(Number(args[0]));
      else this.receive(address.slice('/melos/'.length), args);
    };
    socket.onclose = () => this.lose();
  }

  /** Detects a dead network, on which the socket would stay open for minutes. Called every second. */
  watch() {
    if (!this.socket) return;
    this.silence += 1;
    if (this.silence > MAX_SILENCE) this.lose();
    else if (this.silence > 1) this.ping();
  }

  ping() {
    this.pings += 1;
    this.send('ping', 'i', [this.pings]);
  }

  /** Marks everything sent before an answered ping as confirmed. @param {number} ping */
  confirm(ping) {
    for (const [id, sent] of this.unconfirmed) {
      if (sent.ping > ping) continue;
      this.unconfirmed.delete(id);
      this.notify('@confirmed', id, sent.value);
    }
  }

  /** Gives up the connection and reconnects later. Unconfirmed changes become pending again; unconfirmed actions count as refused. */
  lose() {
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    // On a dead network, closing takes a long time, so do not wait for it.
    this.socket.close();
    this.socket = undefined;
    const unsent = new Map([...this.unconfirmed].map(([id, { value }]) => [id, value]));
    for (const [id, value] of this.pending) unsent.set(id, value);
    this.unconfirmed.clear();
    this.pending = new Map([...unsent].filter(([id]) => !this.isAction(id)));
    const wasOpen = this.open;
    this.open = false;
    // A value that was requested but not confirmed has not been shown yet.
    for (const [id, value] of this.pending) if (value !== null) this.show(id, value);
    if (wasOpen) this.notify('@open', false);
    this.notify('@pending', this.pending.size);
    for (const id of unsent.keys()) if (this.isAction(id)) this.notify('@refused', id);
    setTimeout(() => this.reconnect(), RETRY_DELAY);
  }

  /** Returns whether a parameter is an action rather than a value. @param {string} id */
  isAction(id) {
    return ACTIONS.has(id) || this.parameters.get(id)?.type === 'I';
  }

  /** Refuses an action while there is no connection; returns whether it did. @param {string} id */
  refuses(id) {
    const refused = !this.open && this.isAction(id);
    if (refused) this.notify('@refused', id);
    return refused;
  }

  async reconnect() {
    try {
      await this.read(AbortSignal.timeout(READ_TIMEOUT));
      this.connect();
    } catch {
      setTimeout(() => this.reconnect(), RETRY_DELAY);
    }
  }

  /** Processes a received value or stream message. @param {string} id @param {Argument[]} args */
  receive(id, args) {
    const isParameter = this.parameters.has(id);
    // A local change that the daemon has not confirmed is newer than the received value.
    if (isParameter && (this.pending.has(id) || this.unconfirmed.has(id))) return;
    if (isParameter) this.values.set(id, args[0]);
    this.notify(id, ...args);
  }

  /**
   * Adds a listener to a parameter, a stream or an event of the page. The listener receives the known value or stored message at once.
   * @param {string} id @param {Listener} listener
   */
  on(id, listener) {
    const listeners = this.listeners.get(id) ?? new Set();
    this.listeners.set(id, listeners.add(listener));
    if (this.values.has(id)) listener(this.values.get(id));
    const latest = this.streams.get(id);
    if (latest) listener(latest[0], ...latest.slice(1));
  }

  /** Calls the listeners to a parameter, stream or event. @param {string} id @param {any[]} args */
  notify(id, ...args) {
    this.listeners.get(id)?.forEach((listener) => listener(args[0], ...args.slice(1)));
  }

  /**
   * Sets a parameter and shows the new value immediately, or fires a trigger.
   * @param {string} id @param {Argument} [value] omitted for triggers
   */
  set(id, value) {
    if (this.refuses(id)) return;
    this.remember(id);
    this.put(id, value);
  }

  /** Like `set`, but not recorded for undo. @param {string} id @param {Argument} [value] */
  put(id, value) {
    if (this.refuses(id)) return;
    if (value !== undefined) this.show(id, value);
    this.pending.delete(id);
    this.pending.set(id, value ?? null);
    this.notify('@pending', this.pending.size);
    if (!this.timer && this.open) this.timer = window.setTimeout(() => this.flush(), 0);
  }

  /** Shows a value before the daemon confirms it. @param {string} id @param {Argument} value */
  show(id, value) {
    this.values.set(id, value);
    this.notify(id, value);
  }

  /**
   * Requests a value and shows it only once the daemon confirms it, or at once while there is no connection.
   * @param {string} id @param {Argument} value
   */
  async request(id, value) {
    if (this.refuses(id)) return;
    this.remember(id);
    if (!this.open) return this.put(id, value);
    const before = this.values.get(id);
    this.pending.set(id, value);
    this.flush();
    for (let tries = 0; tries < 25 && this.open; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 40));
      if (this.values.get(id) !== before || before === value) return;
      this.send(id, '', []);
    }
  }

  /** Sends the pending changes. */
  flush() {
    this.timer = 0;
    if (!this.open || this.pending.size === 0) return;
    for (const [id, value] of this.pending) {
      const type = this.parameters.get(id)?.type;
      if (value === null) this.send(id, '', []);
      else if (type === 'T') this.send(id, value ? 'T' : 'F', []);
      else this.send(id, type === 's' ? 's' : 'f', [value]);
      this.unconfirmed.set(id, { value, ping: this.pings + 1 });
    }
    this.ping();
    this.pending.clear();
    this.notify('@pending', 0);
    this.timer = window.setTimeout(() => this.flush(), SEND_INTERVAL);
  }

  /** @param {string} id @param {string} types @param {Argument[]} args */
  send(id, types, args) {
    if (this.open) this.socket?.send(encode(`/melos/${id}`, types, args));
  }

  /** @param {string} id @param {string} text */
  sendText(id, text) {
    this.send(id, 's', [text]);
  }

  /**
   * Records the values before a change, for undo.
   * @param {string} id @param {string[]} [ids] the parameters that change together
   */
  remember(id, ids = [id]) {
    const [last, now] = [this.changes.at(-1), performance.now()];
    const isContinued = last && last.id === id && now - last.at < UNDO_GROUP_TIME;
    if (isContinued) {
      last.at = now;
      return;
    }
    // A lead chord lasts as long as it is held, so there is nothing to return to.
    if (ACTIONS.has(id) || id === 'chord') return;
    this.changes.push({ id, at: now, ids, before: new Map(this.values), journey: this.journey });
    if (this.changes.length > MAX_UNDO) this.changes.shift();
    this.notify('@undo', this.changes.length);
  }

  /** Undoes the last change made on this page and returns its parameter. */
  undo() {
    const change = this.changes.pop();
    if (!change) return undefined;
    for (const [id, value] of reversal(change, this.parameters, this.values)) this.put(id, value);
    this.notify('@undo', this.changes.length);
    return change.id;
  }

  /** Returns the value of a numeric parameter. @param {string} id @returns {number} */
  number(id) {
    return Number(this.values.get(id) ?? 0);
  }
}

export const melos = new Connection();

/** Thrown if the daemon does not respond at all. */
export class Unreachable extends Error {}

/**
 * Sends a request to the daemon's HTTP API.
 * @param {string} path @param {unknown} [body] sent as JSON with POST; omitted for GET
 * @returns {Promise<any>} the response; the message of an error can be shown to the user
 */
export async function http(path, body) {
  const post = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, body === undefined ? {} : post);
  } catch {
    throw new Unreachable('Melos is not responding. Is it running?');
  }
  const text = await response.text();
  let json;
  try {
    json = text ? JSON.parse(text) : undefined;
  } catch {
    json = undefined;
  }
  if (!response.ok) throw new Error(json?.error ?? (text || `Melos responded with status ${response.status}`));
  return json;
}
