/** Socket addresses as records hold them. */
import type { HostPort } from '../../../platform/network.ts';
import type { RecordHost } from '../../../protocol/message/message.ts';

const loopback = Uint8Array.of(127, 0, 0, 1);
/** A session hands out the same object each time. */
const hosts = new WeakMap<HostPort, RecordHost>();

/** 4 or 16 bytes of an address; names and what cannot be read become 127.0.0.1. */
export function toRecordHost(address: HostPort): RecordHost {
  let host = hosts.get(address);
  if (host === undefined) {
    host = { address: addressBytes(address.host), port: address.port };
    hosts.set(address, host);
  }
  return host;
}

function addressBytes(text: string): Uint8Array {
  const host = text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text;
  const parts = host.split('.');
  if (parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    return Uint8Array.from(parts, Number);
  }
  return host.includes(':') ? (ipv6Bytes(host) ?? loopback) : loopback;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const [head = '', tail] = (text.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array.from({ length: missing }, () => '0'), ...right];
  const bytes = new Uint8Array(16);
  for (const [index, group] of groups.entries()) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    bytes[index * 2] = value >>> 8;
    bytes[index * 2 + 1] = value;
  }
  return bytes;
}
