/**
 * What a server tells others to reach it by, where that is not the address they used: NAT, containers,
 * several networks. Entries `[NETWORK=]HOST[:PORT]`, separated by `;`; the first whose network the other
 * one is in counts, then the one without a network.
 */
import { type AddressRange, parseAddressRange } from '../../platform/address-range.ts';
import { formatHostPort, parseHostPort } from '../../platform/host-port.ts';
import type { HostPort } from '../../platform/network.ts';

/** Longer lists and texts are refused: every NameServer and proxy keeps them. */
const entryCountMax = 16;
const textLengthMax = 2_048;

interface Entry {
  /** As it was written; undefined: for everybody. */
  readonly network: string | undefined;
  readonly range: AddressRange | undefined;
  readonly address: HostPort;
}

export class Advertised {
  static readonly none: Advertised = new Advertised([]);
  readonly #entries: readonly Entry[];

  private constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  /** `port` stands where an entry names none. Undefined when the text is wrong. */
  static parse(text: string, port: number): Advertised | undefined {
    if (text === '') return Advertised.none;
    const parts = text.split(';');
    if (text.length > textLengthMax || parts.length > entryCountMax) return undefined;
    const entries: Entry[] = [];
    for (const part of parts) {
      const entry = parseEntry(part.trim(), port);
      if (entry === undefined) return undefined;
      entries.push(entry);
    }
    return new Advertised(entries);
  }

  get hasNetworks(): boolean {
    return this.#entries.some(({ range }) => range !== undefined);
  }

  /** What the one at `host` is told; undefined: nothing was said for it. */
  addressFor(host: string): HostPort | undefined {
    const entry = this.#entries.find(({ range }) => range?.contains(host) === true);
    return entry?.address ?? this.fallback;
  }

  /** The entry for everybody. */
  get fallback(): HostPort | undefined {
    return this.#entries.find(({ range }) => range === undefined)?.address;
  }

  /** Every address of the list, once. */
  addresses(): readonly HostPort[] {
    const byText = new Map(
      this.#entries.map(({ address }) => [formatHostPort(address), address] as const),
    );
    return [...byText.values()];
  }

  /** With all ports; `parse` reads it again. */
  toString(): string {
    return this.#entries
      .map(({ network, address }) =>
        network === undefined ? formatHostPort(address) : `${network}=${formatHostPort(address)}`,
      )
      .join(';');
  }
}

function parseEntry(text: string, port: number): Entry | undefined {
  const equals = text.indexOf('=');
  const network = equals === -1 ? undefined : text.slice(0, equals);
  const range = network === undefined ? undefined : parseAddressRange(network);
  if (network !== undefined && range === undefined) return undefined;
  const address = parseAddress(text.slice(equals + 1), port);
  return address === undefined ? undefined : { network, range, address };
}

/** `HOST`, `HOST:PORT`, a bare IPv6 address, or one in brackets with or without a port. */
function parseAddress(text: string, port: number): HostPort | undefined {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  if (isIpv6(bare)) return { host: bare, port };
  const full = parseHostPort(text) ?? { host: text, port };
  const isHost = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(full.host) || isIpv6(full.host);
  return isHost && (full.port !== 0 || port === 0) ? full : undefined;
}

function isIpv6(text: string): boolean {
  return text.includes(':') && !text.includes('/') && parseAddressRange(text) !== undefined;
}
