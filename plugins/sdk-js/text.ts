/** UTF-8: QuickJS has no TextEncoder. */

/** The bytes of a text. */
export function encode(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0)!;
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return new Uint8Array(bytes);
}

/** The text of bytes. What is no UTF-8 becomes U+FFFD. */
export function decode(bytes: Uint8Array): string {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < bytes.length; ) {
    const [code, length] = decodeOne(bytes, at);
    part += String.fromCodePoint(code);
    at += length;
    if (part.length > 4096) {
      parts.push(part);
      part = '';
    }
  }
  return parts.join('') + part;
}

/** The character that begins at a place, and how many bytes it takes. */
function decodeOne(bytes: Uint8Array, at: number): [number, number] {
  const lead = bytes[at]!;
  if (lead < 0x80) return [lead, 1];
  const length = lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  let code = lead & (0xff >> (length + 1));
  for (let next = 1; next < length; next++) {
    const byte = bytes[at + next];
    if (byte === undefined || (byte & 0xc0) !== 0x80) return [0xfffd, next];
    code = (code << 6) | (byte & 63);
  }
  const smallest = [0, 0, 0x80, 0x800, 0x10000][length]!;
  if (length === 0 || code < smallest || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) return [0xfffd, length || 1];
  return [code, length];
}

/** Bytes as they are, or those of a text. */
export const bytesOf = (value: string | Uint8Array): Uint8Array => (typeof value === 'string' ? encode(value) : value);
