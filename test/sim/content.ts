/**
 * The bytes of a simulated file, in pages, so that holes take no space (as on a real file system,
 * where a file that was only made longer is not allocated yet).
 */

export const pageBytes = 4096;

export class Content {
  sizeBytes = 0;
  readonly #pages = new Map<number, Buffer>();

  /** Space taken on the disk. */
  get allocatedBytes(): number {
    return this.#pages.size * pageBytes;
  }

  /** Pages that a write there would newly take. */
  missingPages(position: number, size: number): number {
    let missing = 0;
    const end = Math.ceil((position + size) / pageBytes);
    for (let page = Math.floor(position / pageBytes); page < end; page += 1) {
      if (!this.#pages.has(page)) missing += 1;
    }
    return missing;
  }

  read(target: Uint8Array, at: number, size: number, position: number): number {
    const count = Math.max(0, Math.min(size, this.sizeBytes - position));
    for (let done = 0; done < count; ) {
      const inPage = (position + done) % pageBytes;
      const part = Math.min(count - done, pageBytes - inPage);
      const page = this.#pages.get(Math.floor((position + done) / pageBytes));
      if (page === undefined) target.fill(0, at + done, at + done + part);
      else page.copy(target, at + done, inPage, inPage + part);
      done += part;
    }
    return count;
  }

  write(source: Buffer, position: number): void {
    for (let done = 0; done < source.length; ) {
      const inPage = (position + done) % pageBytes;
      const part = Math.min(source.length - done, pageBytes - inPage);
      const number = Math.floor((position + done) / pageBytes);
      let page = this.#pages.get(number);
      if (page === undefined) {
        page = Buffer.alloc(pageBytes);
        this.#pages.set(number, page);
      }
      source.copy(page, inPage, done, done + part);
      done += part;
    }
    this.sizeBytes = Math.max(this.sizeBytes, position + source.length);
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.sizeBytes) {
      const last = Math.floor(sizeBytes / pageBytes);
      for (const number of [...this.#pages.keys()]) {
        if (number > last || (number === last && sizeBytes % pageBytes === 0)) {
          this.#pages.delete(number);
        }
      }
      this.#pages.get(last)?.fill(0, sizeBytes % pageBytes);
    }
    this.sizeBytes = sizeBytes;
  }

  copy(): Content {
    const copy = new Content();
    copy.sizeBytes = this.sizeBytes;
    for (const [number, page] of this.#pages) copy.#pages.set(number, Buffer.from(page));
    return copy;
  }

  toBuffer(): Buffer {
    const out = Buffer.alloc(this.sizeBytes);
    this.read(out, 0, out.length, 0);
    return out;
  }
}
