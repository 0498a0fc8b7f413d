/** Java's `String.hashCode`, which tag codes and Apache's key index are made of; facts/store.md §5. */

/** The hash as a signed 32-bit number: h = 31·h + c over UTF-16 code units. */
export function javaHashCode(text: string): number {
  return javaHashBehind(0, text);
}

/** The hash of two texts, one behind the other, of which the first one's hash is known. */
export function javaHashBehind(before: number, text: string): number {
  let hash = before;
  for (let index = 0; index < text.length; index++) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  }
  return hash;
}
