/** Ranges of IP addresses, as `10.0.0.0/8` or `fd00::/8` name them. */
import { BlockList, isIP } from 'node:net';

export interface AddressRange {
  /** Whether `host`, an IP address, lies in the range; IPv4 also when it is mapped into IPv6. */
  contains(host: string): boolean;
}

/** One address or `ADDRESS/BITS`; undefined when it is neither. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const bitsMax = version === 4 ? 32 : 128;
  if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, Number(bits ?? bitsMax), family);
  return {
    contains: (host) => {
      const plain = host.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
      const kind = isIP(plain);
      return kind !== 0 && list.check(plain, kind === 4 ? 'ipv4' : 'ipv6');
    },
  };
}
