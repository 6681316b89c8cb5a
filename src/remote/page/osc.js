// @ts-check
/**
 * OSC 1.0 messages as carried by OSCQuery's WebSocket.
 *
 * @typedef {number | string | boolean} Argument
 * @typedef {{ address: string, args: Argument[] }} Message
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes text with a terminating zero, padded to a multiple of four bytes. @param {string} text */
function padded(text) {
  const bytes = encoder.encode(text);
  const out = new Uint8Array((bytes.length >> 2) * 4 + 4);
  out.set(bytes);
  return out;
}

/**
 * Encodes a message.
 * @param {string} address
 * @param {string} types OSC type tags: f, i, s, T, F
 * @param {Argument[]} args one for each f, i and s
 */
export function encode(address, types, args) {
  const parts = [padded(address), padded(`,${types}`)];
  let next = 0;
  for (const type of types) {
    if (type === 's') parts.push(padded(String(args[next++])));
    if (type === 'f' || type === 'i') {
      const view = new DataView(new ArrayBuffer(4));
      if (type === 'f') view.setFloat32(0, Number(args[next++]));
      else view.setInt32(0, Number(args[next++]));
      parts.push(new Uint8Array(view.buffer));
    }
  }
  const packet = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((offset, part) => (packet.set(part, offset), offset + part.length), 0);
  return packet;
}

/**
 * Decodes a message.
 * @param {ArrayBuffer} buffer a single message, not a bundle
 * @returns {Message}
 */
export function decode(buffer) {
  const view = new DataView(buffer);
  let offset = 0;
  const text = () => {
    const bytes = new Uint8Array(buffer, offset);
    const end = bytes.indexOf(0);
    offset += (end >> 2) * 4 + 4;
    return decoder.decode(bytes.subarray(0, end));
  };
  const advance = () => (offset += 4) - 4;
  const address = text();
  const args = [...text().slice(1)].map((type) => {
    if (type === 'f') return view.getFloat32(advance());
    if (type === 'i') return view.getInt32(advance());
    if (type === 's') return text();
    return type === 'T';
  });
  return { address, args };
}
