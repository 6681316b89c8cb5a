// A client of Melos for web pages and Node: values and streams over OSCQuery's WebSocket, with automatic reconnection.
//
//     const melos = new Melos();
//     melos.listen("/melos/beat", ([beat, bar, tempo]) => { ... });
//     melos.send("/melos/valence", 0.4);
//
// Some streams are sent only when they change. To have the latest message whenever the connection opens, query them:
//
//     melos.onopen = () => melos.send("/melos/mood");
class Melos {
  constructor(url = "ws://127.0.0.1:9080") {
    this.url = url;
    this.listeners = new Map();
    this.connect();
  }

  /** Calls a function with the arguments of every message to an address, even after Melos restarts. */
  listen(address, callback) {
    this.listeners.set(address, callback);
    if (this.connected) this.subscribe(address);
  }

  /** Sends a message: numbers as floats, everything else as strings. Messages sent while disconnected are lost. */
  send(address, ...values) {
    if (this.connected) this.socket.send(encode(address, values));
  }

  get connected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      [...this.listeners.keys()].forEach((address) => this.subscribe(address));
      this.onopen?.();
    };
    this.socket.onmessage = ({ data }) => {
      if (typeof data === "string") return;
      const [address, values] = decode(data);
      this.listeners.get(address)?.(values);
    };
    this.socket.onclose = () => setTimeout(() => this.connect(), 2000);
    this.socket.onerror = () => {};
  }

  subscribe(address) {
    this.socket.send(JSON.stringify({ COMMAND: "LISTEN", DATA: address }));
  }
}

/** Returns an OSC string: null-terminated and padded to a multiple of four bytes. */
function padded(text) {
  const bytes = new TextEncoder().encode(text);
  const result = new Uint8Array((Math.floor(bytes.length / 4) + 1) * 4);
  result.set(bytes);
  return result;
}

function encode(address, values) {
  const parts = [padded(address), padded("," + values.map((value) => (typeof value === "number" ? "f" : "s")).join(""))];
  for (const value of values) {
    if (typeof value === "number") {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setFloat32(0, value);
      parts.push(bytes);
    } else {
      parts.push(padded(String(value)));
    }
  }
  const packet = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    packet.set(part, offset);
    offset += part.length;
  }
  return packet;
}

/**
 * Returns the address and the arguments of a message. Melos sends only integers, floats, strings and booleans; an argument of any other
 * type ends the list, because its length is unknown.
 */
function decode(buffer) {
  const view = new DataView(buffer);
  let offset = 0;
  const text = () => {
    let end = offset;
    while (view.getUint8(end) !== 0) end += 1;
    const string = new TextDecoder().decode(new Uint8Array(buffer, offset, end - offset));
    offset += (Math.floor((end - offset) / 4) + 1) * 4;
    return string;
  };
  const number = (read) => {
    offset += 4;
    return view[read](offset - 4);
  };
  const readers = { i: () => number("getInt32"), f: () => number("getFloat32"), s: text, T: () => true, F: () => false };
  const address = text();
  const values = [];
  for (const tag of text().slice(1)) {
    if (!(tag in readers)) break;
    values.push(readers[tag]());
  }
  return [address, values];
}

if (typeof module !== "undefined") module.exports = { Melos, encode, decode };
