// Melos for web pages and for Node: values and streams over OSCQuery's WebSocket, with automatic reconnection.
//
//     const melos = new Melos();
//     melos.listen("/melos/beat", ([beat, bar, tempo]) => { ... });
//     melos.send("/melos/valence", 0.4);
class Melos {
  constructor(url = "ws://127.0.0.1:9080") {
    this.url = url;
    this.listeners = new Map();
    this.connect();
  }

  /** Calls back with the arguments of every message at an address, from now on and after every restart of Melos. */
  listen(address, callback) {
    this.listeners.set(address, callback);
    if (this.connected) this.ask(address);
  }

  /** Sends a message: numbers as floats, everything else as text. What cannot be sent now is not sent later. */
  send(address, ...values) {
    if (this.connected) this.socket.send(encode(address, values));
  }

  get connected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => [...this.listeners.keys()].forEach((address) => this.ask(address));
    this.socket.onmessage = ({ data }) => {
      if (typeof data === "string") return;
      const [address, values] = decode(data);
      this.listeners.get(address)?.(values);
    };
    this.socket.onclose = () => setTimeout(() => this.connect(), 2000);
    this.socket.onerror = () => {};
  }

  ask(address) {
    this.socket.send(JSON.stringify({ COMMAND: "LISTEN", DATA: address }));
  }
}

/** Text as OSC has it: ended by a zero, filled up to a multiple of four bytes. */
function padded(text) {
  const bytes = new TextEncoder().encode(text);
  const filled = new Uint8Array((Math.floor(bytes.length / 4) + 1) * 4);
  filled.set(bytes);
  return filled;
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
  let at = 0;
  for (const part of parts) {
    packet.set(part, at);
    at += part.length;
  }
  return packet;
}

/** The address and the arguments of a message; Melos sends whole numbers, fractions and text only. */
function decode(buffer) {
  const view = new DataView(buffer);
  let at = 0;
  const text = () => {
    let end = at;
    while (view.getUint8(end) !== 0) end += 1;
    const found = new TextDecoder().decode(new Uint8Array(buffer, at, end - at));
    at += (Math.floor((end - at) / 4) + 1) * 4;
    return found;
  };
  const number = (read) => {
    at += 4;
    return view[read](at - 4);
  };
  const address = text();
  const tags = text().slice(1);
  const values = [...tags].map((tag) => (tag === "i" ? number("getInt32") : tag === "f" ? number("getFloat32") : text()));
  return [address, values];
}

if (typeof module !== "undefined") module.exports = { Melos, encode, decode };
