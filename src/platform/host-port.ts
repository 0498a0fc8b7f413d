/** Addresses as text. */
import type { HostPort } from './network.ts';

/** `host:port` or `[v6]:port`; undefined when it is neither. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, v6, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port <= 65_535)) return undefined;
  return { host, port };
}

/** `host:port`, an IPv6 address in brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
