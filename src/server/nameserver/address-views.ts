/**
 * Which address of a broker a client is told, where that depends on the client: on its network, as the broker
 * advertises, or, for brokers of our machine that listen everywhere, on the address by which it reached us. The protocol
 * has one address a broker; nobody but the client hears of another one.
 */
import { formatHostPort, parseHostPort } from '../../platform/host-port.ts';
import type { HostPort } from '../../platform/network.ts';
import type { BrokerEntry, RouteTable } from './route-table.ts';

/** What is told instead of a broker's registered address; mostly empty. */
export type AddressView = ReadonlyMap<string, string>;

export const plainView: AddressView = new Map();

export class AddressViews {
  readonly #table: RouteTable;
  #version = -1;
  /** Brokers that may be told differently. */
  #entries: readonly BrokerEntry[] = [];

  constructor(table: RouteTable) {
    this.#table = table;
  }

  viewOf({ remote, local }: { readonly remote: HostPort; readonly local: HostPort }): AddressView {
    const { version } = this.#table;
    if (this.#version !== version) {
      this.#version = version;
      this.#entries = [...this.#table.liveBrokers()].filter(
        ({ isBesideUs, advertised }) => isBesideUs || advertised.hasNetworks,
      );
    }
    if (this.#entries.length === 0) return plainView;
    const view = new Map<string, string>();
    for (const { address, advertised, isBesideUs } of this.#entries) {
      const told =
        advertised.addressFor(remote.host) ?? (isBesideUs ? at(local, address) : undefined);
      const text = told === undefined ? address : formatHostPort(told);
      if (text !== address) view.set(address, text);
    }
    return view.size === 0 ? plainView : view;
  }
}

function at({ host }: HostPort, address: string): HostPort | undefined {
  const port = parseHostPort(address)?.port;
  return port === undefined ? undefined : { host, port };
}
