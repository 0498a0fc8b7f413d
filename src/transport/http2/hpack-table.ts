/** HPACK's tables: the static one (RFC 7541 appendix A) and the dynamic one (§2.3.2, §4). */
import { HeaderField } from './header-field.ts';

/** Name, and where there is one the value, of index 1 to 61. */
const staticEntries: ReadonlyArray<readonly [name: string, value?: string]> = [
  [':authority'],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
];

/** Index 1 to 61; nothing at 0. */
export const staticFields: ReadonlyArray<HeaderField | undefined> = [
  undefined,
  ...staticEntries.map(([name, value = '']) => HeaderField.of(name, value)),
];

/** The first index of the dynamic table. */
export const dynamicIndexFirst: number = staticFields.length;

/** The newest fields, within a size. Index 0 is the newest. */
export class DynamicTable {
  /** A ring, because fields leave at one end and enter at the other with each request. */
  #ring: Array<HeaderField | undefined> = new Array<HeaderField | undefined>(16).fill(undefined);
  #newest = 0;
  #count = 0;
  #sizeBytes = 0;
  #sizeMaxBytes: number;

  constructor(sizeMaxBytes: number) {
    this.#sizeMaxBytes = sizeMaxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get sizeMaxBytes(): number {
    return this.#sizeMaxBytes;
  }

  /** The field at `index`, counted from the newest; undefined behind the oldest. */
  at(index: number): HeaderField | undefined {
    if (index >= this.#count) return undefined;
    return this.#ring[(this.#newest - index) & (this.#ring.length - 1)];
  }

  /** Oldest fields leave until `field` fits; one larger than the table empties it (RFC 7541 §4.4). */
  add(field: HeaderField): void {
    this.#evict(this.#sizeMaxBytes - field.size);
    if (field.size > this.#sizeMaxBytes) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = field;
    this.#count += 1;
    this.#sizeBytes += field.size;
  }

  resize(sizeMaxBytes: number): void {
    this.#sizeMaxBytes = sizeMaxBytes;
    this.#evict(sizeMaxBytes);
  }

  #evict(sizeBytes: number): void {
    while (this.#count > 0 && this.#sizeBytes > sizeBytes) {
      const oldest = (this.#newest - this.#count + 1) & (this.#ring.length - 1);
      this.#sizeBytes -= this.#ring[oldest]?.size ?? 0;
      this.#ring[oldest] = undefined;
      this.#count -= 1;
    }
  }

  #grow(): void {
    const ring = new Array<HeaderField | undefined>(this.#ring.length * 2).fill(undefined);
    for (let index = 0; index < this.#count; index += 1) {
      ring[this.#count - 1 - index] = this.at(index);
    }
    this.#ring = ring;
    this.#newest = this.#count - 1;
  }
}
